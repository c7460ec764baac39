//! Schemas that mean harm, or were written in haste.

use super::*;

#[test]
fn hostile_schemas_are_refused_and_harm_nobody() {
    let record = |rest: &str| {
        format!(
            "{rest} return {{ name = 'my-plugin', fields = {{ {{ config = {{ type = 'record', fields = f }} }} }} }}"
        )
    };
    for (source, expected) in [
        (
            "while true do end".to_owned(),
            "schema.lua: execution time limit exceeded",
        ),
        (
            "for i = 1, 10 do pcall(function() while true do end end) end".to_owned(),
            "schema.lua: execution time limit exceeded",
        ),
        (
            "local s = 'x' while true do s = s .. s end".to_owned(),
            "schema.lua: not enough memory",
        ),
        (
            "local x = ('x'):rep(1e10)".to_owned(),
            "schema.lua:1: resulting string too large",
        ),
        (
            "local function f() return f() + 1 end return f()".to_owned(),
            "schema.lua:1: stack overflow",
        ),
        (
            "return os.execute('true')".to_owned(),
            "schema.lua:1: attempt to call field 'execute' (a nil value)",
        ),
        (
            "return load('return {}')".to_owned(),
            "schema.lua:1: attempt to call global 'load' (a nil value)",
        ),
        (
            "return string.dump(print)".to_owned(),
            "schema.lua:1: attempt to call field 'dump' (a nil value)",
        ),
        // A record that is its own field.
        (
            record("local r = { type = 'record' } r.fields = { { r = r } } local f = r.fields"),
            "more than 32 tables within each other",
        ),
        (
            record("local d = {} d.d = d local f = { { it = { type = 'string', default = d } } }"),
            "fields.config.fields.it.default: more than 32 tables within each other",
        ),
        // One that holds the same one twice, which holds the same one twice, and so on.
        (
            record(
                "local d = { 1 } for _ = 1, 25 do d = { d, d } end local f = { { it = { type = 'string', default = d } } }",
            ),
            "fields.config.fields.it.default: more than 50000 values in one schema",
        ),
        (
            record(
                "local r = { type = 'string' } for i = 1, 25 do r = { type = 'record', fields = { { a = r }, { b = r } } } end local f = r.fields",
            ),
            "more than 50000 values in one schema",
        ),
        (
            record(
                "local f = {} for i = 1, 10000 do f[i] = { ['f' .. i] = { type = 'string' } } end",
            ),
            "fields.config.fields: more than 2000 fields",
        ),
        (
            record(
                "local d = {} for i = 1, 100000 do d[i] = i end local f = { { it = { type = 'array', elements = { type = 'number' }, default = d } } }",
            ),
            "fields.config.fields.it.default: more than 50000 values in one schema",
        ),
        (
            record(
                "local s = 'x' for _ = 1, 21 do s = s .. s end local f = { { it = { type = 'string', default = s } } }",
            ),
            "fields.config.fields.it.default: more than 1048576 bytes of text in one schema",
        ),
        (
            record("local f = { { it = { type = 'string', default = coroutine.create(print) } } }"),
            "fields.config.fields.it.default: expected a value, got a thread",
        ),
        (
            record("local f = { { [print] = { type = 'string' } } }"),
            "fields.config.fields.1: expected names, got a function",
        ),
        (
            record("local f = { print }"),
            "fields.config.fields.1: expected a table, got a function",
        ),
        (
            record("local f = print"),
            "fields.config.fields: expected a table, got a function",
        ),
    ] {
        let error = shape(&source).expect_err(&source);
        assert!(error.ends_with(expected), "{source}: {error}");
    }
    let long = format!("return {{}} --{}", " ".repeat(1 << 20));
    let error = shape(&long).expect_err("too long");
    assert_eq!(
        error,
        format!(
            "schema.lua: source is longer than 1048576 bytes, got {}",
            long.len()
        )
    );
    // The machine is as good as before.
    assert_eq!(fault("{ type = 'string' }", json!("a")), Value::Null);
}

#[test]
fn metatables_are_not_asked() {
    // Tables that answer every question for ever, or say that they are empty, or throw.
    let source = "local function never() while true do end end
local mt = { __index = never, __pairs = never, __len = never, __ipairs = never, __eq = never, __tostring = never }
local function odd(t) return setmetatable(t, mt) end
return odd { name = 'my-plugin', fields = odd { odd { config = odd { type = 'record', fields = odd {
  odd { it = odd { type = 'string', one_of = odd { 'a' }, default = 'a' } } } } } } }";
    let shape = shape(source).expect("a good schema");
    assert_eq!(
        judged(&shape.config, json!({})),
        (json!({ "it": "a" }), json!({}))
    );
}

#[test]
fn what_one_schema_changes_is_not_seen_by_the_next() {
    let first = "local t = require 'kong.db.schema.typedefs' t.port.between[2] = 1 t.port.default = 7 x = 5 return { name = 'my-plugin', fields = {} }";
    shape(first).expect("a good schema");
    let second = "local t = require 'kong.db.schema.typedefs' assert(x == nil)
        return { name = 'my-plugin', fields = { { config = { type = 'record', fields = { { port = t.port } } } } } }";
    let shape = shape(second).expect("a good schema");
    assert_eq!(judged(&shape.config, json!({ "port": 443 })).1, json!({}));
    assert_eq!(judged(&shape.config, json!({})).0, json!({ "port": null }));
}

#[test]
fn a_file_that_answers_otherwise_each_time_is_found_out() {
    // As when another thread runs a file whose table hangs on the time or on chance.
    let program = Program::new(
        Script::module("schema.lua", "return {}").expect("it compiles"),
        &Source {
            name: "my-plugin",
            schema: "",
            handler: "",
            trusted: false,
            on_error: shared::plugins::custom::OnError::Fail,
            folder: None,
        },
    );
    let lost = program.validator(Vec::new());
    assert_eq!(
        lost.check(&json!(1)),
        Err("failed validating: schema.lua does not return the same table every time".to_owned())
    );
}

#[test]
fn patterns_that_would_match_for_ever_are_given_up() {
    let field = "{ type = 'string', match = ('a?'):rep(30) .. ('a'):rep(30) .. '$' }";
    let value = "a".repeat(29);
    assert_eq!(
        fault(field, json!(value)),
        "failed validating: execution time limit exceeded"
    );
    let deep = "{ type = 'string', match = ('(x'):rep(20) .. (')'):rep(20) .. ('y?'):rep(200) }";
    let said = fault(deep, json!("x".repeat(20) + &"y".repeat(200)));
    assert_eq!(said, "failed validating: pattern too complex");
}

#[test]
fn large_schemas_are_read() {
    // A machine holds few thousand references at a time.
    let words = "local words, deep = {}, { type = 'string' }
        for i = 1, 10000 do words[i] = 'word' .. i end
        for i = 1, 6 do
          local fields = {}
          for j = 1, 300 do fields[j] = { ['f' .. j] = { type = 'number', default = j } } end
          fields[301] = { deep = deep }
          deep = { type = 'record', fields = fields }
        end
        return { name = 'my-plugin', fields = { { config = { type = 'record', fields = {
          { word = { type = 'string', one_of = words, default = 'word10000' } }, { deep = deep } } } } } }";
    let shape = shape(words).expect("a good schema");
    let (complete, wrong) = judged(&shape.config, json!({}));
    assert_eq!(wrong, json!({}));
    let path = "/deep/deep/deep/deep/deep/deep/f300";
    assert_eq!(
        Value::Object(object(complete)).pointer(path),
        Some(&json!(300))
    );
}

#[test]
fn whatever_an_attribute_holds_is_taken_or_refused_with_its_path() {
    const ODD: &[&str] = &[
        "true",
        "-1",
        "0.5",
        "0/0",
        "math.huge",
        "''",
        "'%'",
        "'\\255'",
        "{}",
        "{ 1, 2 }",
        "{ 'a', 'b' }",
        "{ a = {} }",
        "{ {} }",
        "{ [2] = 1 }",
        "{ [print] = 1 }",
        "print",
        "ngx.null",
        "setmetatable({}, { __index = error })",
    ];
    const KINDS: &[&str] = &[
        "type = 'string'",
        "type = 'number'",
        "type = 'boolean'",
        "type = 'set', elements = { type = 'string' }",
        "type = 'map', keys = { type = 'string' }, values = { type = 'string' }",
        "type = 'record', fields = {}",
    ];
    let documents = [
        json!(""),
        json!("a"),
        json!(1.5),
        json!(true),
        json!(["a", 1]),
        json!({ "a": [] }),
        Value::Null,
    ];
    let mut taken = 0;
    for kind in KINDS {
        for (attribute, _) in super::super::fields::ATTRIBUTES {
            for odd in ODD {
                let field = format!("{{ {kind}, ['{attribute}'] = {odd} }}");
                match with_fields(&format!("{{ it = {field} }}")) {
                    Ok(shape) => {
                        taken += 1;
                        for document in &documents {
                            judged(&shape.config, json!({ "it": document }));
                        }
                    }
                    Err(error) => assert!(
                        error.starts_with("fields.config.fields.it"),
                        "{field}: {error}"
                    ),
                }
            }
        }
    }
    assert!(taken > 100, "{taken}");
}
