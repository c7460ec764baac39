-- What `consume-external-service` may be told.

local typedefs = require "kong.db.schema.typedefs"

return {
  name = "consume-external-service",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { url = typedefs.url { required = true, description = "What is asked about each response." } },
        { field = { type = "string", required = true, default = "url",
          description = "The field of its JSON that is shown." } },
        { header = typedefs.header_name { required = true, default = "X-Third-Party" } },
        { timeout = typedefs.timeout { required = true, default = 2000, description = "Milliseconds." } },
      },
    } },
  },
}
