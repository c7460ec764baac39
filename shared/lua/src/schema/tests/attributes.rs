//! Types, attributes and validators of single fields, each with its text.

use super::*;

#[test]
fn values_are_held_to_their_type() {
    let none = Value::Null;
    for (field, value, expected) in [
        ("{ type = 'string' }", json!("a"), none.clone()),
        ("{ type = 'string' }", json!(1), json!("expected a string")),
        (
            "{ type = 'string' }",
            json!(""),
            json!("length must be at least 1"),
        ),
        ("{ type = 'string', len_min = 0 }", json!(""), none.clone()),
        ("{ type = 'number' }", json!(1.5), none.clone()),
        (
            "{ type = 'number' }",
            json!("1"),
            json!("expected a number"),
        ),
        ("{ type = 'integer' }", json!(2.0), none.clone()),
        (
            "{ type = 'integer' }",
            json!(1.5),
            json!("expected an integer"),
        ),
        (
            "{ type = 'integer' }",
            json!(1e300),
            json!("expected an integer"),
        ),
        ("{ type = 'boolean' }", json!(false), none.clone()),
        (
            "{ type = 'boolean' }",
            json!("true"),
            json!("expected a boolean"),
        ),
        (
            "{ type = 'array', elements = { type = 'string' } }",
            json!({}),
            json!("expected an array"),
        ),
        (
            "{ type = 'array', elements = { type = 'string' } }",
            json!([1]),
            json!(["expected a string"]),
        ),
        (
            "{ type = 'array', elements = { type = 'string' } }",
            json!(["a", null]),
            json!([null, "required field missing"]),
        ),
        (
            "{ type = 'array', elements = { type = 'string', required = false } }",
            json!(["a", null]),
            none.clone(),
        ),
        (
            "{ type = 'set', elements = { type = 'string' } }",
            json!(5),
            json!("expected a set"),
        ),
        (
            "{ type = 'map', keys = { type = 'string' }, values = { type = 'number' } }",
            json!([]),
            json!("expected a map"),
        ),
        (
            "{ type = 'map', keys = { type = 'string' }, values = { type = 'number' } }",
            json!({ "a": "b" }),
            json!("expected a number"),
        ),
        (
            "{ type = 'map', keys = { type = 'string', match = '^%l$' }, values = { type = 'number' } }",
            json!({ "A": 1 }),
            json!("invalid value: A"),
        ),
        (
            "{ type = 'record', fields = {} }",
            json!("x"),
            json!("expected a record"),
        ),
        (
            "{ type = 'record', fields = {} }",
            json!({ "x": 1 }),
            json!({ "x": "unknown field" }),
        ),
        (
            "{ type = 'record', fields = { { a = { type = 'string', required = true } } } }",
            json!({}),
            json!({ "a": "required field missing" }),
        ),
        (
            "{ type = 'record', fields = {} }",
            Value::Null,
            json!("required field missing"),
        ),
        (
            "{ type = 'record', required = false, fields = {} }",
            Value::Null,
            none.clone(),
        ),
        (
            "{ type = 'string', required = true }",
            Value::Null,
            json!("required field missing"),
        ),
        ("{ type = 'string' }", Value::Null, none.clone()),
    ] {
        assert_eq!(fault(field, value.clone()), expected, "{field} {value}");
    }
}

#[test]
fn validators_speak_in_the_words_of_the_page() {
    for (attributes, value, expected) in [
        ("'string', eq = 'a'", json!("b"), "value must be a"),
        ("'string', eq = ngx.null", json!("b"), "value must be null"),
        ("'number', eq = 1.5", json!(2), "value must be 1.5"),
        ("'string', ne = 'a'", json!("a"), "value must not be a"),
        (
            "'string', ne = ngx.null",
            Value::Null,
            "value must not be null",
        ),
        (
            "'string', not_one_of = { 'a', 'b' }",
            json!("a"),
            "must not be one of: a, b",
        ),
        (
            "'string', one_of = { 'a', 'b' }",
            json!("c"),
            "expected one of: a, b",
        ),
        (
            "'integer', one_of = { 1, 2 }",
            json!(3),
            "expected one of: 1, 2",
        ),
        (
            "'number', gt = 0.5",
            json!(0.5),
            "value must be greater than 0.5",
        ),
        (
            "'integer', gt = 0",
            json!(0),
            "value must be greater than 0",
        ),
        (
            "'number', timestamp = true",
            json!(0),
            "expected a valid timestamp",
        ),
        ("'string', uuid = true", json!("x"), "expected a valid UUID"),
        (
            "'string', is_regex = true",
            json!("("),
            "not a valid regex: (",
        ),
        (
            "'integer', between = { 1, 9 }",
            json!(10),
            "value should be between 1 and 9",
        ),
        (
            "'number', between = { 0.1, 0.9 }",
            json!(1),
            "value should be between 0.1 and 0.9",
        ),
        (
            "'number', between = { 0, math.huge }",
            json!(-1),
            "value should be between 0 and inf",
        ),
        ("'string', len_eq = 2", json!("a"), "length must be 2"),
        (
            "'string', len_min = 2",
            json!("a"),
            "length must be at least 2",
        ),
        (
            "'string', len_max = 2",
            json!("abc"),
            "length must be at most 2",
        ),
        (
            "'array', len_max = 1, elements = { type = 'number' }",
            json!([1, 2]),
            "length must be at most 1",
        ),
        (
            "'string', starts_with = '/'",
            json!("a"),
            "should start with: /",
        ),
        (
            "'string', not_match = '^%d'",
            json!("1"),
            "invalid value: 1",
        ),
        (
            "'string', match_none = { { pattern = '%s', err = 'no blanks' } }",
            json!("a b"),
            "no blanks",
        ),
        ("'string', match = '^%u+$'", json!("a"), "invalid value: a"),
        (
            "'string', match_all = { { pattern = '^a', err = 'first' }, { pattern = 'z$', err = 'last' } }",
            json!("ab"),
            "last",
        ),
        (
            "'string', match_any = { patterns = { '^a', '^b' }, err = 'neither' }",
            json!("c"),
            "neither",
        ),
        (
            "'array', contains = 'x', elements = { type = 'string' }",
            json!(["a"]),
            "expected to contain: x",
        ),
        (
            "'set', elements = { type = 'string' },
              mutually_exclusive_subsets = { { 'http', 'https' }, { 'tcp', 'tls' } }",
            json!(["tcp", "http"]),
            "these sets are mutually exclusive: ('tcp', 'tls'), ('http', 'https')",
        ),
        (
            "'string', len_min = 2, err = 'own words'",
            json!("a"),
            "own words",
        ),
        (
            "'string', custom_validator = function(v) return nil, 'not ' .. v end",
            json!("a"),
            "not a",
        ),
    ] {
        let field = format!("{{ type = {attributes} }}");
        assert_eq!(fault(&field, value), json!(expected), "{field}");
    }
}

/// One value that each rule refuses in turn, the earlier before the later.
#[test]
fn validators_run_in_the_order_of_the_page() {
    let rules = [
        ("eq = 'b'", "value must be b"),
        ("ne = 'aa'", "value must not be aa"),
        ("not_one_of = { 'aa' }", "must not be one of: aa"),
        ("one_of = { 'c' }", "expected one of: c"),
        ("uuid = true", "expected a valid UUID"),
        ("len_eq = 1", "length must be 1"),
        ("len_min = 3", "length must be at least 3"),
        ("len_max = 1", "length must be at most 1"),
        ("starts_with = '/'", "should start with: /"),
        ("not_match = 'a'", "invalid value: aa"),
        ("match_none = { { pattern = 'a', err = 'none' } }", "none"),
        ("match = 'z'", "invalid value: aa"),
        ("match_all = { { pattern = 'z', err = 'all' } }", "all"),
        ("match_any = { patterns = { 'z' }, err = 'any' }", "any"),
        (
            "custom_validator = function() return false, 'own' end",
            "own",
        ),
    ];
    for first in 0..rules.len() {
        let attributes: Vec<_> = rules[first..].iter().map(|(rule, _)| *rule).collect();
        let field = format!("{{ type = 'string', {} }}", attributes.join(", "));
        assert_eq!(fault(&field, json!("aa")), rules[first].1, "{field}");
    }
}

#[test]
fn defaults_complete_a_configuration() {
    let shape = with_fields(
        "{ text = { type = 'string', default = 'x' } },
         { list = { type = 'array', elements = { type = 'string' }, default = {} } },
         { words = { type = 'set', elements = { type = 'string' }, default = { 'a', 'b', 'a' } } },
         { map = { type = 'map', keys = { type = 'string' }, values = { type = 'integer' }, default = {} } },
         { none = { type = 'number' } },
         { null = { type = 'number', default = ngx.null } },
         { whole = { type = 'number', default = 3.0 } },
         { off = { type = 'boolean', default = false } },
         { inner = { type = 'record', fields = {
             { port = typedefs.port { default = 6379 } },
             { tls = { type = 'record', fields = { { verify = { type = 'boolean', default = true } } } } },
         } } },
         { free = { type = 'record', required = false, fields = { { a = { type = 'string', default = 'y' } } } } },
         { given = { type = 'record', default = { a = 1 }, fields = {
             { a = { type = 'number' } }, { b = { type = 'number', default = 2 } } } } }",
    )
    .expect("a good schema");
    let expected = json!({
        "text": "x", "list": [], "words": ["a", "b"], "map": {}, "none": null, "null": null, "whole": 3, "off": false,
        "inner": { "port": 6379, "tls": { "verify": true } }, "free": null, "given": { "a": 1, "b": 2 },
    });
    assert_eq!(judged(&shape.config, json!({})), (expected, json!({})));
    let sent = json!({ "inner": { "tls": null }, "free": {}, "text": null, "words": ["q", "q"] });
    let (complete, wrong) = judged(&shape.config, sent);
    assert_eq!(complete["free"], json!({ "a": "y" }));
    assert_eq!(complete["inner"], json!({ "port": 6379, "tls": null }));
    assert_eq!(complete["words"], json!(["q"]));
    assert_eq!(
        wrong,
        json!({ "inner": { "tls": "required field missing" } })
    );
}

#[test]
fn references_stand_for_values_and_secrets_stay_secret() {
    let reference = json!("{vault://env/key}");
    let field = "{ type = 'string', len_max = 3, referenceable = true }";
    assert_eq!(fault(field, reference.clone()), Value::Null);
    assert_eq!(
        fault("{ type = 'string', len_max = 3 }", reference.clone()),
        "length must be at most 3"
    );
    let list =
        "{ type = 'array', referenceable = true, elements = { type = 'string', len_max = 3 } }";
    assert_eq!(fault(list, json!([reference])), Value::Null);
    let secret = "{ type = 'string', encrypted = true, match = '^%d+$' }";
    assert_eq!(fault(secret, json!("open sesame")), "invalid value: ******");
    let shape =
        with_fields("{ it = { type = 'string', encrypted = true } }").expect("a good schema");
    assert!(shape.config.fields[0].secret);
}

#[test]
fn schemas_are_shown_as_those_of_built_in_plugins() {
    let shape = with_fields(
        "{ policy = { type = 'string', required = true, default = 'local', one_of = { 'local', 'redis' },
             description = 'Where to count.' } },
         { limit = { type = 'number', gt = 0, between = { 0.5, math.huge } } },
         { names = { type = 'set', len_min = 1, elements = { type = 'string', match = '^%a+$' } } },
         { headers = { type = 'map', keys = typedefs.header_name, values = { type = 'string', referenceable = true } } },
         { check = { type = 'string', custom_validator = function() return true end,
             match_any = { patterns = { 'a', 'b' }, err = 'neither' } } },
         { redis = { type = 'record', fields = { { host = typedefs.host }, { port = typedefs.port } },
             entity_checks = { { mutually_required = { 'host', 'port' } } } } }",
    )
    .expect("a good schema");
    let shown = Field::record(shape.config).named("config").render_named();
    let header = json!({ "type": "string", "description": "The name of a header." });
    assert_eq!(
        shown,
        json!({ "config": { "type": "record", "required": true, "fields": [
            { "policy": { "type": "string", "required": true, "default": "local", "description": "Where to count.",
                "one_of": ["local", "redis"] } },
            { "limit": { "type": "number", "gt": 0, "between": [0.5, "inf"] } },
            { "names": { "type": "set", "len_min": 1, "elements": { "type": "string", "match": "^%a+$" } } },
            { "headers": { "type": "map", "keys": header, "values": { "type": "string", "referenceable": true } } },
            { "check": { "type": "string", "match_any": { "patterns": ["a", "b"], "err": "neither" } } },
            { "redis": { "type": "record", "required": true, "fields": [
                { "host": { "type": "string", "description": "A host name or an address, without a port." } },
                { "port": { "type": "integer", "description": "A port.", "between": [0, 65535] } },
            ], "entity_checks": [{ "mutually_required": ["host", "port"] }] } },
        ] } })
    );
}

#[test]
fn what_a_schema_may_not_say_is_refused_with_the_path() {
    let at = "fields.config.fields.it";
    for (field, expected) in [
        ("{}", format!("{at}.type: required field missing")),
        (
            "{ type = 5 }",
            format!("{at}.type: expected a string, got 5"),
        ),
        (
            "{ type = 'text' }",
            format!(
                "{at}.type: expected one of: array, boolean, integer, map, number, record, set, string, got 'text'"
            ),
        ),
        (
            "{ type = 'function' }",
            format!("{at}.type: a function cannot be configured"),
        ),
        (
            "{ type = 'json' }",
            format!("{at}.type: fields of type 'json' are not supported yet"),
        ),
        (
            "{ type = 'foreign', reference = 'routes' }",
            format!("{at}.type: foreign fields are only for consumer, route and service"),
        ),
        (
            "typedefs.no_route",
            format!("{at}.type: foreign fields are only for consumer, route and service"),
        ),
        (
            "{ type = 'string', abstract = true }",
            format!("{at}.abstract: a plugin has no abstract fields"),
        ),
        (
            "{ type = 'string', requried = true }",
            format!("{at}.requried: unknown field"),
        ),
        (
            "{ type = 'string', 'x' }",
            format!("{at}: expected names, got 1"),
        ),
        (
            "{ type = 'string', required = 'yes' }",
            format!("{at}.required: expected a boolean, got 'yes'"),
        ),
        (
            "{ type = 'string', default = print }",
            format!("{at}.default: expected a value, got a function"),
        ),
        (
            "{ type = 'number', default = 0/0 }",
            format!("{at}.default: expected a finite number, got NaN"),
        ),
        (
            "{ type = 'number', default = math.huge }",
            format!("{at}.default: expected a finite number, got inf"),
        ),
        (
            "{ type = 'string', default = '\\255' }",
            format!("{at}.default: expected text in UTF-8"),
        ),
        (
            "{ type = 'array', elements = { type = 'string' }, default = { a = 1 } }",
            format!("{at}.default: expected a list, got a table with the key 'a'"),
        ),
        (
            "{ type = 'map', keys = { type = 'string' }, values = { type = 'string' }, default = { 'a' } }",
            format!("{at}.default: expected names, got 1"),
        ),
        (
            "{ type = 'string', between = { 1, 2 } }",
            format!("{at}: field of type 'string' cannot have attribute 'between'"),
        ),
        (
            "{ type = 'boolean', match = 'x' }",
            format!("{at}: field of type 'boolean' cannot have attribute 'match'"),
        ),
        (
            "{ type = 'string', elements = {} }",
            format!("{at}: field of type 'string' cannot have attribute 'elements'"),
        ),
        (
            "{ type = 'array' }",
            format!("{at}: field of type 'array' must declare 'elements'"),
        ),
        (
            "{ type = 'map', keys = { type = 'string' } }",
            format!("{at}: field of type 'map' must declare 'values'"),
        ),
        (
            "{ type = 'map', values = { type = 'string' } }",
            format!("{at}: field of type 'map' must declare 'keys'"),
        ),
        (
            "{ type = 'record' }",
            format!("{at}: field of type 'record' must declare 'fields'"),
        ),
        (
            "{ type = 'integer', between = { 1 } }",
            format!("{at}.between: expected a list of two numbers, got a table"),
        ),
        (
            "{ type = 'integer', between = { 0/0, 1 } }",
            format!("{at}.between: expected a list of two numbers, got a table"),
        ),
        (
            "{ type = 'integer', between = 'a' }",
            format!("{at}.between: expected a list of two numbers, got 'a'"),
        ),
        (
            "{ type = 'integer', gt = {} }",
            format!("{at}.gt: expected a number, got a table"),
        ),
        (
            "{ type = 'string', len_min = 1.5 }",
            format!("{at}.len_min: expected a whole number from 0 on, got 1.5"),
        ),
        (
            "{ type = 'string', len_max = -1 }",
            format!("{at}.len_max: expected a whole number from 0 on, got -1"),
        ),
        (
            "{ type = 'string', one_of = 'a' }",
            format!("{at}.one_of: expected a list, got 'a'"),
        ),
        (
            "{ type = 'string', match = '[' }",
            format!("{at}.match: malformed pattern (missing ']'), got '['"),
        ),
        (
            "{ type = 'string', match_none = { { err = 'x' } } }",
            format!("{at}.match_none.1.pattern: required field missing"),
        ),
        (
            "{ type = 'string', match_any = {} }",
            format!("{at}.match_any.patterns: required field missing"),
        ),
        (
            "{ type = 'string', custom_validator = 'f' }",
            format!("{at}.custom_validator: expected a function, got 'f'"),
        ),
        (
            "{ type = 'set', elements = { type = 'string' }, mutually_exclusive_subsets = { 'a' } }",
            format!("{at}.mutually_exclusive_subsets: expected a list of lists of strings"),
        ),
        (
            "{ type = 'record', fields = { { a = { type = 'string' } }, { a = { type = 'string' } } } }",
            format!("{at}.fields.a: declared twice"),
        ),
        (
            "{ type = 'record', fields = { { a = 5 } } }",
            format!("{at}.fields.a: expected a table, got 5"),
        ),
        (
            "{ type = 'record', fields = { {} } }",
            format!("{at}.fields.1: expected one name, got 0"),
        ),
        (
            "{ type = 'record', fields = { { a = {}, b = {} } } }",
            format!("{at}.fields.1: expected one name, got 2"),
        ),
        (
            "{ type = 'record', fields = { a = { type = 'string' } } }",
            format!("{at}.fields: expected a list, got a table with the key 'a'"),
        ),
        (
            "{ type = 'array', elements = { type = 'record', fields = { { b = { type = 'x' } } } } }",
            format!(
                "{at}.elements.fields.b.type: expected one of: array, boolean, integer, map, number, record, set, string, got 'x'"
            ),
        ),
        (
            "{ type = 'record', fields = {}, shorthand_fields = {} }",
            format!("{at}.shorthand_fields: not supported yet"),
        ),
    ] {
        let error = with_fields(&format!("{{ it = {field} }}")).expect_err(field);
        assert_eq!(error, expected, "{field}");
    }
}

#[test]
fn the_top_level_is_checked() {
    let config = "{ config = { type = 'record', fields = {} } }";
    for (source, expected) in [
        (
            "return 5".to_owned(),
            "schema.lua: expected a table to be returned, got number",
        ),
        (
            "local x = 1".to_owned(),
            "schema.lua: expected a table to be returned, got nil",
        ),
        (
            "return {".to_owned(),
            "schema.lua:1: unexpected symbol near '<eof>'",
        ),
        (
            "\nlocal x = nil + 1".to_owned(),
            "schema.lua:2: attempt to perform arithmetic on a nil value",
        ),
        ("error('own words', 0)".to_owned(), "schema.lua: own words"),
        (
            "error({})".to_owned(),
            "schema.lua: (error object is a table value)",
        ),
        (
            "\u{1b}LJ\u{2}".to_owned(),
            "schema.lua: attempt to load a binary chunk (mode is 't')",
        ),
        (
            "\nlocal x = require 'kong.plugins.other.schema'".to_owned(),
            "schema.lua:2: require 'kong.plugins.other.schema' not allowed within sandbox",
        ),
        (
            "\nlocal t = require 'kong.db.schema.typedefs'\nreturn t.hosst".to_owned(),
            "schema.lua:3: schema typedef error: definition hosst does not exist",
        ),
        (
            format!("return {{ fields = {{ {config} }} }}"),
            "name: required field missing",
        ),
        (
            "return { name = 'other', fields = {} }".to_owned(),
            "name: expected 'my-plugin', got 'other'",
        ),
        (
            "return { name = 'my-plugin' }".to_owned(),
            "fields: required field missing",
        ),
        (
            "return { name = 'my-plugin', fields = 5 }".to_owned(),
            "fields: expected a table, got 5",
        ),
        (
            "return { name = 'my-plugin', fields = {}, transformations = {} }".to_owned(),
            "transformations: not supported yet",
        ),
        (
            "return { name = 'my-plugin', fields = {}, no_consumer = true }".to_owned(),
            "no_consumer: unknown field, expected one of: entity_checks, fields, name",
        ),
        (
            "return { name = 'my-plugin', fields = { { tags = { type = 'string' } } } }".to_owned(),
            "fields.tags: unknown field, expected one of: config, consumer, consumer_group, protocols, route, service",
        ),
        (
            "return { name = 'my-plugin', fields = { { config = { type = 'string' } } } }"
                .to_owned(),
            "fields.config.type: expected 'record'",
        ),
        (
            "return { name = 'my-plugin', fields = { { consumer = { type = 'string' } } } }"
                .to_owned(),
            "fields.consumer.type: expected 'foreign', got 'string'",
        ),
        (
            format!("return {{ name = 'my-plugin', fields = {{ {config}, {config} }} }}"),
            "fields.config: declared twice",
        ),
    ] {
        let error = shape(&source).expect_err(&source);
        assert_eq!(error, expected, "{source}");
    }
    let shape = shape("return { name = 'my-plugin', fields = {} }").expect("nothing to configure");
    assert!(shape.config.fields.is_empty() && shape.protocols.is_none());
}

#[test]
fn scopes_and_protocols_are_what_the_schema_says() {
    let read = |fields: &str| {
        let source = format!(
            "local typedefs = require 'kong.db.schema.typedefs'
             return {{ name = 'my-plugin', fields = {{ {fields} }} }}"
        );
        let shape = shape(&source).unwrap_or_else(|error| panic!("{fields}: {error}"));
        let scopes = shape.scopes;
        (
            [scopes.consumer, scopes.service, scopes.route],
            shape.protocols,
        )
    };
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    for (fields, scopes, protocols) in [
        ("", [true; 3], None),
        (
            "{ consumer = typedefs.no_consumer }",
            [false, true, true],
            None,
        ),
        (
            "{ route = typedefs.no_route }, { service = typedefs.no_service }, { consumer_group = typedefs.no_consumer_group }",
            [true, false, false],
            None,
        ),
        (
            "{ consumer = { type = 'foreign', reference = 'consumers' } }",
            [true; 3],
            None,
        ),
        (
            "{ consumer = typedefs.no_consumer { required = false } }",
            [false, true, true],
            None,
        ),
        (
            "{ protocols = typedefs.protocols_http }",
            [true; 3],
            words(&["grpc", "grpcs", "http", "https"]),
        ),
        (
            "{ protocols = { type = 'set', elements = typedefs.protocol { one_of = { 'http' } } } }",
            [true; 3],
            words(&["http"]),
        ),
        (
            "{ protocols = { type = 'set', elements = { type = 'string' } } }",
            [true; 3],
            None,
        ),
    ] {
        assert_eq!(read(fields), (scopes, protocols), "{fields}");
    }
}
