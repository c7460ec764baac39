-- resty.openssl.digest, .hmac, .mac, .pkey and .rand: their common methods. One file, which is told its name.
-- Given: natives of signatures and digests, and the name.
local natives, name = ...

local error, lower, gsub, match, setmetatable, type = error, string.lower, string.gsub, string.match, setmetatable, type

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

  function methods:update(...)
    for i = 1, select("#", ...) do
      natives.update(self._digest, (select(i, ...)))
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
    self._digest = natives.new(self._name)
    return true
  end

  return {
    new = function(of)
      local digest = natives.new(known(of))
      if not digest then
        return nil, 'digest.new: invalid digest type "' .. tostring(of) .. '"'
      end
      return setmetatable({ _digest = digest, _name = known(of) }, meta)
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

function modules.pkey()
  local methods = {}
  local meta = object(methods)

  -- The digest names the scheme of RSA; a curve has its own digest.
  local function schemes(of, padding)
    local size = match(known(of or "sha256"), "^sha(%d+)$") or "256"
    if padding == 6 or padding == "pss" then
      return { "PS" .. size }
    elseif of then
      return { "RS" .. size, "ES" .. size .. "-asn1" }
    end
    return { "RS256", "ES256-asn1", "ES384-asn1", "ES512-asn1", "EdDSA" }
  end

  local function first(of, padding, try)
    local said
    for _, scheme in ipairs(schemes(of, padding)) do
      local answer, why = try(scheme)
      if answer ~= nil then
        return answer
      end
      said = said or why
    end
    return nil, "pkey: " .. tostring(said)
  end

  function methods:sign(text, of, padding)
    if type(text) ~= "string" then
      return nil, "pkey:sign: expect a string at #1"
    end
    return first(of, padding, function(scheme)
      return natives.sign(scheme, self._pem, text)
    end)
  end

  function methods:verify(signature, text, of, padding)
    if type(signature) ~= "string" or type(text) ~= "string" then
      return nil, "pkey:verify: expect strings at #1 and #2"
    end
    return first(of, padding, function(scheme)
      return natives.verify(scheme, self._pem, text, signature)
    end)
  end

  function methods:is_private()
    return natives.is_private(self._pem)
  end

  return {
    PADDINGS = { RSA_PKCS1_PADDING = 1, RSA_PKCS1_PSS_PADDING = 6 },
    new = function(pem)
      if type(pem) ~= "string" then
        return nil, "pkey.new: expected a key in PEM"
      elseif not natives.is_key(pem) then
        return nil, "pkey.new: the key cannot be read"
      end
      return setmetatable({ _pem = pem }, meta)
    end,
  }
end

return (modules[name] or error("no such module"))()
