-- resty.jwt: tokens signed and verified (HS, RS, PS, ES, EdDSA). Given: natives of signatures and digests.
local natives = ...

local cjson = require("cjson.safe").new()
local error, find, ipairs, match, pcall, sub, tostring, type = error, string.find, ipairs, string.match, pcall, string.sub, tostring, type
local encode64, decode64 = ngx.base64.encode_base64url, ngx.base64.decode_base64url

local _M = { _VERSION = "0.2.3" }

-- The algorithms that are taken, by name; nil are all. Each plugin has its own.
local whitelist

function _M.set_alg_whitelist(_, algorithms)
  if algorithms ~= nil and type(algorithms) ~= "table" then
    error("expected a table of algorithms, got " .. type(algorithms), 2)
  end
  whitelist = algorithms
end

local digests = { HS256 = "sha256", HS384 = "sha384", HS512 = "sha512" }

-- The reason is part of the error, as in lua-resty-jwt.
local function fail(reason)
  error({ reason = reason }, 0)
end

local function secret_of(secret, header, payload)
  if type(secret) == "function" then
    secret = secret(header.kid, header, payload)
  end
  if type(secret) ~= "string" then
    fail("invalid secret")
  end
  return secret
end

function _M.sign(_, secret, object)
  if type(object) ~= "table" or type(object.header) ~= "table" or type(object.payload) ~= "table" and type(object.payload) ~= "string" then
    error("invalid jwt: expected { header = table, payload = table }", 2)
  end
  local header, payload = object.header, object.payload
  if header.typ and header.typ ~= "JWT" then
    error("invalid typ: " .. tostring(header.typ), 2)
  end
  local alg = header.alg
  local text = encode64(cjson.encode(header)) .. "." .. encode64(type(payload) == "table" and cjson.encode(payload) or payload)
  local signature, said
  if type(secret) == "function" then
    secret = secret(header.kid, header, payload)
  end
  if type(secret) ~= "string" then
    error("invalid secret", 2)
  elseif digests[alg] then
    signature = natives.hmac(digests[alg], secret, text)
  else
    signature, said = natives.sign(tostring(alg), secret, text)
  end
  if not signature then
    error(said, 2)
  end
  return text .. "." .. encode64(signature)
end

function _M.load_jwt(_, token)
  local object = { valid = false, verified = false }
  if type(token) ~= "string" then
    object.reason = "invalid jwt string"
    return object
  end
  local raw_header, raw_payload, signature = match(token, "^([^.]*)%.([^.]*)%.([^.]*)$")
  if not raw_header then
    object.reason = "invalid jwt string"
    return object
  end
  local header = cjson.decode(decode64(raw_header) or "")
  local payload = cjson.decode(decode64(raw_payload) or "")
  if type(header) ~= "table" then
    object.reason = "invalid header: " .. raw_header
    return object
  elseif type(payload) ~= "table" then
    object.reason = "invalid payload: " .. raw_payload
    return object
  end
  object.raw_header, object.raw_payload, object.signature = raw_header, raw_payload, signature
  object.header, object.payload, object.valid = header, payload, true
  return object
end

local function check_times(payload)
  local now = ngx.now()
  for _, claim in ipairs({ "nbf", "exp" }) do
    local time = payload[claim]
    if time ~= nil and type(time) ~= "number" then
      fail("'" .. claim .. "' is malformed.  Expected to be a positive numeric value.")
    end
  end
  if payload.nbf and payload.nbf > now then
    fail("'nbf' claim not valid until " .. ngx.http_time(payload.nbf))
  elseif payload.exp and payload.exp < now then
    fail("'exp' claim expired at " .. ngx.http_time(payload.exp))
  end
end

local function verify(secret, object, spec)
  local header = object.header
  local alg = header.alg
  if header.typ and header.typ ~= "JWT" then
    fail("invalid typ: " .. tostring(header.typ))
  end
  if whitelist and whitelist[alg] == nil then
    fail("whitelist unsupported alg: " .. tostring(alg))
  end
  local key = secret_of(secret, header, object.payload)
  local text = object.raw_header .. "." .. object.raw_payload
  local signature = decode64(object.signature)
  if not signature then
    fail("Wrongly encoded signature")
  end
  local verified, said
  if digests[alg] then
    -- A public key is no secret: a token that took it for one would be anybody's.
    if natives.is_key(key) or find(key, "-----BEGIN CERTIFICATE", 1, true) then
      fail("a public key is no secret for " .. alg)
    end
    verified = natives.same(natives.hmac(digests[alg], key, text), signature)
  else
    verified, said = natives.verify(tostring(alg), key, text, signature)
  end
  if not verified then
    fail(said or "signature mismatch: " .. object.signature)
  end
  if not spec then
    check_times(object.payload)
  elseif type(spec) == "table" then
    for claim, validator in pairs(spec) do
      if claim ~= "__jwt" and not validator(object.payload[claim], claim, object) then
        fail("Claim '" .. claim .. "' ('" .. tostring(object.payload[claim]) .. "') returned failure")
      end
    end
  end
end

function _M.verify_jwt_obj(_, secret, object, spec)
  if not object.valid then
    return object
  end
  local ok, failure = pcall(verify, secret, object, spec)
  object.verified = ok
  if ok then
    object.reason = "everything is awesome~ :p"
  else
    object.reason = type(failure) == "table" and failure.reason or tostring(failure)
  end
  return object
end

function _M.verify(self, secret, token, spec)
  local object = _M.load_jwt(self, token)
  if not object.valid then
    return object
  end
  return _M.verify_jwt_obj(self, secret, object, spec)
end

return _M
