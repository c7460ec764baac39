-- pl.tablex, after Penlight (LICENSE in this folder).
local error, ipairs, next, pairs, select, type = error, ipairs, next, pairs, select, type
local getmetatable, setmetatable, rawget = getmetatable, setmetatable, rawget
local floor, sort, unpack = math.floor, table.sort, unpack

local utils = require("pl.utils")
local List = require("pl.List")
local function_arg = utils.function_arg
local list = List._adopt

local tablex = {}

local function table_arg(n, of)
  if type(of) ~= "table" then
    error("argument " .. n .. ' is not "iterable"', 3)
  end
  return of
end

function tablex.size(of)
  table_arg(1, of)
  local count = 0
  for _ in pairs(of) do
    count = count + 1
  end
  return count
end

function tablex.update(into, from)
  table_arg(1, into)
  for key, value in pairs(table_arg(2, from)) do
    into[key] = value
  end
  return into
end

function tablex.copy(of)
  local copy = {}
  for key, value in pairs(table_arg(1, of)) do
    copy[key] = value
  end
  return copy
end

local function deep(of, known)
  if type(of) ~= "table" then
    return of
  elseif known[of] then
    return known[of]
  end
  local copy = {}
  known[of] = copy
  for key, value in pairs(of) do
    copy[deep(key, known)] = deep(value, known)
  end
  local meta = getmetatable(of)
  if type(meta) == "table" then
    setmetatable(copy, meta)
  end
  return copy
end

function tablex.deepcopy(of)
  return deep(of, {})
end

local function equal(one, other, close, ignore_mt, known)
  if type(one) ~= type(other) then
    return false
  elseif type(one) == "number" and close then
    return one - other <= close and other - one <= close
  elseif type(one) ~= "table" then
    return one == other
  end
  local meta = not ignore_mt and getmetatable(one)
  if type(meta) == "table" and meta.__eq then
    return one == other
  elseif known[one] == other then
    return true
  end
  known[one] = other
  for key in pairs(one) do
    if other[key] == nil then
      return false
    end
  end
  for key, value in pairs(other) do
    if one[key] == nil or not equal(one[key], value, close, ignore_mt, known) then
      return false
    end
  end
  return true
end

function tablex.deepcompare(one, other, ignore_mt, close)
  return equal(one, other, close, ignore_mt, {})
end

function tablex.compare(one, other, same)
  if #one ~= #other then
    return false
  end
  same = same and function_arg(3, same)
  for i = 1, #one do
    if same and not same(one[i], other[i]) or not same and one[i] ~= other[i] then
      return false
    end
  end
  return true
end

function tablex.compare_no_order(one, other, same)
  if #one ~= #other then
    return false
  end
  local taken = {}
  for i = 1, #one do
    local found
    for j = 1, #other do
      if not taken[j] and (same and same(one[i], other[j]) or not same and one[i] == other[j]) then
        found = j
        break
      end
    end
    if not found then
      return false
    end
    taken[found] = true
  end
  return true
end

function tablex.find(of, value, from)
  table_arg(1, of)
  from = from or 1
  for i = from < 0 and #of + from + 1 or from, #of do
    if of[i] == value then
      return i
    end
  end
  return nil
end

function tablex.rfind(of, value, from)
  table_arg(1, of)
  from = from or #of
  for i = from < 0 and #of + from + 1 or from, 1, -1 do
    if of[i] == value then
      return i
    end
  end
  return nil
end

function tablex.find_if(of, test, argument)
  function_arg(2, test)
  for i = 1, #table_arg(1, of) do
    local found = test(of[i], argument)
    if found then
      return i, found
    end
  end
  return nil
end

function tablex.index_by(of, keys)
  local values = {}
  for i = 1, #table_arg(2, keys) do
    values[#values + 1] = of[keys[i]]
  end
  return list(values)
end

function tablex.map(f, of, ...)
  f = function_arg(1, f)
  local values = {}
  for key, value in pairs(table_arg(2, of)) do
    values[key] = f(value, ...)
  end
  return values
end

function tablex.imap(f, of, ...)
  f = function_arg(1, f)
  local values = {}
  for i = 1, #table_arg(2, of) do
    values[i] = f(of[i], ...) or false
  end
  return list(values)
end

function tablex.transform(f, of, ...)
  f = function_arg(1, f)
  for key, value in pairs(table_arg(2, of)) do
    of[key] = f(value, ...)
  end
end

function tablex.map2(f, one, other, ...)
  f = function_arg(1, f)
  local values = {}
  for key, value in pairs(one) do
    values[key] = f(value, other[key], ...)
  end
  return values
end

function tablex.mapn(f, ...)
  f = function_arg(1, f)
  local lists, least = { ... }, nil
  for i = 1, #lists do
    least = (not least or #lists[i] < least) and #lists[i] or least
  end
  local values = {}
  for i = 1, least or 0 do
    local arguments = {}
    for j = 1, #lists do
      arguments[j] = lists[j][i]
    end
    values[i] = f(unpack(arguments, 1, #lists))
  end
  return values
end

function tablex.pairmap(f, of, ...)
  f = function_arg(1, f)
  local values = {}
  for key, value in pairs(table_arg(2, of)) do
    local made, under = f(key, value, ...)
    if under ~= nil then
      values[under] = made
    else
      values[#values + 1] = made
    end
  end
  return values
end

function tablex.reduce(f, of, start)
  f = function_arg(1, f)
  local from = 1
  if start == nil then
    start, from = of[1], 2
  end
  for i = from, #of do
    start = f(start, of[i])
  end
  return start
end

function tablex.foreach(of, f, ...)
  f = function_arg(1, f)
  for key, value in pairs(table_arg(1, of)) do
    f(value, key, ...)
  end
end

function tablex.foreachi(of, f, ...)
  f = function_arg(1, f)
  for i = 1, #table_arg(1, of) do
    f(of[i], i, ...)
  end
end

function tablex.filter(of, keeps, argument)
  keeps = function_arg(2, keeps)
  local values = {}
  for i = 1, #table_arg(1, of) do
    if keeps(of[i], argument) then
      values[#values + 1] = of[i]
    end
  end
  return list(values)
end

function tablex.keys(of)
  local keys = {}
  for key in pairs(table_arg(1, of)) do
    keys[#keys + 1] = key
  end
  return list(keys)
end

function tablex.values(of)
  local values = {}
  for _, value in pairs(table_arg(1, of)) do
    values[#values + 1] = value
  end
  return list(values)
end

function tablex.merge(one, other, both)
  local merged = {}
  for key, value in pairs(table_arg(1, one)) do
    if both or other[key] ~= nil then
      merged[key] = value
    end
  end
  if both then
    for key, value in pairs(table_arg(2, other)) do
      merged[key] = value
    end
  end
  return merged
end

function tablex.union(one, other)
  return tablex.merge(one, other, true)
end

function tablex.intersection(one, other)
  return tablex.merge(one, other, false)
end

function tablex.difference(one, other, symmetric)
  local rest = {}
  for key, value in pairs(table_arg(1, one)) do
    if other[key] == nil then
      rest[key] = value
    end
  end
  for key, value in pairs(symmetric and table_arg(2, other) or {}) do
    if one[key] == nil then
      rest[key] = value
    end
  end
  return rest
end

function tablex.count_map(of, same)
  local counts, seen = {}, {}
  for i = 1, #table_arg(1, of) do
    local value = of[i]
    local known = value
    if same then
      for j = 1, #seen do
        known = same(value, seen[j]) and seen[j] or known
      end
    end
    if counts[known] == nil then
      seen[#seen + 1] = known
    end
    counts[known] = (counts[known] or 0) + 1
  end
  return counts
end

function tablex.range(first, last, step)
  return List.range(first, last, step)
end

function tablex.makeset(of)
  local set = {}
  for i = 1, #table_arg(1, of) do
    set[of[i]] = true
  end
  return set
end

function tablex.icopy(into, from, place, first, count)
  place, first = place or 1, first or 1
  for i = 0, (count or #from) - 1 do
    if from[first + i] == nil then
      break
    end
    into[place + i] = from[first + i]
  end
  return into
end

tablex.move = tablex.icopy

function tablex.sub(of, first, last)
  local count, values = #table_arg(1, of), {}
  first, last = first or 1, last or count
  if first < 0 then
    first = count + first + 1
  end
  if last < 0 then
    last = count + last + 1
  end
  for i = first < 1 and 1 or first, last > count and count or last do
    values[#values + 1] = of[i]
  end
  return list(values)
end

function tablex.insertvalues(of, ...)
  local place, values
  if select("#", ...) == 1 then
    place, values = #of + 1, ...
  else
    place, values = ...
  end
  for i = #of, place, -1 do
    of[i + #values] = of[i]
  end
  for i = 1, #values do
    of[place + i - 1] = values[i]
  end
  return of
end

function tablex.removevalues(of, first, last)
  local count = #of
  first, last = first or 1, last or count
  local gone = last - first + 1
  if gone > 0 then
    for i = first, count do
      of[i] = of[i + gone]
    end
  end
  return of
end

function tablex.clear(of, from)
  for i = #of, from or 1, -1 do
    of[i] = nil
  end
end

function tablex.set(of, value, first, last)
  for i = first or 1, last or #of do
    of[i] = value
  end
end

function tablex.new(count, value)
  local values = {}
  tablex.set(values, value, 1, count)
  return values
end

function tablex.zip(...)
  return tablex.mapn(function(...)
    return { ... }
  end, ...)
end

local function ordered(of, less, by)
  local keys = {}
  for key in pairs(of) do
    keys[#keys + 1] = key
  end
  sort(keys, by(less or function(one, other)
    return one < other
  end))
  local i = 0
  return function()
    i = i + 1
    return keys[i], of[keys[i]]
  end
end

function tablex.sort(of, less)
  return ordered(of, less, function(before)
    return before
  end)
end

function tablex.sortv(of, less)
  return ordered(of, less, function(before)
    return function(one, other)
      return before(of[one], of[other])
    end
  end)
end

function tablex.readonly(of)
  return setmetatable({}, {
    __index = of,
    __newindex = function()
      error("Attempt to modify read-only table", 2)
    end,
    __pairs = function()
      return pairs(of)
    end,
    __len = function()
      return #of
    end,
    __metatable = false,
  })
end

function tablex.length(of)
  return #of
end

return tablex
