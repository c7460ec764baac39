-- kong.plugins.jwt.jwt_parser: tokens taken apart and verified, as plugins beside Kong's own `jwt` do it.
-- Given: natives of signatures and digests.
local natives = ...

local error, find, ipairs, match, setmetatable, tostring, type = error, string.find, ipairs, string.match, setmetatable, tostring, type
local encode64, decode64 = ngx.base64.encode_base64url, ngx.base64.decode_base64url
local cjson = require("cjson.safe").new()

local digests = { HS256 = "sha256", HS384 = "sha384", HS512 = "sha512" }
local signatures = {
  RS256 = true, RS384 = true, RS512 = true, ES256 = true, ES384 = true, ES512 = true,
  PS256 = true, PS384 = true, PS512 = true, EdDSA = true,
}

local claims = {
  nbf = {
    type = "number",
    refuse = function(time)
      return time > ngx.time() and "token not valid yet"
    end,
  },
  exp = {
    type = "number",
    refuse = function(time)
      return time <= ngx.time() and "token expired"
    end,
  },
}

local parser = {}
local methods = { __index = parser, __metatable = false }

local function member(text)
  local decoded = text and decode64(text)
  return decoded and cjson.decode(decoded)
end

-- The token as an object, or nil and what is wrong with it.
function parser.new(_, token)
  if type(token) ~= "string" then
    error("Token must be a string, got " .. tostring(token), 2)
  end
  local header_64, claims_64, signature_64 = match(token, "^([^.]*)%.([^.]*)%.(.*)$")
  local header, body = member(header_64), member(claims_64)
  if type(header) ~= "table" or body == nil then
    return nil, "invalid JSON"
  elseif header.typ and tostring(header.typ):upper() ~= "JWT" then
    return nil, "invalid typ"
  elseif type(header.alg) ~= "string" or not (digests[header.alg] or signatures[header.alg]) then
    return nil, "invalid alg"
  elseif type(body) ~= "table" then
    return nil, "invalid claims"
  end
  local signature = decode64(signature_64)
  if not signature then
    return nil, "invalid signature"
  end
  return setmetatable({
    token = token,
    header_64 = header_64,
    claims_64 = claims_64,
    signature_64 = signature_64,
    header = header,
    claims = body,
    signature = signature,
  }, methods)
end

-- Whether the signature is by this key: a secret, or a public key in PEM.
function parser:verify_signature(key)
  local alg, text = self.header.alg, self.header_64 .. "." .. self.claims_64
  if not digests[alg] then
    return (natives.verify(alg, key, text, self.signature)) and true or false
  end
  -- A public key is no secret: a token that took it for one would be anybody's.
  if natives.is_key(key) or find(key, "-----BEGIN CERTIFICATE", 1, true) then
    return false
  end
  return natives.same(natives.hmac(digests[alg], key, text), self.signature)
end

local function blame(errors, name, text)
  errors = errors or {}
  errors[name] = text
  return errors
end

-- Of `nbf` and `exp` those that are named must be there and hold; else false and what is wrong, by name.
function parser:verify_registered_claims(names)
  local errors
  for _, name in ipairs(names or {}) do
    local claim, value = claims[name], self.claims[name]
    if claim and type(value) ~= claim.type then
      errors = blame(errors, name, "must be a " .. claim.type)
    elseif claim then
      local refused = claim.refuse(value)
      if refused then
        errors = blame(errors, name, refused)
      end
    end
  end
  return errors == nil, errors
end

-- Whether it expires within so many seconds; 0 is no limit.
function parser:check_maximum_expiration(most)
  if most <= 0 then
    return true
  end
  local exp = self.claims.exp
  if exp == nil or exp - ngx.time() > most then
    return false, { exp = "exceeds maximum allowed expiration" }
  end
  return true
end

-- A signed token.
function parser.encode(data, key, alg, header)
  if type(data) ~= "table" then
    error("Argument #1 must be table", 2)
  elseif type(key) ~= "string" then
    error("Argument #2 must be string", 2)
  end
  alg = alg or "HS256"
  header = header or { typ = "JWT", alg = alg }
  local text = encode64(cjson.encode(header)) .. "." .. encode64(cjson.encode(data))
  local signature, said
  if digests[alg] then
    signature = natives.hmac(digests[alg], key, text)
  else
    signature, said = natives.sign(tostring(alg), key, text)
  end
  if not signature then
    error(said, 2)
  end
  return text .. "." .. encode64(signature)
end

return parser
