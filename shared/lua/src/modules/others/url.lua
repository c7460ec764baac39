-- socket.url: addresses taken apart and put together (RFC 3986), as LuaSocket does it.
local find, format, gsub, lower, match, sub = string.find, string.format, string.gsub, string.lower, string.match, string.sub
local char, concat, pairs, tonumber, type = string.char, table.concat, pairs, tonumber, type

local _M = { _VERSION = "URL 1.0.3" }

function _M.escape(text)
  return (gsub(text, "([^A-Za-z0-9_])", function(character)
    return format("%%%02x", character:byte())
  end))
end

function _M.unescape(text)
  return (gsub(text, "%%(%x%x)", function(digits)
    return char(tonumber(digits, 16))
  end))
end

function _M.parse(url, default)
  if url == nil or url == "" then
    return nil, "invalid url"
  end
  local parsed = {}
  for key, value in pairs(default or {}) do
    parsed[key] = value
  end
  local function take(pattern, put)
    url = gsub(url, pattern, function(...)
      put(...)
      return ""
    end, 1)
  end
  take("#(.*)$", function(fragment)
    parsed.fragment = fragment
  end)
  take("^([%w][%w%+%-%.]*)%:", function(scheme)
    parsed.scheme = scheme
  end)
  take("^//([^/%?]*)", function(authority)
    parsed.authority = authority
  end)
  take("%?(.*)", function(query)
    parsed.query = query
  end)
  take("%;(.*)", function(params)
    parsed.params = params
  end)
  if url ~= "" then
    parsed.path = url
  end
  local authority = parsed.authority
  if not authority then
    return parsed
  end
  authority = gsub(authority, "^([^@]*)@", function(userinfo)
    parsed.userinfo = userinfo
    return ""
  end)
  authority = gsub(authority, ":([^:%]]*)$", function(port)
    parsed.port = port
    return ""
  end)
  if authority ~= "" then
    parsed.host = match(authority, "^%[(.+)%]$") or authority
  end
  local userinfo = parsed.userinfo
  if userinfo then
    userinfo = gsub(userinfo, ":([^:]*)$", function(password)
      parsed.password = password
      return ""
    end)
    parsed.user = userinfo
  end
  return parsed
end

function _M.parse_path(path)
  local parsed = {}
  path = path or ""
  for part in path:gmatch("[^/]+") do
    parsed[#parsed + 1] = _M.unescape(part)
  end
  if sub(path, 1, 1) == "/" then
    parsed.is_absolute = 1
  end
  if sub(path, -1) == "/" then
    parsed.is_directory = 1
  end
  return parsed
end

local function protect_segment(text)
  return (gsub(text, "([^A-Za-z0-9%-_.!~*'():@&=+$,])", function(character)
    return format("%%%02x", character:byte())
  end))
end

function _M.build_path(parsed, unsafe)
  local parts = {}
  for i = 1, #parsed do
    parts[i] = unsafe and parsed[i] or protect_segment(parsed[i])
  end
  local path = concat(parts, "/")
  if parsed.is_directory and #parts > 0 then
    path = path .. "/"
  end
  return (parsed.is_absolute and "/" or "") .. path
end

function _M.build(parsed)
  local url = parsed.path or ""
  if parsed.params then
    url = url .. ";" .. parsed.params
  end
  if parsed.query then
    url = url .. "?" .. parsed.query
  end
  local authority = parsed.authority
  if parsed.host then
    authority = find(parsed.host, ":", 1, true) and "[" .. parsed.host .. "]" or parsed.host
    if parsed.port then
      authority = authority .. ":" .. parsed.port
    end
    local userinfo = parsed.userinfo
    if parsed.user then
      userinfo = parsed.user
      if parsed.password then
        userinfo = userinfo .. ":" .. parsed.password
      end
    end
    if userinfo then
      authority = userinfo .. "@" .. authority
    end
  end
  if authority then
    url = "//" .. authority .. url
  end
  if parsed.scheme then
    url = parsed.scheme .. ":" .. url
  end
  if parsed.fragment then
    url = url .. "#" .. parsed.fragment
  end
  return url
end

local function absolute_path(base, relative)
  if sub(relative, 1, 1) == "/" then
    return relative
  end
  local path = gsub(base, "[^/]*$", "") .. relative
  local parts, absolute = {}, sub(path, 1, 1) == "/"
  for part, slash in path:gmatch("([^/]*)(/?)") do
    if part == ".." then
      parts[#parts] = nil
    elseif part ~= "." and (part ~= "" or slash ~= "") and not (part == "" and #parts == 0) then
      parts[#parts + 1] = part .. slash
    end
  end
  return (absolute and "/" or "") .. concat(parts)
end

function _M.absolute(base, relative)
  local over = type(base) == "table" and base or _M.parse(base)
  local parsed = type(relative) == "table" and relative or _M.parse(relative)
  if not over then
    return relative
  elseif not parsed then
    return type(base) == "table" and _M.build(base) or base
  elseif parsed.scheme then
    return type(relative) == "table" and _M.build(relative) or relative
  end
  local built = {}
  for key, value in pairs(parsed) do
    built[key] = value
  end
  built.scheme = over.scheme
  if not parsed.authority then
    built.authority, built.host, built.port = over.authority, over.host, over.port
    built.userinfo, built.user, built.password = over.userinfo, over.user, over.password
    if not parsed.path then
      built.path = over.path
      if not parsed.params then
        built.params = over.params
        built.query = parsed.query or over.query
      end
    else
      built.path = absolute_path(over.path or "/", parsed.path)
    end
  end
  return _M.build(built)
end

return _M
