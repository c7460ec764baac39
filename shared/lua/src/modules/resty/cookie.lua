-- resty.cookie: the cookies of the request, and those that are set.
local concat, find, gmatch, match, pairs, setmetatable, sub, type =
  table.concat, string.find, string.gmatch, string.match, pairs, setmetatable, string.sub, type

local _M = { _VERSION = "0.1.0" }
local methods = {}
local meta = { __index = methods, __metatable = false }

local function parse(text)
  local cookies = {}
  for part in gmatch(text, "[^;]+") do
    local name, value = match(part, "^%s*([^=%s]+)%s*=%s*(.-)%s*$")
    if name and cookies[name] == nil then
      cookies[name] = match(value, '^"(.*)"$') or value
    end
  end
  return cookies
end

function _M.new()
  return setmetatable({ _cookie = ngx.var.http_cookie }, meta)
end

function methods:get_all()
  if not self._cookie then
    return nil, "no cookie found in the current request"
  end
  self._cookies = self._cookies or parse(self._cookie)
  return self._cookies
end

function methods:get(name)
  local cookies, said = self:get_all()
  if not cookies then
    return nil, said
  end
  return cookies[name]
end

function methods:get_cookie_size()
  return self._cookie and #self._cookie or 0
end

-- What a cookie's text may not hold: the end of a line, or of the cookie.
local function broken(cookie)
  for _, value in pairs(cookie) do
    if type(value) == "string" and find(value, "[%c;]") then
      return true
    end
  end
  return false
end

local function bake(cookie)
  if not cookie.key or not cookie.value then
    return nil, 'missing required cookie field "key" or "value"'
  elseif cookie.samesite and not ({ Strict = 1, Lax = 1, None = 1 })[cookie.samesite] then
    return nil, "SameSite value must be 'Strict', 'Lax', or 'None'"
  elseif broken(cookie) then
    return nil, "a cookie may not hold control characters or ';'"
  end
  local parts = { cookie.key .. "=" .. cookie.value }
  local function add(value, text)
    if value then
      parts[#parts + 1] = text .. (value == true and "" or value)
    end
  end
  add(cookie.expires, "Expires=")
  add(cookie.max_age, "Max-Age=")
  add(cookie.domain, "Domain=")
  add(cookie.path, "Path=")
  add(cookie.secure and true, "Secure")
  add(cookie.httponly and true, "HttpOnly")
  add(cookie.samesite, "SameSite=")
  add(cookie.extension, "")
  return concat(parts, "; ")
end

_M.bake = bake

function methods:set(cookie)
  local text, said = bake(cookie)
  if not text then
    return nil, said
  end
  local set = ngx.header["Set-Cookie"]
  if type(set) == "string" then
    set = { set }
  end
  local all = {}
  for i = 1, set and #set or 0 do
    if set[i] == text then
      return true
    end
    all[i] = set[i]
  end
  all[#all + 1] = text
  ngx.header["Set-Cookie"] = #all == 1 and text or all
  return true
end

return _M
