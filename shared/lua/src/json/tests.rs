use proptest::prelude::*;

use crate::limits::Limits;
use crate::script::Script;
use crate::state::{Options, State};

/// What becomes of `text` once `function` has had it.
/// The threads of a node have room for the deepest values; those of tests have less.
fn through(function: &str, text: &str) -> Result<String, String> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(16 << 20)
            .spawn_scoped(scope, || here(function, text))
            .expect("a thread")
            .join()
            .expect("no panic")
    })
}

fn here(function: &str, text: &str) -> Result<String, String> {
    let state = State::new(&Options::default()).expect("a state");
    let (value, original) = state.read(text)?;
    let script = Script::function(function).expect("it compiles");
    let value = state
        .call(&script, value, Limits::default())
        .map_err(|failure| failure.to_string())?;
    let written = state
        .write(&value, &original)
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8(written).expect("JSON is UTF-8"))
}

const SAME: &str = "return function(data) return data end";

#[test]
fn what_a_function_leaves_alone_keeps_kind_order_and_spelling() {
    for text in [
        "{}",
        "[]",
        "null",
        "5",
        "\"x\"",
        "true",
        r#"{"e":[],"o":{},"n":null,"f":false}"#,
        r#"{"z":1,"a":2,"m":{"y":[{}],"b":[[]]}}"#,
        r#"{"i":12345678901234567890,"d":1.10,"e":1e2,"E":1E+2,"m":-0,"x":0.1,"big":1e400}"#,
        r#"["é","\n","\u0000","/"]"#,
        r#"{"1":"a","2":"b"}"#,
        "[null,null]",
        r#"{"$serde_json::private::Number":"1"}"#,
    ] {
        if text.contains("1e400") {
            // Lua has no such number, and JSON no infinity.
            let error = through(SAME, text).expect_err("it does not fit");
            assert_eq!(
                error,
                "Cannot serialise number: must not be NaN or Infinity"
            );
            continue;
        }
        assert_eq!(through(SAME, text).as_deref(), Ok(text));
    }
}

#[test]
fn changes_go_where_they_belong() {
    for (function, text, expected) in [
        (
            "return function(d) d.foo = nil; d.foobar = 'hello world'; return d end",
            r#"{"foo":1,"something":"else"}"#,
            r#"{"something":"else","foobar":"hello world"}"#,
        ),
        (
            "return function(d) d.n = d.n + 1; return d end",
            r#"{"n":1.0,"m":1.0}"#,
            r#"{"n":2,"m":1.0}"#,
        ),
        (
            "return function(d) d[#d + 1] = 'x'; return d end",
            "[]",
            r#"["x"]"#,
        ),
        (
            "return function(d) table.remove(d, 1); return d end",
            "[1.0,2.0]",
            "[2]",
        ),
        (
            "return function(d) return { 1, 2, { a = {} } } end",
            "{}",
            r#"[1,2,{"a":{}}]"#,
        ),
        (
            "return function(d) return { [1] = 'a', [3] = 'c' } end",
            "{}",
            r#"["a",null,"c"]"#,
        ),
        (
            "return function(d) return { x = 1, [2] = 'b' } end",
            "{}",
            r#"{"2":"b","x":1}"#,
        ),
        (
            "return function(d) d.x = ngx.null; return d end",
            r#"{"x":1}"#,
            r#"{"x":null}"#,
        ),
        (
            "return function(d) return d.x == ngx.null end",
            r#"{"x":null}"#,
            "true",
        ),
        ("return function(d) return 1e100 end", "{}", "1e+100"),
        ("return function(d) return 0.1 + 0.2 end", "{}", "0.3"),
        (
            "return function(d) return 2 ^ 53 end",
            "{}",
            "9.007199254741e+15",
        ),
        ("return function(d) return 1e-7 end", "{}", "1e-07"),
        (
            "return function(d) d.a = 3; return d end",
            r#"{"a":1,"b":1,"a":2}"#,
            r#"{"a":3,"b":1}"#,
        ),
    ] {
        assert_eq!(
            through(function, text).as_deref(),
            Ok(expected),
            "{function}"
        );
    }
}

#[test]
fn what_has_no_json_says_so() {
    for (function, error) in [
        (
            "return function() return print end",
            "Cannot serialise function: type not supported",
        ),
        (
            "return function() return { [{}] = 1 } end",
            "Cannot serialise table: table key must be a number or string",
        ),
        (
            "return function() return { [1000] = 1 } end",
            "Cannot serialise table: excessively sparse array",
        ),
        (
            "return function() return 0 / 0 end",
            "Cannot serialise number: must not be NaN or Infinity",
        ),
        (
            "return function() return '\\255' end",
            "Cannot serialise string: it is not UTF-8",
        ),
        (
            "return function() local t = {} t.t = t return t end",
            "Cannot serialise, excessive depth (1001)",
        ),
    ] {
        assert_eq!(through(function, "{}"), Err(error.to_owned()), "{function}");
    }
}

#[test]
fn depth_has_a_limit_both_ways() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(through(SAME, &nested(1000)), Ok(nested(1000)));
    let error = through(SAME, &nested(1001)).expect_err("too deep");
    assert!(error.starts_with("nested deeper than 1000"), "{error}");
}

#[test]
fn an_object_may_have_more_members_than_a_machine_has_references() {
    let members: Vec<_> = (0..20_000).map(|i| format!("\"k{i}\":\"v{i}\"")).collect();
    let wide = format!("{{{}}}", members.join(","));
    assert_eq!(through(SAME, &wide), Ok(wide));
}

#[test]
fn names_that_come_again_and_again_take_no_longer() {
    let members: Vec<_> = (0..40_000)
        .map(|i| format!("\"k{}\":1.0", i % 20_000))
        .collect();
    let began = std::time::Instant::now();
    let written = through(SAME, &format!("{{{}}}", members.join(",")));
    assert_eq!(written, Ok(format!("{{{}}}", members[..20_000].join(","))));
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn a_result_can_not_run_code_while_it_is_written() {
    let function = "return function() return setmetatable({ b = 1 }, { __index = function() while true do end end, \
                    __pairs = error, __len = error }) end";
    assert_eq!(through(function, "1").as_deref(), Ok("{\"b\":1}"));
}

#[test]
fn a_result_that_holds_the_same_over_and_over_is_too_much() {
    for function in [
        "return function() local t = {} for i = 1, 60 do t = { t, t } end return t end",
        "return function() local s, t = ('x'):rep(1e6), {} for i = 1, 1e5 do t[i] = s end return t end",
    ] {
        let error = "Cannot serialise: too much".to_owned();
        assert_eq!(through(function, "1"), Err(error), "{function}");
    }
}

#[test]
fn no_script_changes_the_arrays_of_others() {
    let function =
        "return function(data) getmetatable(data).__index = function() return 'mine' end end";
    let error = through(function, "[]").expect_err("it is protected");
    assert!(
        error.ends_with("Cannot modify array.__index. Protected by the sandbox."),
        "{error}"
    );
    let made = "return function(data) return { setmetatable({}, getmetatable(data)) } end";
    assert_eq!(through(made, "[]").as_deref(), Ok("[[]]"));
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        (any::<i16>(), 0u8..4)
            .prop_map(|(value, zeroes)| format!("{value}.5{}", "0".repeat(zeroes.into()))),
        "[a-z\"\\\\é\n]{0,4}".prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::btree_map("[a-z1-3]{1,2}", inner, 0..5).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .rev()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_survives_the_way_there_and_back(text in json()) {
        prop_assert_eq!(through(SAME, &text), Ok(text));
    }
}

#[test]
fn a_broken_text_is_told() {
    let state = State::new(&Options::default()).expect("a state");
    assert!(matches!(state.read("{bad"), Err(error) if error.contains("line 1")));
    assert!(state.read("1 2").is_err());
}
