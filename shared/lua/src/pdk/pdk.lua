-- Builds the tables `kong` and `ngx` out of dotted names.
-- Given: functions and values by their names, what `ngx` has already, and what makes a table one that can only be read.
local functions, values, ngx, protect = ...

local getmetatable, pairs, type = getmetatable, pairs, type
local gmatch, match = string.gmatch, string.match

-- Per table: its fields, and what is done when it is called, read or written beyond them.
local root = { fields = { ngx = { fields = ngx } } }

local function at(name)
  local node = root
  for part in gmatch(name, "[^.]+") do
    local fields = node.fields
    local inner = fields[part]
    if type(inner) ~= "table" or not inner.fields then
      inner = { fields = type(inner) == "table" and inner or {} }
      fields[part] = inner
    end
    node = inner
  end
  return node
end

local function place(name, value)
  local path, kind = match(name, "^(.-)(%[%]=?)$")
  if not path then
    path, kind = match(name, "^(.-)(%(%))$")
  end
  if path then
    at(path)[kind] = value
    return
  end
  local parent, last = match(name, "^(.+)%.([^.]+)$")
  at(parent).fields[last] = value
end

for name, value in pairs(values) do
  place(name, value)
end
for name, value in pairs(functions) do
  place(name, value)
end

local function build(name, node)
  local fields = node.fields
  for key, value in pairs(fields) do
    if type(value) == "table" and value.fields then
      fields[key] = build(name .. "." .. key, value)
    elseif type(value) == "table" and getmetatable(value) == nil then
      fields[key] = protect(name .. "." .. key, value)
    end
  end
  local read, write, call = node["[]"], node["[]="], node["()"]
  return protect(name, fields, {
    read = read,
    write = write,
    call = call and function(_, ...)
      return call(...)
    end,
  })
end

return build("kong", at("kong")), build("ngx", at("ngx"))
