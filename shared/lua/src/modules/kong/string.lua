-- kong.tools.string: what bundled plugins use of it. Given: natives of `kong/mod.rs`.
local natives = ...

local char, find, gsub, lower, match, sub = string.char, string.find, string.gsub, string.lower, string.match, string.sub
local byte, error, floor, format, tonumber, tostring, type = string.byte, error, math.floor, string.format, tonumber, tostring, type

local split = require("pl.utils").split

local _M = {}

-- Parts between a plain separator; those at the ends may be empty.
function _M.split(text, by)
  if by == nil then
    return split(text)
  elseif by == "" then
    return { text }
  end
  local parts = {}
  for part in _M.isplitn(text, by) do
    parts[#parts + 1] = part
  end
  return parts
end

function _M.strip(value)
  if value == nil then
    return ""
  end
  return (match(tostring(value), "^%s*(.-)%s*$"))
end

-- At most `most` parts, the last of which is the rest; without it all.
function _M.splitn(text, by, most)
  local parts, count = {}, 0
  for part in _M.isplitn(text, by, most) do
    count = count + 1
    parts[count] = part
  end
  return parts, count
end

function _M.isplitn(text, by, most)
  local from, count = 1, 0
  return function()
    if not from or most and count >= most then
      return nil
    end
    count = count + 1
    local start, stop
    if count ~= most then
      start, stop = find(text, by, from, true)
    end
    local part = sub(text, from, start and start - 1)
    from = start and stop >= start and stop + 1 or nil
    return part
  end
end

function _M.replace_dashes(text)
  return (gsub(text, "-", "_"))
end

function _M.replace_dashes_lower(text)
  return lower((gsub(text, "-", "_")))
end

-- Whether it is UTF-8, and else where not.
function _M.validate_utf8(value)
  return natives.validate_utf8(tostring(value))
end

local units = { k = 1024, m = 1024 ^ 2, g = 1024 ^ 3, t = 1024 ^ 4 }

function _M.bytes_to_str(bytes, unit, scale)
  local u = lower(unit or "")
  if u == "" or u == "b" then
    return format("%d", floor(bytes))
  end
  scale = scale or 2
  if type(scale) ~= "number" or scale < 0 then
    error("scale must be equal or greater than 0", 2)
  end
  local letter = match(u, "^([kmg])") or error("invalid unit '" .. unit .. "' (expected 'k/K', 'm/M', or 'g/G')", 2)
  local name = ({ k = "KiB", m = "MiB", g = "GiB" })[letter]
  return format("%." .. scale .. "f %s", bytes / units[letter], name)
end

-- The bytes of "10k", "1 MiB"; nil if it is none.
function _M.str_to_bytes(text)
  local number, unit = match(tostring(text), "^%s*(%d+%.?%d*)%s*([kKmMgGtT]?)[iI]?[bB]?%s*$")
  if not number then
    return nil
  end
  return tonumber(number) * (units[lower(unit)] or 1)
end

function _M.try_decode_base64(value)
  if type(value) == "string" then
    return ngx.decode_base64(value) or value
  end
  return value
end

function _M.random_string()
  return require("kong.tools.rand").random_string()
end

_M.sub, _M.byte, _M.char = sub, byte, char

return _M
