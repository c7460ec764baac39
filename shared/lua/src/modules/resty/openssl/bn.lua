-- resty.openssl.bn: numbers of keys and certificates, as far as they are read and compared.
local byte, char, find, format, gsub, reverse = string.byte, string.char, string.find, string.format, string.gsub, string.reverse
local floor, rep = math.floor, string.rep
local concat, setmetatable, tonumber, type = table.concat, setmetatable, tonumber, type

local bn = {}
local methods = {}
local meta = { __index = methods, __metatable = false }

local function made(bytes)
  return setmetatable({ _bytes = (gsub(bytes, "^%z+", "")) }, meta)
end

function bn.from_binary(bytes)
  if type(bytes) ~= "string" then
    return nil, "bn.from_binary: expect a string at #1"
  end
  return made(bytes)
end

function bn.from_hex(text)
  if type(text) ~= "string" or find(text, "[^%x]") then
    return nil, "bn.from_hex: expect hexadecimal digits at #1"
  end
  text = #text % 2 == 1 and "0" .. text or text
  return made((gsub(text, "..", function(pair)
    return char(tonumber(pair, 16))
  end)))
end

function bn.new(number, base)
  if type(number) == "string" and (base == 16 or base == nil) then
    return bn.from_hex(number)
  end
  number = number or 0
  if type(number) ~= "number" or number < 0 or number % 1 ~= 0 or number > 2 ^ 53 then
    return nil, "bn.new: expect a whole number that is not negative at #1"
  end
  local bytes = {}
  while number > 0 do
    bytes[#bytes + 1] = char(number % 256)
    number = floor(number / 256)
  end
  return made(reverse(concat(bytes)))
end

function bn.istype(of)
  return type(of) == "table" and type(of._bytes) == "string"
end

-- With zeros in front up to so many bytes.
function methods:to_binary(size)
  local bytes = self._bytes
  if size and #bytes < size then
    bytes = rep("\0", size - #bytes) .. bytes
  end
  return bytes
end

function methods:to_hex()
  if self._bytes == "" then
    return "0"
  end
  return (gsub(self._bytes, ".", function(one)
    return format("%02X", byte(one))
  end))
end

function methods:to_dec()
  -- Groups of seven digits, the last first.
  local groups = { 0 }
  for at = 1, #self._bytes do
    local carry = byte(self._bytes, at)
    for i = 1, #groups do
      local value = groups[i] * 256 + carry
      groups[i], carry = value % 1e7, floor(value / 1e7)
    end
    if carry > 0 then
      groups[#groups + 1] = carry
    end
  end
  local texts = {}
  for i = #groups, 1, -1 do
    texts[#texts + 1] = format("%07d", groups[i])
  end
  return (gsub(concat(texts), "^0+(%d)", "%1"))
end

methods.tostring = methods.to_dec
meta.__tostring = methods.to_dec

-- Exact up to 2^53.
function methods:to_number()
  local number = 0
  for at = 1, #self._bytes do
    number = number * 256 + byte(self._bytes, at)
  end
  return number
end

methods.tonumber = methods.to_number

function methods:num_bits()
  if self._bytes == "" then
    return 0
  end
  local bits, first = (#self._bytes - 1) * 8, byte(self._bytes)
  while first > 0 do
    bits, first = bits + 1, floor(first / 2)
  end
  return bits
end

function methods:is_zero()
  return self._bytes == ""
end

meta.__eq = function(a, b)
  return bn.istype(a) and bn.istype(b) and a._bytes == b._bytes
end

meta.__lt = function(a, b)
  if #a._bytes ~= #b._bytes then
    return #a._bytes < #b._bytes
  end
  return a._bytes < b._bytes
end

return bn
