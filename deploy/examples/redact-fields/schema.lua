-- What `redact-fields` may be told.

local typedefs = require "kong.db.schema.typedefs"

return {
  name = "redact-fields",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { fields = { type = "set", required = true, len_min = 1, elements = { type = "string" },
          description = "The fields, at any depth, whose values nobody is to see." } },
        { mark = { type = "string", required = true, default = "***" } },
      },
    } },
  },
}
