-- pl.utils, after Penlight (LICENSE in this folder): what needs neither files nor other source.
local error, format, next, pairs, print, select = error, string.format, next, pairs, print, select
local concat, find, gsub, pack, sub = table.concat, string.find, string.gsub, table.pack, string.sub
local tostring, type, unpack = tostring, type, unpack

local types = require("pl.types")

local utils = { _VERSION = "1.14.0", dir_separator = "/", pack = pack, is_type = types.is_type, is_callable = types.is_callable }

function utils.unpack(of, first, last)
  return unpack(of, first or 1, last or of.n or #of)
end

function utils.printf(text, ...)
  print(format(text, ...))
end

function utils.choose(condition, one, other)
  if condition then
    return one
  end
  return other
end

function utils.array_tostring(list, into, shown)
  into, shown = into or {}, shown or tostring
  for i = 1, #list do
    into[i] = shown(list[i], i)
  end
  return into
end

function utils.assert_arg(n, value, kind, verify, message, level)
  if type(value) ~= kind then
    error(format("argument %d expected a '%s' got a '%s'", n, kind, type(value)), level or 2)
  elseif verify and not verify(value) then
    error(format("argument %d: '%s' %s", n, tostring(value), message or "failed verification"), level or 2)
  end
  return value
end

function utils.assert_string(n, value)
  return utils.assert_arg(n, value, "string", nil, nil, 3)
end

function utils.raise(message)
  return nil, message
end

function utils.escape(text)
  utils.assert_string(1, text)
  return (gsub(text, "[%-%.%+%[%]%(%)%$%^%%%?%*]", "%%%1"))
end

function utils.split(text, by, plain, most)
  utils.assert_string(1, text)
  local list, from = {}, 1
  by = by or "%s+"
  if by == "" then
    return { text }
  end
  while true do
    local start, stop = find(text, by, from, plain)
    if not start or start > stop then
      local last = sub(text, from)
      if last ~= "" then
        list[#list + 1] = last
      end
      return list
    end
    list[#list + 1] = sub(text, from, start - 1)
    if most and #list == most then
      list[#list] = sub(text, from)
      return list
    end
    from = stop + 1
  end
end

function utils.splitv(text, by, plain, most)
  return unpack(utils.split(text, by, plain, most))
end

function utils.kpairs(of)
  local key
  return function()
    local value
    repeat
      key, value = next(of, key)
    until type(key) ~= "number" or key % 1 ~= 0 or key < 1
    return key, value
  end
end

function utils.npairs(of, first, last, step)
  step, first = step or 1, first or 1
  last = last or of.n or #of
  local i = first - step
  return function()
    i = i + step
    if step > 0 and i <= last or step < 0 and i >= last then
      return i, of[i]
    end
  end
end

-- A function, or an object that can be called.
function utils.function_arg(n, f, message)
  utils.assert_arg(1, n, "number")
  if types.is_callable(f) then
    return f
  end
  error(message or ("argument " .. n .. " must be callable"), 2)
end

function utils.bind1(f, first)
  return function(...)
    return f(first, ...)
  end
end

function utils.bind2(f, second)
  return function(first, ...)
    return f(first, second, ...)
  end
end

function utils.memoize(f)
  local known = {}
  return function(key)
    local value = known[key]
    if value == nil then
      value = f(key)
      known[key] = value
    end
    return value
  end
end

function utils.quote_arg(of)
  if type(of) == "table" then
    local quoted = {}
    for i, value in pairs(of) do
      quoted[i] = utils.quote_arg(value)
    end
    return concat(quoted, " ")
  elseif of == "" or find(of, '[^a-zA-Z0-9_@%%+=:,./-]') then
    return "'" .. gsub(of, "'", "'\\''") .. "'"
  end
  return of
end

function utils.import() end

-- Names that other files of Penlight know lists, maps and sets by.
utils.stdmt = { List = { _name = "List" }, Map = { _name = "Map" }, Set = { _name = "Set" }, MultiMap = { _name = "MultiMap" } }

return utils
