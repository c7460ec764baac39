-- kong.db.schema.typedefs: fields that schemas have in common (custom-plugins.md 2.2).
-- Given: null, and the attribute that names a rule of the gateway. Each entry is a table of attributes; called with some
-- more it gives a copy with those over its own.
local null, native = ...

local error, pairs, setmetatable, tostring, type = error, pairs, setmetatable, tostring, type

local function copied(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = copied(item)
  end
  return copy
end

local callable = {
  __call = function(definition, attributes)
    local copy = copied(definition)
    for key, value in pairs(attributes or {}) do
      copy[key] = value
    end
    return copy
  end,
}

local function define(attributes)
  return setmetatable(attributes, callable)
end

-- A text that a rule of the gateway judges.
local function text(rule, description)
  return define({ type = "string", [native] = rule, description = description })
end

local function unscoped(reference)
  return define({ type = "foreign", reference = reference, eq = null })
end

local PROTOCOLS = { "grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp" }
local HTTP = { "grpc", "grpcs", "http", "https" }

local typedefs = {
  http_method = define({ type = "string", match = "^%u+$", description = "A method of HTTP, in capital letters." }),
  protocol = define({ type = "string", one_of = PROTOCOLS, description = "A protocol." }),
  host = text("host", "A host name or an address, without a port."),
  host_with_optional_port = text("host_with_optional_port", "A host name or an address, with or without a port."),
  wildcard_host = text("wildcard_host", "A host name whose first or last label may be `*`."),
  ip = text("ip", "An address."),
  ip_or_cidr = text("ip_or_cidr", "An address or a range of addresses."),
  cidr_v4 = text("cidr_v4", "An IPv4 address or a range of them."),
  port = define({ type = "integer", between = { 0, 65535 }, description = "A port." }),
  path = define({
    type = "string",
    starts_with = "/",
    match_none = { { pattern = "//", err = "must not have empty segments" } },
    [native] = "path",
    description = "A path, from `/` on.",
  }),
  url = text("url", "A URL with scheme and host."),
  cookie_name = text("cookie_name", "The name of a cookie."),
  header_name = text("header_name", "The name of a header."),
  timeout = define({ type = "integer", between = { 0, 2147483646 }, description = "A time in milliseconds." }),
  uuid = define({ type = "string", uuid = true, auto = true }),
  auto_timestamp_s = define({ type = "integer", timestamp = true, auto = true }),
  auto_timestamp_ms = define({ type = "number", timestamp = true, auto = true }),
  no_consumer = unscoped("consumers"),
  no_consumer_group = unscoped("consumer_groups"),
  no_route = unscoped("routes"),
  no_service = unscoped("services"),
  name = define({ type = "string", unique = true, [native] = "name" }),
  utf8_name = define({ type = "string", unique = true, [native] = "utf8_name" }),
  tag = define({ type = "string", required = true, [native] = "tag" }),
  sni = text("sni", "A host name as clients of TLS send it."),
  certificate = text("certificate", "A certificate in PEM."),
  key = text("key", "A private key in PEM."),
  semantic_version = define({
    type = "string",
    match_any = {
      patterns = { "^%d+[%.%d]*$" },
      err = "invalid version number: must be in format of X.Y.Z",
    },
    match_none = { { pattern = "%.%.", err = "must not have empty version segments" } },
  }),
  lua_code = define({
    type = "map",
    keys = { type = "string", len_min = 1 },
    values = { type = "string", len_min = 1 },
    description = "Names, and chunks of Lua that give their values.",
  }),
  ttl = define({ type = "number", between = { 0, 100000000 } }),
  queue = define({
    type = "record",
    description = "How entries are gathered and sent.",
    fields = {
      { max_batch_size = { type = "integer", default = 1, between = { 1, 1000000 } } },
      { max_coalescing_delay = { type = "number", default = 1, between = { 0, 3600 } } },
      { max_entries = { type = "integer", default = 10000, between = { 1, 1000000 } } },
      { max_bytes = { type = "integer" } },
      { max_retry_time = { type = "number", default = 60 } },
      { initial_retry_delay = { type = "number", default = 0.01, between = { 0.001, 1000000 } } },
      { max_retry_delay = { type = "number", default = 60, between = { 0.001, 1000000 } } },
      { concurrency_limit = { type = "integer", default = 1, one_of = { -1, 1 } } },
    },
  }),
  pem = define({
    type = "record",
    fields = {
      { private_key = { type = "string", referenceable = true, encrypted = true, [native] = "key" } },
      { public_key = { type = "string", referenceable = true, [native] = "public_key" } },
    },
    entity_checks = { { at_least_one_of = { "private_key", "public_key" } } },
  }),
  jwk = define({ type = "string", referenceable = true, encrypted = true, [native] = "jwk" }),
  propagation = define({
    type = "record",
    required = true,
    fields = {
      { extract = { type = "array", elements = { type = "string",
        one_of = { "ot", "w3c", "datadog", "b3", "gcp", "jaeger", "aws" } } } },
      { clear = { type = "array", elements = { type = "string" } } },
      { inject = { type = "array", elements = { type = "string",
        one_of = { "preserve", "ot", "w3c", "datadog", "b3", "b3-single", "gcp", "jaeger", "aws" } } } },
      { default_format = { type = "string", required = true,
        one_of = { "ot", "w3c", "datadog", "b3", "b3-single", "gcp", "jaeger", "aws" } } },
    },
  }),
}

typedefs.redis_host = typedefs.host({ description = "The host of a Redis server." })
typedefs.redis_server_name = typedefs.sni({ description = "The name that a Redis server is known by in TLS." })
typedefs.tags = { type = "set", elements = typedefs.tag }
typedefs.methods = { type = "set", elements = typedefs.http_method }
typedefs.hosts = { type = "array", elements = typedefs.wildcard_host }
typedefs.headers = {
  type = "map",
  keys = typedefs.header_name({
    match_none = {
      {
        pattern = "^[Hh][Oo][Ss][Tt]$",
        err = "cannot contain 'host' header, which must be specified in the 'hosts' attribute",
      },
    },
  }),
  values = { type = "array", elements = { type = "string" } },
}
typedefs.sources = {
  type = "set",
  elements = {
    type = "record",
    fields = { { ip = typedefs.ip_or_cidr }, { port = typedefs.port } },
    entity_checks = { { at_least_one_of = { "ip", "port" } } },
  },
}
typedefs.protocols = { type = "set", required = true, elements = typedefs.protocol, default = HTTP }
typedefs.protocols_http = {
  type = "set",
  required = true,
  elements = { type = "string", one_of = HTTP },
  default = HTTP,
}
typedefs.destinations = copied(typedefs.sources)

for _, name in pairs({ "redis_host", "redis_server_name", "tags", "methods", "hosts", "headers", "sources",
  "destinations", "protocols", "protocols_http" }) do
  define(typedefs[name])
end

return setmetatable(typedefs, {
  __index = function(_, name)
    error("schema typedef error: definition " .. tostring(name) .. " does not exist", 2)
  end,
})
