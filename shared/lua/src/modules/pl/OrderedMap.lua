-- pl.OrderedMap, after Penlight (LICENSE in this folder): a map that keeps the order in which its keys came.
local error, ipairs, next, pairs, setmetatable, tostring, type =
  error, ipairs, next, pairs, setmetatable, tostring, type
local concat, insert, remove, sort = table.concat, table.insert, table.remove, table.sort
local format = string.format

local OrderedMap = { _name = "OrderedMap" }
-- The keys of each, in order.
local orders = setmetatable({}, { __mode = "k" })
local meta = { __metatable = false, _name = "OrderedMap" }

-- Values are kept apart: only so is every change seen.
local stores = setmetatable({}, { __mode = "k" })

local function place_of(map, key)
  for at, known in ipairs(orders[map]) do
    if known == key then
      return at
    end
  end
end

function meta.__index(map, key)
  local value = stores[map][key]
  if value ~= nil then
    return value
  end
  return OrderedMap[key]
end

function meta.__newindex(map, key, value)
  map:set(key, value)
end

function OrderedMap.set(map, key, value)
  local values = stores[map]
  if value == nil then
    if values[key] ~= nil then
      remove(orders[map], place_of(map, key))
    end
  elseif values[key] == nil then
    insert(orders[map], key)
  end
  values[key] = value
  return map
end

function OrderedMap.get(map, key)
  return stores[map][key]
end

-- At a place among the keys; one that is there moves.
function OrderedMap.insert(map, place, key, value)
  if value == nil then
    value = stores[map][key]
  end
  if stores[map][key] ~= nil then
    remove(orders[map], place_of(map, key))
  end
  insert(orders[map], place, key)
  stores[map][key] = value
  return map
end

-- From another map, or a list of tables of one key each.
function OrderedMap.update(map, from)
  if type(from) ~= "table" then
    error("expected a table, got " .. type(from), 2)
  end
  if orders[from] then
    for key, value in from:iter() do
      map:set(key, value)
    end
  elseif from[1] ~= nil then
    for _, one in ipairs(from) do
      local key, value = next(one)
      map:set(key, value)
    end
  else
    for key, value in pairs(from) do
      map:set(key, value)
    end
  end
  return map
end

function OrderedMap.keys(map)
  local keys = require("pl.List").new()
  for at, key in ipairs(orders[map]) do
    keys[at] = key
  end
  return keys
end

function OrderedMap.values(map)
  local values = require("pl.List").new()
  for at, key in ipairs(orders[map]) do
    values[at] = stores[map][key]
  end
  return values
end

function OrderedMap.len(map)
  return #orders[map]
end

function OrderedMap.sort(map, less)
  sort(orders[map], less)
  return map
end

function OrderedMap.iter(map)
  local at = 0
  return function()
    at = at + 1
    local key = orders[map][at]
    return key, stores[map][key]
  end
end

meta.__pairs = OrderedMap.iter
meta.__len = OrderedMap.len

function meta.__tostring(map)
  local texts = {}
  for key, value in map:iter() do
    local shown = type(value) == "string" and format("%q", value) or tostring(value)
    texts[#texts + 1] = tostring(key) .. "=" .. shown
  end
  return "{" .. concat(texts, ",") .. "}"
end

return setmetatable(OrderedMap, {
  __call = function(_, from)
    local map = {}
    orders[map], stores[map] = {}, {}
    setmetatable(map, meta)
    if from ~= nil then
      map:update(from)
    end
    return map
  end,
})
