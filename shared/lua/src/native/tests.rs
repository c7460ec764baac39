//! Functions in Rust as Lua meets them.

use mlua::{LuaString, MultiValue, Table, Value};

use super::*;
use crate::state::{Options, State};

/// A machine whose names have functions to call.
fn machine() -> State {
    let state = State::new(&Options::default()).expect("a state");
    let lua = state.lua();
    let set = |name: &str, function: Result<Function>| {
        let function = function.expect("memory");
        lua.globals().set(name, function).expect("memory");
    };
    set(
        "pair",
        function(lua, |_, (a, b): (Value, Value)| {
            let text = format!("{} {}", a.type_name(), b.type_name());
            Ok((Text(text), 2))
        }),
    );
    set("nothing", function(lua, |_, ()| Ok(())));
    set(
        "count",
        function(lua, |_, all: MultiValue| Ok(all.len() as u32)),
    );
    set("back", function(lua, |_, all: MultiValue| Ok(all)));
    set(
        "bytes",
        function(lua, |_, text: LuaString| Ok(Text(text.as_bytes().to_vec()))),
    );
    set(
        "text",
        function(lua, |lua, length: usize| {
            let text = vec![b'x'; length];
            Ok((Text(""), string(lua, &text)?, Text(text.clone())))
        }),
    );
    set(
        "field",
        function(lua, |_, table: Table| Ok(table.get::<Value>("a")?)),
    );
    set(
        "refuse",
        function(lua, |_, why: Option<String>| match why {
            Some(why) => Err::<(), _>(why.into()),
            None => Err(mlua::Error::runtime("of the engine").into()),
        }),
    );
    set(
        "call",
        function(lua, |_, (f, all): (Function, MultiValue)| {
            Ok(f.call::<MultiValue>(all)?)
        }),
    );
    state
}

/// What a chunk returns, between commas, or what it raises.
fn said(state: &State, chunk: &str) -> String {
    let results = state
        .lua()
        .load(chunk)
        .set_name("=test")
        .eval::<MultiValue>();
    match results {
        Ok(values) => {
            let shown = values
                .iter()
                .map(|value| value.to_string().expect("a text"));
            shown.collect::<Vec<_>>().join(", ")
        }
        Err(error) => format!("error: {}", crate::state::said(&error)),
    }
}

#[test]
fn arguments_and_results_are_those_of_lua() {
    let state = machine();
    for (chunk, expected) in [
        ("return pair(1, 'a')", "integer string, 2"),
        ("return pair()", "nil nil, 2"),
        ("return pair({}, print, 3, 4)", "table function, 2"),
        ("return nothing(1, 2), select('#', nothing())", "nil, 0"),
        ("return count(nil, nil, nil)", "3"),
        ("return back(1, nil, 'a', true)", "1, nil, a, true"),
        (
            "return bytes('a\\0b') == 'a\\0b', bytes(12), bytes('')",
            "true, 12, ",
        ),
        (
            "local a, b, c = text(30000) return a, #b, #c",
            ", 30000, 30000",
        ),
        (
            "local t = {} for i = 1, 300 do t[i] = i end return count(unpack(t)), select(300, back(unpack(t)))",
            "300, 300",
        ),
        (
            "local t = {} for i = 1, 3000 do t[i] = i end return count(unpack(t)), select(-1, back(unpack(t)))",
            "3000, 3000",
        ),
        ("return call(call, call, pair, 1)", "integer nil, 2"),
        (
            "local t = {} for i = 1, 1000 do t[i] = bytes('t' .. i) end return #table.concat(t)",
            "3893",
        ),
    ] {
        assert_eq!(said(&state, chunk), expected, "{chunk}");
    }
}

#[test]
fn refusals_are_texts_with_their_callers_place() {
    let state = machine();
    let no_text = "error converting Lua table to string";
    let wrong = |place: &str| format!("{place}{no_text} (expected string or number)");
    for (chunk, expected) in [
        ("local x = refuse('no')", "error: test:1: no".to_owned()),
        ("\n\nlocal x = refuse('no')", "error: test:3: no".to_owned()),
        (
            "local x = refuse()",
            "error: test:1: of the engine".to_owned(),
        ),
        ("return pcall(refuse, 'a\\0b')", "false, a\0b".to_owned()),
        (
            "local x = bytes({})",
            format!("error: {}", wrong("test:1: ")),
        ),
        // What `pcall` calls itself has no place, nor what is called last of all.
        ("return refuse('no')", "error: no".to_owned()),
        ("return pcall(refuse, 'no')", "false, no".to_owned()),
        ("return pcall(bytes, {})", format!("false, {}", wrong(""))),
        (
            "return pcall(function()\nlocal x = refuse('no') end)",
            "false, test:2: no".to_owned(),
        ),
        (
            "local ok, said = xpcall(function() refuse('no') end, function(said) return said .. '!' end) return ok, said",
            "false, test:1: no!".to_owned(),
        ),
        (
            "return coroutine.resume(coroutine.create(function()\nrefuse('no') end))",
            "false, test:2: no".to_owned(),
        ),
        (
            "return coroutine.resume(coroutine.create(refuse), 'no')",
            "false, no".to_owned(),
        ),
        (
            "local c = coroutine.wrap(function() coroutine.yield(pair(1)) return pcall(refuse, 'no') end) return (c()), c()",
            "integer nil, false, no".to_owned(),
        ),
        (
            "local t = setmetatable({}, { __index = function(_, name)\n return refuse(name) end })\nlocal a = t.b",
            "error: test:3: b".to_owned(),
        ),
        (
            "local t = setmetatable({}, { __index = refuse })\nlocal a = t.b",
            "error: test:2: error converting Lua table to String (expected string or number)"
                .to_owned(),
        ),
        (
            "local t = setmetatable({}, { __index = back })\nlocal a = t.b return a == t",
            "true".to_owned(),
        ),
        (
            "return field(setmetatable({}, { __index = function() error('deep', 0) end }))",
            "error: deep".to_owned(),
        ),
        // One refusal leaves nothing behind.
        (
            "for i = 1, 10000 do pcall(refuse, 'no') end return pair()",
            "nil nil, 2".to_owned(),
        ),
    ] {
        assert_eq!(said(&state, chunk), expected, "{chunk}");
    }
}

#[test]
fn too_little_memory_is_told_wherever_a_text_is_made() {
    let state = machine();
    let lua = state.lua();
    for chunk in [
        "local t = {} for i = 1, 1e9 do t[i] = bytes('some text ' .. i) end",
        "local t = {} for i = 1, 1e9 do t[i] = select(3, text(1000 + i)) end",
        "local t = {} for i = 1, 1e9 do t[i] = select(2, pcall(refuse, 'some text ' .. i)) end",
        "return #text(1e8)",
    ] {
        for more in [0, 1, 100, 10_000, 1_000_000] {
            let limit = lua.used_memory() + more;
            lua.set_memory_limit(limit).expect("it has limits");
            let chunk = lua.load(chunk).set_name("=test").into_function();
            let failed = chunk.and_then(|chunk| chunk.call::<()>(()));
            lua.set_memory_limit(0).expect("it has limits");
            let failed = failed.expect_err("there is no room").to_string();
            // The second is said where there is no room for a traceback either.
            let told = ["not enough memory", "error in error handling"];
            assert!(told.iter().any(|told| failed.contains(told)), "{failed}");
            lua.gc_collect().expect("a collection");
        }
        assert_eq!(said(&state, "return pair(1)"), "integer nil, 2");
    }
}

#[test]
fn a_panic_goes_on_where_lua_was_called() {
    let state = machine();
    let lua = state.lua();
    let panics = function(lua, |_, ()| -> std::result::Result<(), Raise> {
        panic!("of a test")
    });
    lua.globals()
        .set("panics", panics.expect("memory"))
        .expect("memory");
    let chunk = lua.load("panics()");
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| chunk.exec()));
    assert!(caught.is_err());
    assert_eq!(said(&state, "return pair(1)"), "integer nil, 2");
}
