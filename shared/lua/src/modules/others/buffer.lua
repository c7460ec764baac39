-- string.buffer: what of LuaJIT's needs no pointers. With `ref` and `reserve` a script could write anywhere.
local concat, error, format, setmetatable, sub, tostring, type = table.concat, error, string.format, setmetatable, string.sub, tostring, type
local select = select

local methods = {}
local meta = { __index = methods, __metatable = false }

local function text(self)
  if #self._parts > 1 then
    self._parts = { concat(self._parts) }
  end
  return self._parts[1] or ""
end

function methods:put(...)
  for i = 1, select("#", ...) do
    local value = (select(i, ...))
    if type(value) ~= "string" and type(value) ~= "number" and type(value) ~= "table" then
      error("bad argument #" .. i .. " to 'put' (string expected, got " .. type(value) .. ")", 2)
    end
    self._parts[#self._parts + 1] = tostring(value)
  end
  return self
end

function methods:putf(...)
  return self:put(format(...))
end

function methods:set(value)
  self._parts = { tostring(value) }
  return self
end

function methods:reset()
  self._parts = {}
  return self
end

methods.free = methods.reset

function methods:skip(count)
  self._parts = { sub(text(self), count + 1) }
  return self
end

-- All, or so many bytes each; they are gone then.
function methods:get(...)
  local all = text(self)
  if select("#", ...) == 0 then
    self._parts = {}
    return all
  end
  local given, from = {}, 1
  for i = 1, select("#", ...) do
    local count = (select(i, ...)) or #all
    given[i] = sub(all, from, from + count - 1)
    from = from + count
  end
  self._parts = { sub(all, from) }
  return unpack(given, 1, select("#", ...))
end

function methods:tostring()
  return text(self)
end

meta.__tostring = text

function meta.__len(self)
  return #text(self)
end

function meta.__concat(one, other)
  return tostring(one) .. tostring(other)
end

return {
  new = function()
    return setmetatable({ _parts = {} }, meta)
  end,
}
