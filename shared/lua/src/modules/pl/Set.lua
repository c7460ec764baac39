-- pl.Set, after Penlight (LICENSE in this folder): sets, whose members are the keys of the table.
local next, pairs, setmetatable, tostring, type = next, pairs, setmetatable, tostring, type
local concat, sort = table.concat, table.sort

local Set = { _name = "Set" }
local meta = { __index = Set, __metatable = false, _name = "Set" }

local function new()
  return setmetatable({}, meta)
end

-- The members of a set, or of what a set is made of: a list, another table's values, one value.
local function members(of)
  local found = {}
  if type(of) ~= "table" then
    found[of] = true
  elseif of._name == "Set" or of._name == "Map" or of._name == "OrderedMap" then
    for key in pairs(of) do
      found[key] = true
    end
  else
    for _, value in pairs(of) do
      found[value] = true
    end
  end
  return found
end

local function make(of)
  local set = new()
  if of ~= nil then
    for member in pairs(members(of)) do
      set[member] = true
    end
  end
  return set
end

function Set.values(set)
  local List = require("pl.List")
  local list = List.new()
  for member in pairs(set) do
    list[#list + 1] = member
  end
  return list
end

function Set.map(set, f, ...)
  local mapped = new()
  for member in pairs(set) do
    mapped[f(member, ...)] = true
  end
  return mapped
end

function Set.union(one, other)
  local all = make(one)
  for member in pairs(members(other)) do
    all[member] = true
  end
  return all
end

function Set.intersection(one, other)
  local both, others = new(), members(other)
  for member in pairs(members(one)) do
    if others[member] then
      both[member] = true
    end
  end
  return both
end

function Set.difference(one, other)
  local left, others = new(), members(other)
  for member in pairs(members(one)) do
    if not others[member] then
      left[member] = true
    end
  end
  return left
end

function Set.symmetric_difference(one, other)
  return Set.union(Set.difference(one, other), Set.difference(other, one))
end

function Set.issubset(one, other)
  for member in pairs(one) do
    if not other[member] then
      return false
    end
  end
  return true
end

function Set.isempty(set)
  return next(set) == nil
end

function Set.isdisjoint(one, other)
  return Set.isempty(Set.intersection(one, other))
end

function Set.len(set)
  local count = 0
  for _ in pairs(set) do
    count = count + 1
  end
  return count
end

local function equal(one, other)
  return Set.issubset(one, other) and Set.issubset(other, one)
end

local function text(set)
  local texts = {}
  for member in pairs(set) do
    texts[#texts + 1] = tostring(member)
  end
  sort(texts)
  return "[" .. concat(texts, ",") .. "]"
end

meta.__add, meta.__mul, meta.__sub, meta.__pow = Set.union, Set.intersection, Set.difference, Set.symmetric_difference
meta.__lt, meta.__le, meta.__eq, meta.__len, meta.__tostring = Set.issubset, Set.issubset, equal, Set.len, text

return setmetatable(Set, {
  __call = function(_, of)
    local set = make(of)
    return set
  end,
})
