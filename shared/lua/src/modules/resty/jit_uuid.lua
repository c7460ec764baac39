-- resty.jit-uuid. Given: what draws random bytes.
local random = ...

local error, format, setmetatable, tostring, type = error, string.format, setmetatable, tostring, type
local band, bor = bit.band, bit.bor
local byte, find, gsub, sub = string.byte, string.find, string.gsub, string.sub

local _M = { _VERSION = "0.0.7" }

local PATTERN = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

local function spelled(bytes, version)
  local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = byte(bytes, 1, 16)
  g = bor(band(g, 0x0F), version * 16)
  i = bor(band(i, 0x3F), 0x80)
  return format("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
end

-- The generator of the system needs no seed.
function _M.seed(seed)
  return seed or 0
end

function _M.generate_v4()
  return spelled(random(16), 4)
end

function _M.is_valid(text)
  return type(text) == "string" and find(text, PATTERN) ~= nil
end

local function factory(digest, version)
  return function(namespace)
    if not _M.is_valid(namespace) then
      return nil, "namespace must be a valid UUID"
    end
    local prefix = gsub(gsub(namespace, "-", ""), "%x%x", function(digits)
      return string.char(tonumber(digits, 16))
    end)
    return function(name)
      if type(name) ~= "string" then
        return nil, "name must be a string"
      end
      return spelled(digest(prefix .. name), version)
    end
  end
end

_M.factory_v3 = factory(ngx.md5_bin, 3)
_M.factory_v5 = factory(ngx.sha1_bin, 5)

function _M.generate_v3(namespace, name)
  local make, said = _M.factory_v3(namespace)
  if not make then
    return nil, said
  end
  return make(name)
end

function _M.generate_v5(namespace, name)
  local make, said = _M.factory_v5(namespace)
  if not make then
    return nil, said
  end
  return make(name)
end

return setmetatable(_M, { __call = _M.generate_v4 })
