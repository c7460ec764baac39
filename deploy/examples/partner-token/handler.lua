-- Lets requests pass that bring a token, and answers all others with 401.

local sha256 = require "resty.sha256"

local kong = kong

local PartnerToken = {
  PRIORITY = 1100,
  VERSION = "1.0.0",
}

local function digest(text)
  local hash = sha256:new()
  hash:update(text)
  return hash:final()
end

-- Compares digests: how long that takes tells nothing about the token.
local function same(one, other)
  return digest(one) == digest(other)
end

function PartnerToken:access(conf)
  if conf.token == "" then
    -- A reference that leads nowhere must not let anybody in.
    kong.log.err("there is no token: nobody can pass")
    return kong.response.exit(503, { message = "Not set up" })
  end
  local given = kong.request.get_header(conf.header)
  if not given then
    return kong.response.exit(401, { message = "No token found in request" }, {
      ["WWW-Authenticate"] = 'Token realm="' .. conf.realm .. '"',
    })
  end
  if not same(given, conf.token) then
    kong.log.notice("refused a token of ", kong.client.get_forwarded_ip())
    return kong.response.exit(401, { message = "Invalid token" })
  end
  -- The upstream has no use for it.
  kong.service.request.clear_header(conf.header)
end

return PartnerToken
