-- kong.plugins.base_plugin: what plugins of old times extend (custom-plugins.md 2.3). Its methods do nothing.
local pairs, rawget, rawset, setmetatable = pairs, rawget, rawset, setmetatable

local BasePlugin = {}

-- What classes inherit. Of the phases nothing: a plugin has those that it writes itself.
local inherited = {}

function inherited.extend(self)
  local class = { super = self }
  class.__index = class
  return setmetatable(class, {
    __index = rawget(self, "__index") and self or inherited,
    __metatable = false,
    __call = function(of, ...)
      local object = setmetatable({}, of)
      object:new(...)
      return object
    end,
  })
end

function inherited.new(self, name)
  rawset(self, "_name", name)
end

function inherited.is(self, class)
  local of = self
  while of do
    if of == class then
      return true
    end
    of = of.super
  end
  return false
end

for name, method in pairs(inherited) do
  BasePlugin[name] = method
end
local phases = { "init_worker", "configure", "certificate", "rewrite", "access", "response", "header_filter", "body_filter", "log", "preread" }
for _, phase in pairs(phases) do
  BasePlugin[phase] = function() end
end

return BasePlugin
