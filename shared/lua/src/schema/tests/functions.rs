//! Functions of schemas.

use super::*;

#[test]
fn what_a_validator_answers_is_said_of_the_value() {
    for (body, value, expected) in [
        ("return true", json!("a"), Value::Null),
        ("return 0", json!("a"), Value::Null),
        ("return false, 'no'", json!("a"), json!("no")),
        ("return nil, 'no: ' .. v", json!("a"), json!("no: a")),
        ("return nil", json!("a"), json!("failed validating: a")),
        ("return", json!("a"), json!("failed validating: a")),
        ("return nil, 5", json!("a"), json!("5")),
        ("return nil, { a = 'b' }", json!("a"), json!("{a=\"b\"}")),
        (
            "error('boom')",
            json!("a"),
            json!("failed validating: schema.lua:2: boom"),
        ),
        (
            "error({})",
            json!("a"),
            json!("failed validating: (error object is a table value)"),
        ),
        (
            "return v.x.y",
            json!("a"),
            json!("failed validating: schema.lua:2: attempt to index field 'x' (a nil value)"),
        ),
        (
            "while true do end",
            json!("a"),
            json!("failed validating: execution time limit exceeded"),
        ),
        (
            "pcall(function() while true do end end) return true",
            json!("a"),
            json!("failed validating: execution time limit exceeded"),
        ),
        (
            "local s = v while true do s = s .. s end",
            json!("a"),
            json!("failed validating: not enough memory"),
        ),
        (
            "local function f() return 1 + f() end return f()",
            json!("a"),
            json!("failed validating: schema.lua:2: stack overflow"),
        ),
        (
            "return nil, ('x'):rep(20)",
            json!("a"),
            json!("xxxxxxxxxxxxxxxxxxxx"),
        ),
    ] {
        let field = format!("{{ type = 'string', custom_validator = function(v) {body} end }}");
        assert_eq!(fault(&field, value), expected, "{body}");
    }
}

#[test]
fn validators_see_values_as_kong_gives_them() {
    let sees = |kind: &str, body: &str, value: Value| {
        let field = format!("{{ {kind}, custom_validator = function(v) {body} end }}");
        assert_eq!(fault(&field, value), Value::Null, "{body}");
    };
    let list = "type = 'array', elements = { type = 'number' }";
    sees(
        list,
        "return #v == 3 and v[2] == 2.5 and ipairs(v)",
        json!([1, 2.5, 3]),
    );
    let record =
        "type = 'record', fields = { { a = { type = 'string' } }, { b = { type = 'number' } } }";
    sees(
        record,
        "return v.a == ngx.null and v.b == 7",
        json!({ "b": 7 }),
    );
    let map = "type = 'map', keys = { type = 'string' }, values = { type = 'boolean' }";
    sees(
        map,
        "local n = 0 for k, w in pairs(v) do n = n + 1 end return n == 2 and v.x == true",
        json!({ "x": true, "y": false }),
    );
}

#[test]
fn functions_may_use_what_the_file_has_beside_them() {
    let source = "local seen = 0
local allowed = { a = true }
local function known(v)
  seen = seen + 1
  if allowed[v] then return true end
  return nil, 'unknown: ' .. v
end
return { name = 'my-plugin', fields = { { config = { type = 'record', fields = {
  { it = { type = 'string', custom_validator = known } },
  { many = { type = 'array', elements = { type = 'string', custom_validator = known } } },
  { by_name = { type = 'map', keys = { type = 'string', custom_validator = known }, values = { type = 'string' } } },
}, custom_validator = function(config) return config.it ~= 'a' or config.many ~= ngx.null, 'it needs many' end } } } }";
    let shape = shape(source).expect("a good schema");
    for (sent, expected) in [
        (json!({ "it": "a", "many": ["a"] }), json!({})),
        (json!({ "it": "b" }), json!({ "it": "unknown: b" })),
        (
            json!({ "many": ["a", "c"] }),
            json!({ "many": [null, "unknown: c"] }),
        ),
        (
            json!({ "by_name": { "d": "x" } }),
            json!({ "by_name": "unknown: d" }),
        ),
        (
            json!({ "it": "a" }),
            json!({ "@entity": ["it needs many"] }),
        ),
    ] {
        assert_eq!(judged(&shape.config, sent.clone()).1, expected, "{sent}");
    }
    let shown = shape.config.render(None);
    assert_eq!(shown.get("entity_checks"), None, "functions are not shown");
    // On another thread the file is run once more.
    let elsewhere = std::thread::spawn(move || judged(&shape.config, json!({ "it": "b" })).1);
    assert_eq!(
        elsewhere.join().expect("no panic"),
        json!({ "it": "unknown: b" })
    );
}

#[test]
fn a_custom_entity_check_sees_its_fields_only() {
    let wrong = |check: &str, document: Value| {
        let fields = "{ a = { type = 'string' } }, { b = { type = 'number' } },
            { r = { type = 'record', required = false, fields = { { x = { type = 'string' } } } } }";
        let check = format!(", entity_checks = {{ {{ custom_entity_check = {{ {check} }} }} }}");
        let shape =
            shape(&whole(fields, &check)).unwrap_or_else(|error| panic!("{check}: {error}"));
        judged(&shape.config, document).1
    };
    let entity = |text: &str| json!({ "@entity": [text] });
    let sees = "fn = function(e) return nil, tostring(e.a) .. tostring(e.b) .. tostring(e.r and e.r.x) end";
    for (check, document, expected) in [
        (format!("field_sources = {{ 'a' }}, {sees}"), json!({ "a": "1", "b": 2 }), entity("1nilnil")),
        (format!("field_sources = {{ 'b' }}, {sees}"), json!({ "a": "1", "b": 2 }), entity("nil2nil")),
        (format!("field_sources = {{ 'r.x' }}, {sees}"), json!({ "r": { "x": "y" } }), entity("nilnily")),
        // No field of it is there at all.
        (format!("field_sources = {{ 'r.x' }}, {sees}"), json!({}), json!({})),
        (
            format!("field_sources = {{ 'r.x' }}, run_with_missing_fields = true, {sees}"),
            json!({}),
            entity("nilnilnil"),
        ),
        (format!("field_sources = {{ 'b' }}, {sees}"), json!({ "b": "x" }), json!({ "b": "expected a number" })),
        (
            format!("field_sources = {{ 'b' }}, run_with_invalid_fields = true, {sees}"),
            json!({ "b": "x" }),
            json!({ "@entity": ["nilxnil"], "b": "expected a number" }),
        ),
        (
            "field_sources = { 'a' }, fn = function() return nil end".to_owned(),
            json!({ "a": "x" }),
            entity("failed entity check: custom_entity_check('a')"),
        ),
        (
            "field_sources = { 'a' }, fn = function(e) return e.a ~= ngx.null, 'a is null' end".to_owned(),
            json!({}),
            entity("a is null"),
        ),
        (
            "field_sources = { 'a' }, fn = function() error('boom', 0) end".to_owned(),
            json!({ "a": "x" }),
            entity("failed validating: boom"),
        ),
        (
            "field_sources = { 'a' }, fn = function() while true do end end".to_owned(),
            json!({ "a": "x" }),
            entity("failed validating: execution time limit exceeded"),
        ),
        (
            "field_sources = { 'a', 'r' }, fn = function() return nil, 'both', { a = 'no', r = { x = 'nor this' } } end".to_owned(),
            json!({ "a": "x", "r": {} }),
            json!({ "@entity": ["both"], "a": "no", "r": { "x": "nor this" } }),
        ),
    ] {
        assert_eq!(wrong(&check, document.clone()), expected, "{check} {document}");
    }
}

#[test]
fn a_deprecated_field_is_taken_and_still_checked() {
    let field = "{ type = 'string', default = 'x', len_max = 3,
        deprecation = { message = 'use that', removal_in_version = '4.0' },
        custom_validator = function(v) return v ~= 'no', 'not this one' end }";
    for (value, expected) in [
        (json!("x"), Value::Null),
        (json!("yes"), Value::Null),
        (json!("no"), json!("not this one")),
        (json!("long"), json!("length must be at most 3")),
    ] {
        assert_eq!(fault(field, value.clone()), expected, "{value}");
    }
}

#[test]
fn schemas_may_require_what_has_nothing_to_do_with_a_request() {
    let source = "local tablex = require 'pl.tablex'
local cjson = require 'cjson.safe'
local kong_string = require 'kong.tools.string'
local typedefs = require 'kong.db.schema.typedefs'
return { name = 'my-plugin', fields = { { config = { type = 'record', fields = {
  { words = { type = 'string', custom_validator = function(v)
      return tablex.find(kong_string.split(v, ','), 'x') ~= nil, 'no x in it'
    end } },
  { json = { type = 'string', custom_validator = function(v)
      local value, err = cjson.decode(v)
      return value ~= nil, err
    end } },
  { port = typedefs.port },
} } } } }";
    let shape = shape(source).expect("a good schema");
    for (sent, expected) in [
        (json!({ "words": "a,x", "json": "{}" }), json!({})),
        (json!({ "words": "a,b" }), json!({ "words": "no x in it" })),
        (
            json!({ "json": "<" }),
            json!({ "json": "Expected value but found invalid token at character 1" }),
        ),
    ] {
        assert_eq!(judged(&shape.config, sent.clone()).1, expected, "{sent}");
    }
}
