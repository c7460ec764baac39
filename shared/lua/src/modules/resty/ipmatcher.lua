-- resty.ipmatcher: whether an address lies in one of some ranges. Given: natives of addresses.
local natives = ...

local pairs, setmetatable, type = pairs, setmetatable, type

local _M = { _VERSION = "0.6.1" }
local methods = {}
local meta = { __index = methods, __metatable = false }

local function create(ranges, values)
  local nets, wrong = natives.nets(ranges)
  if not nets then
    return nil, "invalid ip address: " .. wrong
  end
  return setmetatable({ _nets = nets, _values = values }, meta)
end

function _M.new(ranges)
  if type(ranges) ~= "table" then
    error("missing valid ip argument", 2)
  end
  return create(ranges)
end

function _M.new_with_value(by_range)
  if type(by_range) ~= "table" then
    error("missing valid ip argument", 2)
  end
  local ranges, values = {}, {}
  for range, value in pairs(by_range) do
    ranges[#ranges + 1] = range
    values[#values + 1] = value
  end
  return create(ranges, values)
end

local function found(self, place)
  if place == nil then
    return false, "invalid ip address, not ipv4 and ipv6"
  elseif place == 0 then
    return false
  end
  return not self._values or self._values[place]
end

function methods:match(text)
  return found(self, natives.within(self._nets, text))
end

-- The same for 4 or 16 bytes, as `ngx.var.binary_remote_addr`.
function methods:match_bin(bytes)
  return found(self, natives.within_bytes(self._nets, bytes))
end

function _M.parse_ipv4(text)
  return natives.kind(text) == "ipv4" and natives.number(text)
end

function _M.parse_ipv6(text)
  return natives.kind(text) == "ipv6"
end

return _M
