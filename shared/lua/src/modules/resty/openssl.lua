-- resty.openssl.digest, .hmac, .mac and .rand: their common methods. One file, which is told its name.
-- Given: natives of digests, and the name.
local natives, name = ...

local error, lower, gsub, select, setmetatable, tostring, type = error, string.lower, string.gsub, select, setmetatable, tostring, type

-- `SHA-256`, `sha256`: one digest.
local function known(of)
  return (gsub(lower(of or "sha1"), "-", ""))
end

local function object(methods)
  return { __index = methods, __metatable = false }
end

local function collecting(of, text)
  of._texts = of._texts .. (text or "")
  return true
end

local modules = {}

function modules.digest()
  local methods = {}
  local meta = object(methods)

  -- What it was fed is kept: a key that signs a digest signs that.
  function methods:update(...)
    for i = 1, select("#", ...) do
      local text = select(i, ...)
      natives.update(self._digest, text)
      self._texts[#self._texts + 1] = text
    end
    return true
  end

  function methods:final(text)
    if text then
      natives.update(self._digest, text)
    end
    return natives.finish(self._digest)
  end

  function methods:reset()
    self._digest, self._texts = natives.new(self._name), {}
    return true
  end

  return {
    new = function(of)
      local digest = natives.new(known(of))
      if not digest then
        return nil, 'digest.new: invalid digest type "' .. tostring(of) .. '"'
      end
      return setmetatable({ _digest = digest, _name = known(of), _texts = {} }, meta)
    end,
  }
end

local function keyed(create)
  local methods = {}
  local meta = object(methods)

  function methods:update(...)
    for i = 1, select("#", ...) do
      collecting(self, (select(i, ...)))
    end
    return true
  end

  function methods:final(text)
    collecting(self, text)
    return natives.hmac(self._name, self._key, self._texts)
  end

  function methods:reset()
    self._texts = ""
    return true
  end

  return { new = create(meta) }
end

function modules.hmac()
  return keyed(function(meta)
    return function(key, of)
      of = known(of)
      if type(key) ~= "string" then
        return nil, "expect a string at #1"
      elseif not natives.hmac(of, key, "") then
        return nil, "hmac.new: invalid digest type"
      end
      return setmetatable({ _key = key, _name = of, _texts = "" }, meta)
    end
  end)
end

function modules.mac()
  return keyed(function(meta)
    return function(key, kind, _, of)
      of = known(of)
      if type(key) ~= "string" then
        return nil, "expect a string at #1"
      elseif lower(kind or "") ~= "hmac" then
        return nil, 'mac.new: invalid mac type "' .. tostring(kind) .. '"'
      elseif not natives.hmac(of, key, "") then
        return nil, "mac.new: invalid digest type"
      end
      return setmetatable({ _key = key, _name = of, _texts = "" }, meta)
    end
  end)
end

function modules.rand()
  return {
    bytes = function(count)
      if type(count) ~= "number" then
        return nil, "expect a number at #1"
      end
      return require("resty.random").bytes(count, true)
    end,
  }
end

return (modules[name] or error("no such module"))()
