//! LuaJIT's own functions are the reference, in a machine without the sandbox.

use mlua::{Lua, Value};
use proptest::prelude::*;

use crate::limits::Limits;
use crate::script::Script;
use crate::state::{Options, State};

/// A chunk that calls `string.<call>` and puts what it answers, or raises, into one text.
fn chunk(call: &str) -> String {
    format!(
        "local function shown(ok, ...)
           local texts = {{ tostring(ok) }}
           for i = 1, select('#', ...) do texts[i + 1] = tostring((select(i, ...))) end
           return (table.concat(texts, '|'))
         end
         local function all(text, pattern)
           local found = {{}}
           for a, b in string.gmatch(text, pattern) do found[#found + 1] = tostring(a) .. '&' .. tostring(b) end
           return table.concat(found, ';')
         end
         return shown(pcall({call}))"
    )
}

fn theirs(lua: &Lua, call: &str) -> String {
    lua.load(chunk(call))
        .set_name("x")
        .eval()
        .expect("failures are caught")
}

fn ours(state: &State, call: &str) -> String {
    let source = format!("return function() {} end", chunk(call));
    let script = Script::function(&source).expect("it compiles");
    match state.call(&script, Value::Nil, Limits::default()) {
        Ok(Value::String(text)) => text.to_string_lossy(),
        other => panic!("{call}: {other:?}"),
    }
}

/// What was raised, without the place in the source, which differs.
fn comparable(answer: &str) -> String {
    let raised = answer
        .strip_prefix("false|")
        .and_then(|text| text.rsplit_once("\"]:"));
    match raised.and_then(|(_, place)| place.split_once(": ")) {
        Some((_, text)) => format!("false|{text}"),
        None => answer.to_owned(),
    }
}

fn same(calls: impl IntoIterator<Item = String>) {
    let (plain, state) = (
        Lua::new(),
        State::new(&Options::default()).expect("a state"),
    );
    for call in calls {
        assert_eq!(
            comparable(&ours(&state, &call)),
            comparable(&theirs(&plain, &call)),
            "{call}"
        );
    }
}

#[test]
fn patterns_mean_what_they_mean_in_luajit() {
    let cases: &[(&str, &str)] = &[
        ("hello world", "o w"),
        ("hello world", "^hello"),
        ("hello world", "^world"),
        ("hello world", "world$"),
        ("key = value", "^(%w+)%s*=%s*(%w+)$"),
        ("aaab", "a*b"),
        ("aaab", "a-b"),
        ("aaab", "a-"),
        ("b", "a+"),
        ("b", "a?b"),
        ("THE (quick) fox", "%((%a+)%)"),
        ("THE (quick) fox", "()%a+()"),
        ("f(a(b)c)d", "%b()"),
        ("THE (quick) fox", "%f[%a]%a+%f[%A]"),
        ("\"it's\" 'x'", "([\"'])(.-)%1"),
        ("a.b-c", "[%w%-.]+"),
        ("]]x", "[]]+"),
        ("^x", "[%^x]+"),
        ("^x", "[^^]+"),
        ("a-z", "[a%-z]+"),
        ("m", "[a-z-]"),
        ("-", "[a-]"),
        ("a\\0b", "%z"),
        ("a\\0b", "\\0b"),
        ("\\255\\1", "%c"),
        ("~!", "%p+"),
        ("x", "%"),
        ("x", "[x"),
        ("x", "[%"),
        ("x", "(x"),
        ("x", "x)"),
        ("x", "%1"),
        ("x", "(%1)"),
        ("x", "%b"),
        ("x", "%f"),
        ("", ""),
        ("abc", ""),
        ("abc", "$"),
        ("a$b", "a$b"),
        ("\\11x", "%s"),
    ];
    same(cases.iter().flat_map(|(text, pattern)| {
        [
            format!("string.find, '{text}', [==[{pattern}]==]")
                .replace("\\0b]==]", "]==] .. '\\0b'"),
            format!(
                "string.match, '{}', [==[{pattern}]==]",
                text.replace('\'', "\\'")
            ),
        ]
        .map(|call| {
            call.replace("'\"it's\" 'x''", "[[\"it's\" 'x']]")
                .replace("'\"it\\'s\" \\'x\\''", "[[\"it's\" 'x']]")
        })
    }));
}

#[test]
fn the_other_arguments_mean_what_they_mean_in_luajit() {
    same(
        [
            "string.find, 'a.b', '.', 2, true",
            "string.find, 'a.b', '.', -1",
            "string.find, 'abc', 'b', 10",
            "string.find, 'abc', '', 4",
            "string.find, 'abc', '', 5",
            "string.find, 'abc', 'b', -10",
            "string.find, 'abc', '^b', 2",
            "string.match, 'key=1', '(%w+)=(%d+)'",
            "string.match, 12345, '3'",
            "string.match, 'x', 'y'",
            "string.gsub, 'hello', 'l', 'L'",
            "string.gsub, 'hello', 'l', 'L', 1",
            "string.gsub, 'hello', '', '-'",
            "string.gsub, 'abc', '%w*', 'x'",
            "string.gsub, 'abc', '^a', 'x'",
            "string.gsub, 'aaa', '^a', 'x'",
            "string.gsub, 'hello world', '(%w+)', '<%1>'",
            "string.gsub, 'hello', '(h)(e)', '%2%1%0%%'",
            "string.gsub, 'hello', 'l', '%1'",
            "string.gsub, 'hello', 'l', '%2'",
            "string.gsub, 'hello', 'l', function(l) return l:upper() end",
            "string.gsub, 'hello', 'l', function() end",
            "string.gsub, 'hello', '()', function(at) return at end",
            "string.gsub, '$a $b', '%$(%w+)', { a = 1 }",
            "string.gsub, 'hello', 'l', 5",
            "string.gsub, 'hello', '(l)(l)', { l = 'x' }",
            "string.rep, 'ab', 3",
            "string.rep, 'ab', 3, '-'",
            "string.rep, 'ab', 0",
            "string.rep, 'ab', -1",
            "all, 'one two', '%a+'",
            "all, 'a=1, b=2', '(%w+)=(%w+)'",
            "all, 'abc', ''",
            "all, '^a^a', '^a'",
        ]
        .map(str::to_owned),
    );
}

#[test]
fn wrong_arguments_are_told_as_luajit_tells_them() {
    same(
        [
            "function() string.find() end",
            "function() string.find('x') end",
            "function() string.find({}, 'x') end",
            "function() string.match('x', 'x', {}) end",
            "function() string.gsub('x', 'x') end",
            "function() string.gsub('x', 'x', true) end",
            "function() string.gsub('x', 'x', function() return {} end) end",
            "function() string.gsub('x', '(', '') end",
            "function() string.rep('x') end",
            "function() string.gmatch('x') end",
        ]
        .map(str::to_owned),
    );
}

/// Text as a literal of Lua's.
fn literal(bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03}")).collect();
    format!("'{escaped}'")
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"aab(]- %0\0z".to_vec()), 0..12)
}

fn pattern() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "a", "b", ".", "%a", "%s", "%%", "[ab]", "[^a]", "[]]", "[a-]", "%b()", "%f[a]", "()",
        "(a", "(", ")", "%1", "*", "+", "-", "?", "^", "$", "%z", "[%s%d]", "%",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..7)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn random_patterns_find_what_luajit_finds(text in text(), pattern in pattern()) {
        let (text, pattern) = (literal(&text), literal(&pattern));
        same([
            format!("string.find, {text}, {pattern}"),
            format!("string.gsub, {text}, {pattern}, '<%0>'"),
            format!("string.gsub, {text}, {pattern}, function(...) return select('#', ...) end"),
            format!("all, {text}, {pattern}"),
        ]);
    }
}
