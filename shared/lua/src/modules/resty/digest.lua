-- `resty.md5`, `resty.sha1`, `resty.sha256` …: one file, whose name says which. Given: the natives of digests, and the name.
local natives, name = ...

local error, setmetatable, type = error, setmetatable, type

local methods = {}
local meta = { __index = methods, __metatable = false }

local module = { _VERSION = "0.16" }

function module.new()
  return setmetatable({ _digest = natives.new(name) }, meta)
end

function methods.update(self, text, length)
  if type(text) ~= "string" then
    error("bad argument #1 to 'update' (string expected, got " .. type(text) .. ")", 2)
  end
  natives.update(self._digest, length and text:sub(1, length) or text)
  return true
end

function methods.final(self)
  return natives.finish(self._digest)
end

function methods.reset(self)
  self._digest = natives.new(name)
  return true
end

return module
