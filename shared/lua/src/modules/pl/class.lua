-- pl.class, after Penlight (LICENSE in this folder).
local error, getmetatable, pairs, rawget, rawset = error, getmetatable, pairs, rawget, rawset
local setmetatable, type = setmetatable, type

-- What an object is of is kept here, not in a metatable that scripts could reach.
local classes = setmetatable({}, { __mode = "k" })

local function inherits(class, base)
  while class do
    if class == base then
      return true
    end
    class = rawget(class, "_base")
  end
  return false
end

-- The nearest class from this one on that has an `_init` of its own.
local function with_init(class)
  while class and rawget(class, "_init") == nil do
    class = rawget(class, "_base")
  end
  return class
end

-- Within `_init`, `super` is that of the class above the one whose turn it is.
local function construct(class, object, ...)
  class = with_init(class)
  if not class then
    return nil
  end
  local above = with_init(rawget(class, "_base"))
  rawset(object, "super", above and function(of, ...)
    construct(above, of, ...)
    rawset(of, "super", nil)
  end or nil)
  local result = rawget(class, "_init")(object, ...)
  rawset(object, "super", nil)
  return result
end

local function create(class, ...)
  local object = setmetatable({}, class)
  classes[object] = class
  local result = construct(class, object, ...)
  if result ~= nil then
    object = setmetatable(result, class)
    classes[object] = class
  end
  return object
end

local function derive(base, fields)
  local class = {}
  for name, value in pairs(base or {}) do
    if name ~= "_base" and name ~= "_name" and name ~= "_init" then
      class[name] = value
    end
  end
  class.__index = class
  class._base = base
  class.is_a = function(object, of)
    local own = classes[object] or getmetatable(object)
    if of == nil then
      return own
    end
    return inherits(own, of)
  end
  class.class_of = function(of, object)
    return type(object) == "table" and inherits(classes[object], of)
  end
  class.cast = function(of, object)
    classes[object] = of
    return setmetatable(object, of)
  end
  for name, value in pairs(fields or {}) do
    class[name] = value
  end
  return setmetatable(class, {
    __index = base,
    __call = function(of, ...)
      return create(of, ...)
    end,
  })
end

local class = {}

return setmetatable(class, {
  __call = function(_, base, fields)
    if base ~= nil and type(base) ~= "table" then
      error("must supply a base class or a table", 2)
    end
    -- A plain table is the methods; a class has an index.
    if base and rawget(base, "__index") == nil and not fields then
      local methods = {}
      for name, value in pairs(base) do
        methods[name] = value
      end
      local from = methods._base
      methods._base = nil
      return derive(from, methods)
    end
    return derive(base, fields)
  end,
})
