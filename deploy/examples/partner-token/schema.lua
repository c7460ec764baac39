-- What `partner-token` may be told.

local typedefs = require "kong.db.schema.typedefs"

-- A realm stands between quotes in a header.
local function realm(text)
  if text:find('["\\]') then
    return nil, "may have neither quotes nor backslashes"
  end
  return true
end

return {
  name = "partner-token",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { token = { type = "string", required = true, len_min = 16, referenceable = true, encrypted = true,
          description = "What the client has to send." } },
        { header = typedefs.header_name { required = true, default = "X-Partner-Token" } },
        { realm = { type = "string", required = true, default = "partners", custom_validator = realm } },
      },
    } },
  },
}
