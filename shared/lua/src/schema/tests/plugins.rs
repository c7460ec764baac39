//! Whole schemas.

use super::*;

#[test]
fn the_schema_of_the_guide_is_read() {
    let source = r#"local typedefs = require "kong.db.schema.typedefs"
return {
  name = "my-plugin",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = { type = "record", fields = {
        { response_header_name = typedefs.header_name { required = false, default = "X-MyPlugin" } },
    } } },
  },
}
"#;
    let shape = shape(source).expect("a good schema");
    let scopes = shape.scopes;
    assert_eq!(
        (scopes.consumer, scopes.service, scopes.route),
        (false, true, true)
    );
    let http = ["grpc", "grpcs", "http", "https"].map(str::to_owned);
    assert_eq!(shape.protocols, Some(http.to_vec()));
    for (sent, stored, wrong) in [
        (
            json!({}),
            json!({ "response_header_name": "X-MyPlugin" }),
            json!({}),
        ),
        (
            json!({ "response_header_name": null }),
            json!({ "response_header_name": null }),
            json!({}),
        ),
        (
            json!({ "response_header_name": "X Y" }),
            json!({ "response_header_name": "X Y" }),
            json!({ "response_header_name":
                "bad header name 'X Y', allowed characters are A-Z, a-z, 0-9, '_', and '-'" }),
        ),
        (
            json!({ "header_name": "X" }),
            json!({ "response_header_name": "X-MyPlugin", "header_name": "X" }),
            json!({ "header_name": "unknown field" }),
        ),
    ] {
        assert_eq!(
            judged(&shape.config, sent.clone()),
            (stored, wrong),
            "{sent}"
        );
    }
    let shown = Field::record(shape.config).named("config").render_named();
    assert_eq!(
        shown["config"]["fields"],
        json!([{ "response_header_name": {
            "type": "string", "default": "X-MyPlugin", "description": "The name of a header." } }])
    );
}

/// Documents for one schema: what is sent, and what is wrong with it.
fn judge(source: &str, cases: &[(Value, Value)]) -> Shape {
    let shape = shape(source).unwrap_or_else(|error| panic!("{error}"));
    // As the catalogue makes it: rules of the whole document see `config` from outside.
    let config = Field::record(shape.config.clone()).named("config");
    let mut document = Schema::new("plugins", vec![config]);
    document.checks = shape.checks.clone();
    for (sent, expected) in cases {
        let (_, wrong) = judged(&document, json!({ "config": sent }));
        assert_eq!(&wrong, expected, "{sent}");
    }
    shape
}

#[test]
fn a_limiter_with_rules_between_its_fields() {
    let source = r#"
local typedefs = require "kong.db.schema.typedefs"

local PERIODS = { "second", "minute", "hour", "day" }

local function in_order(config)
  for i, shorter in ipairs(PERIODS) do
    local less = config[shorter]
    if type(less) == "number" then
      for j = i + 1, #PERIODS do
        local more = config[PERIODS[j]]
        if type(more) == "number" and more < less then
          return nil, string.format("The limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)",
            PERIODS[j], more, shorter, less)
        end
      end
    end
  end
  return true
end

local limits = {}
for _, period in ipairs(PERIODS) do
  limits[#limits + 1] = { [period] = { type = "number", gt = 0 } }
end
local fields = {
  { limit_by = { type = "string", default = "consumer", one_of = { "consumer", "ip", "header", "path" } } },
  { header_name = typedefs.header_name },
  { path = typedefs.path },
  { policy = { type = "string", default = "local", len_min = 0, one_of = { "local", "redis" } } },
  { fault_tolerant = { type = "boolean", required = true, default = true } },
  { redis = { type = "record", fields = {
    { host = typedefs.host },
    { port = typedefs.port { default = 6379 } },
    { password = { type = "string", len_min = 0, referenceable = true, encrypted = true } },
    { timeout = { type = "number", default = 2000 } },
  } } },
  { error_code = { type = "number", default = 429, gt = 0 } },
}
for i = 1, #limits do
  table.insert(fields, i, limits[i])
end

return {
  name = "my-plugin",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = { type = "record", fields = fields } },
  },
  entity_checks = {
    { at_least_one_of = { "config.second", "config.minute", "config.hour", "config.day" } },
    { conditional = {
      if_field = "config.policy", if_match = { eq = "redis" },
      then_field = "config.redis.host", then_match = { required = true },
    } },
    { conditional = {
      if_field = "config.limit_by", if_match = { eq = "header" },
      then_field = "config.header_name", then_match = { required = true },
    } },
    { custom_entity_check = {
      field_sources = { "config" },
      fn = function(entity)
        return in_order(entity.config)
      end,
    } },
  },
}"#;
    let conditional = "failed conditional validation given value of field";
    let shape = judge(
        source,
        &[
            (json!({ "minute": 5 }), json!({})),
            (json!({ "minute": 5, "hour": 5.5 }), json!({})),
            (
                json!({}),
                json!({ "@entity": ["at least one of these fields must be non-empty: \
                    'config.second', 'config.minute', 'config.hour', 'config.day'"] }),
            ),
            (
                json!({ "minute": 10, "hour": 5 }),
                json!({ "@entity": ["The limit for hour(5.0) cannot be lower than the limit for minute(10.0)"] }),
            ),
            (
                json!({ "minute": 0 }),
                json!({ "config": { "minute": "value must be greater than 0" } }),
            ),
            (
                json!({ "minute": 1, "policy": "redis", "redis": {} }),
                json!({ "@entity": [format!("{conditional} 'config.policy'")],
                    "config": { "redis": { "host": "required field missing" } } }),
            ),
            (
                json!({ "minute": 1, "limit_by": "header" }),
                json!({ "@entity": [format!("{conditional} 'config.limit_by'")],
                    "config": { "header_name": "required field missing" } }),
            ),
            (
                json!({ "minute": 1, "redis": { "password": "{vault://env/redis}", "port": 1 } }),
                json!({}),
            ),
        ],
    );
    let names: Vec<_> = shape
        .config
        .fields
        .iter()
        .map(|field| &*field.name)
        .collect();
    assert_eq!(&names[..5], ["second", "minute", "hour", "day", "limit_by"]);
}

#[test]
fn a_rewriter_with_lists_of_records() {
    let source = r#"
local typedefs = require "kong.db.schema.typedefs"

local function compiles(pattern)
  local ok, err = pcall(string.find, "", pattern)
  if not ok then
    return nil, "bad pattern: " .. err:gsub("^.-:%d+: ", "")
  end
  return true
end

return {
  name = "my-plugin",
  fields = {
    { consumer = typedefs.no_consumer },
    { config = {
      type = "record",
      fields = {
        { rules = {
          type = "array",
          required = true,
          len_min = 1,
          elements = {
            type = "record",
            fields = {
              { pattern = { type = "string", required = true, custom_validator = compiles } },
              { replace = { type = "string", required = true, len_min = 0 } },
              { on = { type = "string", default = "path", one_of = { "path", "query", "header" } } },
              { header = typedefs.header_name },
              { limit = { type = "integer", between = { 1, 100 } } },
            },
            entity_checks = {
              { conditional = { if_field = "on", if_match = { eq = "header" },
                then_field = "header", then_match = { required = true } } },
            },
          },
        } },
        { methods = { type = "set", elements = typedefs.http_method, default = { "GET", "POST" } } },
      },
    } },
  },
}"#;
    let rule = |more: Value| {
        let mut rule = object(json!({ "pattern": "^/a", "replace": "" }));
        rule.extend(object(more));
        json!({ "rules": [rule] })
    };
    judge(
        source,
        &[
            (rule(json!({})), json!({})),
            (
                json!({}),
                json!({ "config": { "rules": "required field missing" } }),
            ),
            (
                json!({ "rules": [] }),
                json!({ "config": { "rules": "length must be at least 1" } }),
            ),
            (
                rule(json!({ "pattern": "[a" })),
                json!({ "config": { "rules": [{ "pattern": "bad pattern: malformed pattern (missing ']')" }] } }),
            ),
            (
                rule(json!({ "on": "header" })),
                json!({ "config": { "rules": [{
                    "@entity": ["failed conditional validation given value of field 'on'"],
                    "header": "required field missing" }] } }),
            ),
            (
                json!({ "rules": [{ "pattern": "a", "replace": "b" }, { "replace": "", "limit": 0 }] }),
                json!({ "config": { "rules": [null, {
                    "pattern": "required field missing", "limit": "value should be between 1 and 100" }] } }),
            ),
            (
                json!({ "rules": [{ "pattern": "a", "replace": "b" }], "methods": ["GET", "get"] }),
                json!({ "config": { "methods": [null, "invalid value: get"] } }),
            ),
        ],
    );
}

#[test]
fn a_logger_with_maps_a_queue_and_a_secret() {
    let source = r#"
local typedefs = require "kong.db.schema.typedefs"
return {
  name = "my-plugin",
  fields = {
    { protocols = typedefs.protocols },
    { config = {
      type = "record",
      fields = {
        { http_endpoint = typedefs.url({ required = true, encrypted = true, referenceable = true }) },
        { method = { type = "string", default = "POST", one_of = { "POST", "PUT", "PATCH" } } },
        { content_type = { type = "string", default = "application/json",
          one_of = { "application/json", "application/json; charset=utf-8" } } },
        { timeout = { type = "number", default = 10000 } },
        { headers = {
          type = "map",
          keys = typedefs.header_name {
            match_none = {
              { pattern = "^[Hh][Oo][Ss][Tt]$", err = "cannot contain 'Host' header" },
              { pattern = "^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Ll][Ee][nn][Gg][Tt][Hh]$",
                err = "cannot contain 'Content-Length' header" },
            },
          },
          values = { type = "string", referenceable = true },
        } },
        { custom_fields_by_lua = typedefs.lua_code },
        { queue = typedefs.queue },
      },
      custom_validator = function(config)
        if config.queue.max_batch_size > 1 and config.method == "PATCH" then
          return nil, "batches cannot be patched"
        end
        return true
      end,
    } },
  },
}"#;
    let endpoint = "https://user:secret@log.test/x";
    judge(
        source,
        &[
            (json!({ "http_endpoint": endpoint }), json!({})),
            (json!({ "http_endpoint": "{vault://env/log}" }), json!({})),
            (
                json!({}),
                json!({ "config": { "http_endpoint": "required field missing" } }),
            ),
            (
                json!({ "http_endpoint": endpoint, "headers": { "hOst": "x" } }),
                json!({ "config": { "headers": "cannot contain 'Host' header" } }),
            ),
            (
                json!({ "http_endpoint": endpoint, "headers": { "X-Key": "{vault://env/key}" } }),
                json!({}),
            ),
            (
                json!({ "http_endpoint": endpoint, "headers": { "a b": "x" } }),
                json!({ "config": { "headers":
                    "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'" } }),
            ),
            (
                json!({ "http_endpoint": endpoint, "method": "PATCH", "queue": { "max_batch_size": 2 } }),
                json!({ "config": { "@entity": ["batches cannot be patched"] } }),
            ),
            (
                json!({ "http_endpoint": endpoint, "queue": { "max_batch_size": 1.5 } }),
                json!({ "config": { "queue": { "max_batch_size": "expected an integer" } } }),
            ),
        ],
    );
}

#[test]
fn an_authenticator_with_exclusive_ways_and_nested_defaults() {
    let source = r#"
local typedefs = require "kong.db.schema.typedefs"

-- Old style: a helper that makes optional strings.
local function text(attributes)
  attributes = attributes or {}
  attributes.type = "string"
  return attributes
end

return {
  name = "my-plugin",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { issuer = typedefs.url },
        { jwks = text { len_min = 2 } },
        { client_id = text { referenceable = true, encrypted = true } },
        { client_secret = text { referenceable = true, encrypted = true } },
        { scopes = { type = "array", elements = text(), default = { "openid" } } },
        { algorithms = { type = "set", elements = text { one_of = { "RS256", "ES256", "HS256" } }, len_min = 1,
          mutually_exclusive_subsets = { { "RS256", "ES256" }, { "HS256" } }, default = { "RS256" } } },
        { cache = { type = "record", fields = {
          { ttl = typedefs.ttl { default = 300 } },
          { negative = { type = "record", fields = {
            { enabled = { type = "boolean", default = false } },
            { ttl = typedefs.ttl { default = 5 } },
          } } },
        } } },
        { run_on_preflight = { type = "boolean", required = true, default = true } },
        { anonymous = { type = "string", uuid = true } },
        { realm = text { len_max = 10, not_match = '"' } },
      },
      entity_checks = {
        { only_one_of = { "issuer", "jwks" } },
        { mutually_required = { "client_id", "client_secret" } },
        { distinct = { "client_id", "client_secret" } },
      },
    } },
  },
}"#;
    let one = "exactly one of these fields must be non-empty: 'issuer', 'jwks'";
    let shape = judge(
        source,
        &[
            (json!({ "jwks": "{}" }), json!({})),
            (json!({}), json!({ "config": { "@entity": [one] } })),
            (
                json!({ "issuer": "https://a.test", "jwks": "{}" }),
                json!({ "config": { "@entity": [one] } }),
            ),
            (
                json!({ "jwks": "{}", "client_id": "a" }),
                json!({ "config": { "@entity": ["all or none of these fields must be set: 'client_id', 'client_secret'"] } }),
            ),
            (
                json!({ "jwks": "{}", "client_id": "a", "client_secret": "a" }),
                json!({ "config": { "@entity": ["values of these fields must be distinct: 'client_id', 'client_secret'"] } }),
            ),
            (
                json!({ "jwks": "{}", "algorithms": ["RS256", "HS256"] }),
                json!({ "config": { "algorithms": "these sets are mutually exclusive: ('RS256', 'ES256'), ('HS256')" } }),
            ),
            (
                json!({ "jwks": "{}", "anonymous": "x", "realm": "a\"b" }),
                json!({ "config": { "anonymous": "expected a valid UUID", "realm": "invalid value: a\"b" } }),
            ),
            (
                json!({ "jwks": "{}", "cache": { "negative": { "ttl": -1 } } }),
                json!({ "config": { "cache": { "negative": { "ttl": "value should be between 0 and 100000000" } } } }),
            ),
        ],
    );
    let (complete, _) = judged(
        &shape.config,
        json!({ "cache": { "negative": { "enabled": true } } }),
    );
    assert_eq!(
        complete["cache"],
        json!({ "ttl": 300, "negative": { "enabled": true, "ttl": 5 } })
    );
}

#[test]
fn a_splitter_whose_schema_is_computed() {
    let source = r#"
local schema = { name = "my-plugin", fields = {} }
local config = { type = "record", fields = {} }

local function add(name, definition)
  config.fields[#config.fields + 1] = { [name] = definition }
end

local variants = {}
for letter in ("abc"):gmatch("%a") do
  variants[#variants + 1] = "variant-" .. letter
end

add("variant", { type = "string", required = true, one_of = variants })
add("weights", { type = "map", len_min = 1,
  keys = { type = "string", one_of = variants },
  values = { type = "number", between = { 0, 1 } },
  custom_validator = function(weights)
    local sum = 0
    for _, weight in pairs(weights) do
      sum = sum + weight
    end
    return math.abs(sum - 1) < 1e-9, ("weights must add up to 1, got %s"):format(sum)
  end })
add("sticky", { type = "boolean", default = not not variants[1] })
add("salt", { type = "string", default = table.concat(variants, "-"):sub(1, 9) })
schema.fields[#schema.fields + 1] = { config = config }
return setmetatable(schema, { __call = function() return "not called" end })"#;
    let shape = judge(
        source,
        &[
            (
                json!({ "variant": "variant-a", "weights": { "variant-a": 0.25, "variant-b": 0.75 } }),
                json!({}),
            ),
            (
                json!({ "variant": "variant-d" }),
                json!({ "config": { "variant": "expected one of: variant-a, variant-b, variant-c" } }),
            ),
            (
                json!({ "variant": "variant-a", "weights": { "variant-a": 0.25 } }),
                json!({ "config": { "weights": "weights must add up to 1, got 0.25" } }),
            ),
            (
                json!({ "variant": "variant-a", "weights": {} }),
                json!({ "config": { "weights": "length must be at least 1" } }),
            ),
            (
                json!({ "variant": "variant-a", "weights": { "variant-a": 2 } }),
                json!({ "config": { "weights": "value should be between 0 and 1" } }),
            ),
        ],
    );
    let (complete, _) = judged(&shape.config, json!({}));
    assert_eq!(
        (&complete["sticky"], &complete["salt"]),
        (&json!(true), &json!("variant-a"))
    );
}

#[test]
fn a_guard_that_names_errors_and_goes_out_of_use() {
    let source = r#"
local typedefs = require "kong.db.schema.typedefs"
local null = ngx.null

return {
  name = "my-plugin",
  fields = {
    { consumer_group = typedefs.no_consumer_group },
    { service = typedefs.no_service },
    { config = {
      type = "record",
      required = true,
      fields = {
        { allow = { type = "array", elements = typedefs.ip_or_cidr } },
        { deny = { type = "array", elements = typedefs.ip_or_cidr } },
        { whitelist = { type = "array", elements = typedefs.ip_or_cidr,
          deprecation = { message = "my-plugin: whitelist is now allow", removal_in_version = "4.0", old_default = null } } },
        { status = { type = "integer", between = { 100, 599 }, default = 403, err = "must be a status" } },
        { message = { type = "string", match_all = {
          { pattern = "^%S", err = "must not begin with a blank" }, { pattern = "%S$", err = "must not end with a blank" },
        } } },
        { name = { type = "string", match_any = { patterns = { "^%l+$", "^%u+$" }, err = "either small or capital letters" } } },
        { until_time = { type = "integer", timestamp = true } },
        { filter = { type = "string", is_regex = true, ne = ".*" } },
      },
      entity_checks = {
        { mutually_exclusive_sets = { set1 = { "allow", "deny" }, set2 = { "whitelist" } } },
        { conditional_at_least_one_of = {
          if_field = "status", if_match = { one_of = { 403 } },
          then_at_least_one_of = { "allow", "deny", "whitelist" }, then_err = "403 needs one of %s",
          else_match = { gt = 499 }, else_then_at_least_one_of = { "message" }, else_then_err = "5xx needs %s",
        } },
      },
    } },
  },
}"#;
    let base = |more: Value| {
        let mut config = object(json!({ "allow": ["10.0.0.0/8"] }));
        config.extend(object(more));
        Value::Object(config)
    };
    let field = |name: &str, text: &str| json!({ "config": { name: text } });
    let shape = judge(
        source,
        &[
            (base(json!({})), json!({})),
            (
                json!({ "allow": ["10.0.0.0/8", "x"] }),
                json!({ "config": { "allow": [null, "invalid ip or cidr range: 'x'"] } }),
            ),
            (
                base(json!({ "whitelist": ["::1"] })),
                json!({ "config": { "@entity": ["these sets are mutually exclusive: ('allow'), ('whitelist')"] } }),
            ),
            (
                json!({}),
                json!({ "config": { "@entity": ["403 needs one of 'allow', 'deny', 'whitelist'"] } }),
            ),
            (
                json!({ "status": 503 }),
                json!({ "config": { "@entity": ["5xx needs 'message'"] } }),
            ),
            (json!({ "status": 404 }), json!({})),
            (
                base(json!({ "status": 99 })),
                field("status", "must be a status"),
            ),
            (
                base(json!({ "message": "a " })),
                field("message", "must not end with a blank"),
            ),
            (
                base(json!({ "name": "aB" })),
                field("name", "either small or capital letters"),
            ),
            (
                base(json!({ "until_time": 0 })),
                field("until_time", "expected a valid timestamp"),
            ),
            (
                base(json!({ "filter": ".*" })),
                field("filter", "value must not be .*"),
            ),
            (
                base(json!({ "filter": "(" })),
                field("filter", "not a valid regex: ("),
            ),
        ],
    );
    assert!(!shape.scopes.service && shape.scopes.route && shape.scopes.consumer);
}
