//! What lua-cjson does, and that nobody gets it to do more.

use mlua::Value;
use proptest::prelude::*;

use super::{decode, encode};
use crate::error::Failure;
use crate::limits::Limits;
use crate::modules::tests::{check, check_raised, state};
use crate::native::Raise;
use crate::script::Script;
use crate::tests::answer;

#[test]
fn texts_that_are_no_json_are_told_as_cjson_tells_them() {
    let state = state();
    let unquoted = |text: &[u8]| match decode(state.lua(), text, false) {
        Err(Raise::Text(said)) => said,
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(text)),
    };
    for (text, said) in [
        (
            "<html>",
            "Expected value but found invalid token at character 1",
        ),
        ("", "Expected value but found T_END at character 1"),
        ("   ", "Expected value but found T_END at character 4"),
        ("[1,]", "Expected value but found T_ARR_END at character 4"),
        (
            "[1,2",
            "Expected comma or array end but found T_END at character 5",
        ),
        (
            "[1 2]",
            "Expected comma or array end but found T_NUMBER at character 4",
        ),
        (
            "{\"a\":1} x",
            "Expected the end but found invalid token at character 9",
        ),
        (
            "[1]]",
            "Expected the end but found T_ARR_END at character 4",
        ),
        (
            "1 true",
            "Expected the end but found T_BOOLEAN at character 3",
        ),
        (
            "{a:1}",
            "Expected object key string but found invalid token at character 2",
        ),
        (
            "{1:1}",
            "Expected object key string but found T_NUMBER at character 2",
        ),
        (
            "{\"a\" 1}",
            "Expected colon but found T_NUMBER at character 6",
        ),
        (
            "{\"a\":}",
            "Expected value but found T_OBJ_END at character 6",
        ),
        (
            "{\"a\":1,}",
            "Expected object key string but found T_OBJ_END at character 8",
        ),
        (
            "{\"a\":1 \"b\":2}",
            "Expected comma or object end but found T_STRING at character 8",
        ),
        (
            "{",
            "Expected object key string but found T_END at character 2",
        ),
        (":", "Expected value but found T_COLON at character 1"),
        (",", "Expected value but found T_COMMA at character 1"),
        (
            "tru",
            "Expected value but found invalid token at character 1",
        ),
        (
            "nul",
            "Expected value but found invalid token at character 1",
        ),
        (
            "True",
            "Expected value but found invalid token at character 1",
        ),
        (
            "-",
            "Expected value but found invalid number at character 1",
        ),
        (
            "-x",
            "Expected value but found invalid number at character 1",
        ),
        (
            "+x",
            "Expected value but found invalid number at character 1",
        ),
        (
            "1e",
            "Expected the end but found invalid token at character 2",
        ),
        (
            ".5",
            "Expected value but found invalid token at character 1",
        ),
        (
            "0xg",
            "Expected the end but found invalid token at character 2",
        ),
        (
            "\"abc",
            "Expected value but found unexpected end of string at character 5",
        ),
        (
            "\"a\0b\"",
            "Expected value but found unexpected end of string at character 3",
        ),
        (
            "\"a\\x\"",
            "Expected value but found invalid escape code at character 3",
        ),
        (
            "\"\\",
            "Expected value but found invalid escape code at character 2",
        ),
        (
            "\"\\u12G4\"",
            "Expected value but found invalid unicode escape code at character 2",
        ),
        (
            "\"\\u12",
            "Expected value but found invalid unicode escape code at character 2",
        ),
        (
            "\"\\uDC00\"",
            "Expected value but found invalid unicode escape code at character 2",
        ),
        (
            "\"\\uD800\"",
            "Expected value but found invalid unicode escape code at character 2",
        ),
        (
            "\"\\uD800\\u0041\"",
            "Expected value but found invalid unicode escape code at character 2",
        ),
        (
            "'a'",
            "Expected value but found invalid token at character 1",
        ),
        ("\0\0", "JSON parser does not support UTF-16 or UTF-32"),
        ("1\0", "JSON parser does not support UTF-16 or UTF-32"),
        (
            "\u{feff}{}",
            "Expected value but found invalid token at character 1",
        ),
    ] {
        assert_eq!(unquoted(text.as_bytes()), said, "{text:?}");
    }
    let deep = "[".repeat(1001);
    assert_eq!(
        unquoted(deep.as_bytes()),
        "Found too many nested data structures (1001) at character 1001"
    );
}

#[test]
fn what_is_read_is_written_as_cjson_writes_it() {
    let state = state();
    let through = |text: &str| {
        let value = decode(state.lua(), text.as_bytes(), false)?;
        encode(state.lua(), &value).map(|out| String::from_utf8(out).expect("text"))
    };
    for (text, expected) in [
        (" { } ", "{}"),
        ("[]", "{}"),
        ("[[]]", "[{}]"),
        ("[1,\n2,\t3]", "[1,2,3]"),
        (
            "{\"a\":{\"b\":[true,false,null]}}",
            "{\"a\":{\"b\":[true,false,null]}}",
        ),
        ("\"a/b\"", "\"a\\/b\""),
        ("\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\"", "\"Aé€😀\""),
        (
            "\"\\b\\f\\n\\r\\t\\\"\\\\\\/\"",
            "\"\\b\\f\\n\\r\\t\\\"\\\\\\/\"",
        ),
        ("\"\\u0000\\u001f\\u007f\"", "\"\\u0000\\u001f\\u007f\""),
        ("\"a\nb\"", "\"a\\nb\""),
        ("12345678901234567890123", "1.2345678901235e+22"),
        ("9007199254740993", "9.007199254741e+15"),
        ("1e2", "100"),
        ("1E+2", "100"),
        ("1.", "1"),
        ("-0", "-0"),
        ("-.5", "-0.5"),
        ("007", "7"),
        ("+1", "1"),
        ("0x1F", "31"),
        ("-0x10", "-16"),
        ("0x.8p1", "1"),
        ("0x1p-2", "0.25"),
        ("0.1", "0.1"),
        ("3.14159265358979", "3.1415926535898"),
        ("{\"1\":2}", "{\"1\":2}"),
        ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
        ("true", "true"),
        ("null", "null"),
        ("1 \0 whatever", "1"),
    ] {
        assert_eq!(through(text).expect(text), expected, "{text:?}");
    }
    for text in ["NaN", "nan", "Infinity", "-inf", "+INFINITY", "1e400"] {
        let said = match through(text) {
            Err(Raise::Text(said)) => said,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(said, "Cannot serialise number: must not be NaN or Infinity");
    }
}

#[test]
fn values_are_written_as_cjson_writes_them() {
    check(&[
        (
            "return require('cjson').encode({ a = { 1, 2, { b = 'x' } } })",
            "{\"a\":[1,2,{\"b\":\"x\"}]}",
        ),
        ("return require('cjson').encode({})", "{}"),
        (
            "local text = require('cjson').encode('\\255\\1/') return table.concat({ text:byte(1, -1) }, ' ')",
            "34 255 92 117 48 48 48 49 92 47 34",
        ),
        (
            "return require('cjson').encode({ 1, nil, 3 })",
            "[1,null,3]",
        ),
        (
            "return require('cjson').encode({ [1] = 1, [10] = 2 })",
            "[1,null,null,null,null,null,null,null,null,2]",
        ),
        (
            "return require('cjson').encode({ [1.5] = 1 })",
            "{\"1.5\":1}",
        ),
        ("return require('cjson').encode({ [0] = 1 })", "{\"0\":1}"),
        ("return require('cjson').encode({ [-1] = 1 })", "{\"-1\":1}"),
        ("return require('cjson').encode(nil)", "null"),
        ("return require('cjson').encode(ngx.null)", "null"),
        (
            "return require('cjson').encode(require('cjson').null)",
            "null",
        ),
        ("return tostring(require('cjson').null == ngx.null)", "true"),
        ("return tostring(require('cjson').null)", "userdata: NULL"),
        (
            "return require('cjson').encode({ x = require('cjson').empty_array })",
            "{\"x\":[]}",
        ),
        ("return type(require('cjson').empty_array)", "userdata"),
        (
            "local c = require('cjson') return c.encode(setmetatable({}, c.array_mt))",
            "[]",
        ),
        (
            "local c = require('cjson') return c.encode(setmetatable({ a = 1, 'x' }, c.array_mt))",
            "[\"x\"]",
        ),
        (
            "local c = require('cjson') return c.encode(setmetatable({}, c.empty_array_mt))",
            "[]",
        ),
        (
            "local c = require('cjson') return c.encode(setmetatable({ a = 1 }, c.empty_array_mt))",
            "{\"a\":1}",
        ),
        (
            "local c = require('cjson') return c.encode(setmetatable({}, { __index = { 1 } }))",
            "{}",
        ),
        ("return require('cjson').decode('\"\\\\u00e9\"')", "é"),
        ("return require('cjson').decode(12)", "12"),
        (
            "return require('cjson').encode(2 ^ 53)",
            "9.007199254741e+15",
        ),
        ("return require('cjson').encode(-1e15)", "-1e+15"),
        (
            "return require('cjson')._NAME .. require('cjson.safe')._NAME",
            "cjsoncjson",
        ),
    ]);
}

#[test]
fn what_cannot_be_written_is_told() {
    check_raised(&[
        (
            "require('cjson').encode(print)",
            "Cannot serialise function: type not supported",
        ),
        (
            "require('cjson').encode({ x = coroutine.create(print) })",
            "Cannot serialise thread: type not supported",
        ),
        (
            "require('cjson').encode({ [true] = 1 })",
            "Cannot serialise boolean: table key must be a number or string",
        ),
        (
            "require('cjson').encode({ [1] = 1, [11] = 1 })",
            "Cannot serialise table: excessively sparse array",
        ),
        (
            "require('cjson').encode({ [1e300] = 1 })",
            "Cannot serialise table: excessively sparse array",
        ),
        (
            "require('cjson').encode(0 / 0)",
            "Cannot serialise number: must not be NaN or Infinity",
        ),
        (
            "require('cjson').encode({ [1 / 0] = 1 })",
            "Cannot serialise table: excessively sparse array",
        ),
        (
            "require('cjson').encode({ [-1 / 0] = 1 })",
            "Cannot serialise number: must not be NaN or Infinity",
        ),
        (
            "local t = {} t.t = t require('cjson').encode(t)",
            "Cannot serialise, excessive depth (1001)",
        ),
        (
            "require('cjson').encode()",
            ":1: bad argument #1 to 'encode' (expected 1 argument)",
        ),
        (
            "require('cjson').decode()",
            ":1: bad argument #1 to 'decode' (expected 1 argument)",
        ),
        (
            "require('cjson').decode('1', 2)",
            ":1: bad argument #1 to 'decode' (expected 1 argument)",
        ),
        (
            "require('cjson').decode(nil)",
            ":1: bad argument #1 to 'decode' (string expected, got nil)",
        ),
        (
            "require('cjson').decode({})",
            ":1: bad argument #1 to 'decode' (string expected, got table)",
        ),
        (
            "require('cjson').decode('<')",
            ":1: Expected value but found invalid token at character 1",
        ),
        (
            "require('cjson.safe').decode()",
            ":1: bad argument #1 to 'decode' (expected 1 argument)",
        ),
        (
            "require('cjson.safe').encode(1, 2)",
            ":1: bad argument #1 to 'encode' (expected 1 argument)",
        ),
    ]);
}

#[test]
fn the_safe_one_answers_what_is_wrong() {
    let both = |call: &str| {
        format!(
            "local a, b, c = require('cjson.safe').{call} return tostring(a) .. '|' .. tostring(b) .. '|' .. tostring(c)"
        )
    };
    for (call, expected) in [
        (
            "decode('<html>')",
            "nil|Expected value but found invalid token at character 1|nil",
        ),
        (
            "decode(nil)",
            "nil|bad argument #1 to '?' (string expected, got nil)|nil",
        ),
        (
            "decode({})",
            "nil|bad argument #1 to '?' (string expected, got table)|nil",
        ),
        ("decode('1')", "1|nil|nil"),
        ("decode('null')", "userdata: NULL|nil|nil"),
        (
            "encode(print)",
            "nil|Cannot serialise function: type not supported|nil",
        ),
        (
            "new().decode('<')",
            "nil|Expected value but found invalid token at character 1|nil",
        ),
    ] {
        check(&[(&both(call), expected)]);
    }
    check(&[("return select('#', require('cjson.safe').decode('1'))", "1")]);
}

#[test]
fn settings_change_what_the_page_names() {
    let with = |settings: &str, rest: &str| {
        format!("local c = require('cjson').new() c.{settings} return {rest}")
    };
    for (settings, rest, expected) in [
        (
            "encode_empty_table_as_object(false)",
            "c.encode({ {} })",
            "[[]]",
        ),
        (
            "encode_empty_table_as_object('off')",
            "c.encode({ {} })",
            "[[]]",
        ),
        (
            "decode_array_with_array_mt(true)",
            "c.encode(c.decode('[[]]'))",
            "[[]]",
        ),
        (
            "decode_array_with_array_mt(true)",
            "tostring(getmetatable(c.decode('[]')) == c.array_mt)",
            "true",
        ),
        ("encode_number_precision(3)", "c.encode(1 / 3)", "0.333"),
        (
            "encode_number_precision(16)",
            "c.encode(2 ^ 53)",
            "9007199254740992",
        ),
        (
            "encode_sparse_array(true)",
            "c.encode({ [1000] = 1 })",
            "{\"1000\":1}",
        ),
        (
            "encode_sparse_array(false, 0)",
            "#c.encode({ [1000] = 1 })",
            "4998",
        ),
        (
            "encode_sparse_array(nil, nil, 2 ^ 15)",
            "#c.encode({ [1000] = 1 })",
            "4998",
        ),
        (
            "encode_escape_forward_slash(false)",
            "c.encode('a/b')",
            "\"a/b\"",
        ),
        (
            "encode_max_depth(1)",
            "select(2, pcall(c.encode, { {} }))",
            "Cannot serialise, excessive depth (2)",
        ),
        (
            "decode_max_depth(1)",
            "select(2, pcall(c.decode, '[[]]'))",
            "Found too many nested data structures (2) at character 2",
        ),
        (
            "decode_max_depth(2 ^ 31 - 1)",
            "select(2, pcall(c.decode, ('['):rep(1001)))",
            "Found too many nested data structures (1001) at character 1001",
        ),
        (
            "encode_invalid_numbers(true)",
            "c.encode({ 0 / 0, 1 / 0, -1 / 0 })",
            "[NaN,Infinity,-Infinity]",
        ),
        ("encode_invalid_numbers('null')", "c.encode(1 / 0)", "null"),
        (
            "encode_invalid_numbers('null')",
            "c.encode_invalid_numbers()",
            "null",
        ),
        (
            "decode_invalid_numbers(false)",
            "select(2, pcall(c.decode, '0x1'))",
            "Expected value but found invalid number at character 1",
        ),
        (
            "decode_invalid_numbers(false)",
            "select(2, pcall(c.decode, 'NaN'))",
            "Expected value but found invalid token at character 1",
        ),
        (
            "encode_skip_unsupported_value_types(true)",
            "c.encode({ print, 1, { a = print } })",
            "[1,{}]",
        ),
        (
            "encode_keep_buffer(false)",
            "tostring(c.encode_keep_buffer())",
            "false",
        ),
        (
            "encode_number_precision()",
            "c.encode_number_precision()",
            "14",
        ),
        (
            "encode_sparse_array()",
            "table.concat({ tostring((c.encode_sparse_array())), select(2, c.encode_sparse_array()) }, ',')",
            "false,2,10",
        ),
        (
            "encode_max_depth()",
            "c.encode_max_depth() + c.decode_max_depth()",
            "2000",
        ),
        (
            "new().encode_number_precision(1)",
            "c.encode(1 / 3)",
            "0.33333333333333",
        ),
    ] {
        // `pcall` calls without a place.
        let body = with(settings, rest);
        let body = body.replace(
            "pcall(c.decode, ",
            "pcall(function(s) local v = c.decode(s) return v end, ",
        );
        let body = body.replace(
            "pcall(c.encode, ",
            "pcall(function(s) local v = c.encode(s) return v end, ",
        );
        let said = answer(&state(), &body).expect(&body);
        assert!(
            said == expected || said.ends_with(&format!(": {expected}")),
            "{body}: {said}"
        );
    }
    check_raised(&[
        (
            "require('cjson').encode_number_precision(17)",
            "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 16)",
        ),
        (
            "require('cjson').encode_max_depth(0)",
            "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)",
        ),
        (
            "require('cjson').encode_max_depth({})",
            "bad argument #1 to 'encode_max_depth' (number expected, got table)",
        ),
        (
            "require('cjson').encode_max_depth(1, 2)",
            "bad argument #2 to 'encode_max_depth' (found too many arguments)",
        ),
        (
            "require('cjson').encode_invalid_numbers('x')",
            "bad argument #1 to 'encode_invalid_numbers' (invalid option 'x')",
        ),
        (
            "require('cjson').decode_array_with_array_mt({})",
            "bad argument #1 to 'decode_array_with_array_mt' (string expected, got table)",
        ),
    ]);
}

#[test]
fn hostile_texts_and_values_end_in_time() {
    let state = state();
    for body in [
        "local t = {} for i = 1, 60 do t = { t, t } end return require('cjson').encode(t)",
        "local c = require('cjson').new() c.encode_sparse_array(false, 0) return c.encode({ [1e15] = 1 })",
        "local c, s = require('cjson'), ('[1,2],'):rep(50000) while true do pcall(c.decode, '[' .. s .. '1]') end",
        "local c, s = require('cjson'), ('x'):rep(1e7) local t = {} for i = 1, 1000 do t[i] = s end return c.encode(t)",
    ] {
        let began = std::time::Instant::now();
        let script =
            Script::function(&format!("return function() {body} end")).expect("it compiles");
        let ended = state.call(&script, Value::Nil, Limits::default()).map(drop);
        assert!(
            matches!(ended, Err(Failure::TooLong | Failure::Memory)),
            "{body}: {ended:?}"
        );
        assert!(began.elapsed().as_secs() < 20, "{body}");
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        "\\PC{0,6}".prop_map(serde_json::Value::from),
        "[\\x00-\\x1f/\"\\\\]{0,4}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..5).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z\"/é]{1,3}", inner, 1..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_what_was_read(value in value()) {
        let lua = state();
        let read = decode(lua.lua(), value.to_string().as_bytes(), false).expect("it is JSON");
        let written = encode(lua.lua(), &read).expect("it has JSON");
        let again: serde_json::Value = serde_json::from_slice(&written).expect("it is JSON");
        prop_assert_eq!(again, value);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"\\\\u0-9a-fxEINt\\-+. \\x00]{0,40}") {
        let lua = state();
        let _ = decode(lua.lua(), text.as_bytes(), true);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let lua = state();
        let _ = decode(lua.lua(), &bytes, true);
    }

    #[test]
    fn numbers_are_read_as_rust_reads_them(number in any::<f64>()) {
        prop_assume!(number.is_finite());
        let lua = state();
        let read = decode(lua.lua(), format!("{number:e}").as_bytes(), false).expect("a number");
        prop_assert_eq!(read.as_f64().or(read.as_integer().map(|n| n as f64)), Some(number));
    }
}
