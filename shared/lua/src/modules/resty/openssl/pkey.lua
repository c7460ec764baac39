-- resty.openssl.pkey: keys that sign, verify and are written down. Given: natives of keys, signatures and digests.
local natives = ...

local error, ipairs, lower, match, pairs, setmetatable, tostring, type =
  error, ipairs, string.lower, string.match, pairs, setmetatable, tostring, type
local ceil, concat, gsub, upper = math.ceil, table.concat, string.gsub, string.upper
local ngx = ngx

local pkey = { PADDINGS = { RSA_PKCS1_PADDING = 1, RSA_PKCS1_PSS_PADDING = 6 }, version = "1.0.0" }
local methods = {}
local meta = { __index = methods, __metatable = false }

local KINDS = {
  RSA = { id = 6, nid = 6, sn = "rsaEncryption", ln = "rsaEncryption" },
  EC = { id = 408, nid = 408, sn = "id-ecPublicKey", ln = "id-ecPublicKey" },
  ED25519 = { id = 1087, nid = 1087, sn = "ED25519", ln = "ED25519" },
}
-- OpenSSL's numbers of curves.
local GROUPS = { prime256v1 = 415, secp384r1 = 715, secp521r1 = 716 }

local function made(key)
  return setmetatable({ _key = key, _pem = key.private or key.public }, meta)
end

-- `new(text, { format = "PEM", type = "pr" })` reads a key, `new({ type = "RSA", bits = 2048 })` and
-- `new({ type = "EC", curve = "prime256v1" })` make one.
function pkey.new(text, options)
  if text == nil or type(text) == "table" then
    options = text or {}
    local kind = options.type or "RSA"
    local key, err = natives.generate(kind, kind == "EC" and options.curve or kind == "RSA" and options.bits and tostring(options.bits) or nil)
    if not key then
      return nil, "pkey.new: " .. err
    end
    return made(key)
  elseif type(text) ~= "string" then
    return nil, "pkey.new: unexpected type " .. type(text) .. " at #1"
  end
  options = options or {}
  local format = upper(options.format or "*")
  if format ~= "PEM" and format ~= "DER" and format ~= "JWK" and format ~= "*" then
    return nil, "pkey.new: unknown format: " .. format
  end
  local key = natives.key(text, format)
  if not key then
    return nil, "pkey.new: the key cannot be read"
  elseif options.type == "pr" and not key.private then
    return nil, "pkey.new: the key is not a private one"
  elseif options.type == "pu" and key.private then
    key.private, key.private_der = nil, nil
  end
  return made(key)
end

function pkey.istype(of)
  return type(of) == "table" and type(of._key) == "table" and of._pem ~= nil
end

-- The digest names the scheme of RSA; a curve has its own digest.
local function schemes(of, padding)
  local size = match(gsub(lower(of or "sha256"), "-", ""), "^sha(%d+)$") or "256"
  if padding == 6 or padding == "pss" then
    return { "PS" .. size }
  elseif of then
    return { "RS" .. size, "ES" .. size .. "-asn1" }
  end
  return { "RS256", "ES256-asn1", "ES384-asn1", "ES512-asn1", "EdDSA" }
end

-- What is signed: a text, or what a digest was fed.
local function fed(text, of)
  if type(text) == "table" and type(text._texts) == "table" then
    return concat(text._texts), text._name
  end
  return text, of
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

-- A signature on a curve is as long as the curve's numbers twice, where it is not in ASN.1.
local function plain(options)
  return type(options) == "table" and options.ecdsa_use_raw
end

local function attempt(scheme, options)
  return plain(options) and (gsub(scheme, "%-asn1$", "")) or scheme
end

function methods:sign(text, of, padding, options)
  text, of = fed(text, of)
  if type(text) ~= "string" then
    return nil, "pkey:sign: expect a digest instance or a string at #1"
  elseif not self._key.private then
    return nil, "pkey:sign: the key is not a private one"
  end
  return first(of, padding, function(scheme)
    return natives.sign(attempt(scheme, options), self._key.private, text)
  end)
end

function methods:verify(signature, text, of, padding, options)
  text, of = fed(text, of)
  if type(signature) ~= "string" or type(text) ~= "string" then
    return nil, "pkey:verify: expect strings at #1 and #2"
  end
  return first(of, padding, function(scheme)
    return natives.verify(attempt(scheme, options), self._key.public, text, signature)
  end)
end

function methods:is_private()
  return self._key.private ~= nil
end

function methods:get_key_type(as_number)
  local kind = KINDS[self._key.kind]
  if as_number then
    return kind.id
  end
  local copy = {}
  for name, value in pairs(kind) do
    copy[name] = value
  end
  return copy
end

-- Bytes of a signature of RSA; of a curve, the most that one has in ASN.1.
function methods:get_size()
  local key = self._key
  local bytes = ceil(key.bits / 8)
  if key.kind == "RSA" then
    return bytes
  elseif key.kind == "EC" then
    return 2 * (bytes + 3) + (bytes > 60 and 3 or 2)
  end
  return 64
end

-- Numbers as those of `resty.openssl.bn`, bytes as texts.
function methods:get_parameters()
  local bn = require("resty.openssl.bn")
  local key = self._key
  local found = {}
  for name, bytes in pairs(key.parameters) do
    if key.kind == "ED25519" or name == "public" and key.kind == "EC" then
      found[name] = bytes
    else
      found[name] = bn.from_binary(bytes)
    end
  end
  if key.kind == "EC" then
    found.group = GROUPS[key.curve]
  end
  return found
end

-- `which` is `public` or `private`, `format` `PEM`, `DER` or `JWK`.
function methods:tostring(which, format)
  local key = self._key
  which, format = lower(which or "public"), upper(format or "PEM")
  local private = which == "private" or which == "privatekey"
  if private and not key.private then
    return nil, "pkey:tostring: the key is not a private one"
  elseif format == "PEM" then
    return private and key.private or key.public
  elseif format == "DER" then
    return private and key.private_der or key.public_der
  elseif format ~= "JWK" then
    return nil, "pkey:tostring: unknown format: " .. format
  end
  local encode = ngx.base64.encode_base64url
  local of, jwk = key.parameters, nil
  if key.kind == "RSA" then
    jwk = { kty = "RSA", n = encode(of.n), e = encode(of.e) }
    if private then
      jwk.d, jwk.p, jwk.q = encode(of.d), encode(of.p), encode(of.q)
      jwk.dp, jwk.dq, jwk.qi = encode(of.dmp1), encode(of.dmq1), encode(of.iqmp)
    end
  elseif key.kind == "EC" then
    local names = { prime256v1 = "P-256", secp384r1 = "P-384", secp521r1 = "P-521" }
    jwk = { kty = "EC", crv = names[key.curve], x = encode(of.x), y = encode(of.y), d = private and encode(of.private) or nil }
  else
    jwk = { kty = "OKP", crv = "Ed25519", x = encode(of.public), d = private and encode(of.private) or nil }
  end
  return require("cjson.safe").encode(jwk)
end

function methods:to_PEM(which)
  return self:tostring(which, "PEM")
end

for _, name in ipairs({ "encrypt", "decrypt", "derive", "set_parameters", "sign_raw", "verify_recover" }) do
  methods[name] = function()
    error("resty.openssl.pkey: " .. name .. " is not supported", 2)
  end
end

meta.__tostring = function(self)
  return (self:tostring())
end

return pkey
