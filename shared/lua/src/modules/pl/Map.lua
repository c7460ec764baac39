-- pl.Map, after Penlight (LICENSE in this folder): tables with methods.
local ipairs, pairs, rawget, setmetatable = ipairs, pairs, rawget, setmetatable

local tablex = require("pl.tablex")
local pretty = require("pl.pretty")

local Map = { _name = "Map" }
local meta = { __index = Map, __metatable = false, _name = "Map" }

local function new(of)
  local map = setmetatable({}, meta)
  for key, value in pairs(of or {}) do
    map[key] = value
  end
  return map
end

function Map.keys(map)
  return require("pl.List").new(tablex.keys(map))
end

function Map.values(map)
  return require("pl.List").new(tablex.values(map))
end

function Map.iter(map)
  return pairs(map)
end

-- Lists of a key and its value, by keys.
function Map.items(map)
  local items = require("pl.List").new()
  for key, value in tablex.sort(map) do
    items[#items + 1] = require("pl.List").new({ key, value })
  end
  return items
end

function Map.get(map, key)
  return rawget(map, key)
end

function Map.set(map, key, value)
  map[key] = value
end

-- The value; the default, which is set, if there is none.
function Map.setdefault(map, key, default)
  local value = rawget(map, key)
  if value ~= nil then
    return value
  end
  map[key] = default
  return default
end

function Map.len(map)
  return tablex.size(map)
end

function Map.update(map, from)
  for key, value in pairs(from) do
    map[key] = value
  end
  return map
end

function Map.getvalues(map, keys)
  local values = require("pl.List").new()
  for _, key in ipairs(keys) do
    values[#values + 1] = rawget(map, key)
  end
  return values
end

function meta.__eq(one, other)
  return tablex.deepcompare(one, other, true)
end

function meta.__tostring(map)
  return pretty.write(map, "")
end

return setmetatable(Map, {
  __call = function(_, of)
    local map = new(of)
    return map
  end,
})
