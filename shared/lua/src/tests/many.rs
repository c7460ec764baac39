//! How much is loaded does not depend on how many references Rust may have: some 7,990 in one machine.

use mlua::{Function, Lua};

use super::{Limits, Script, state};
use crate::pdk::Phase;
use crate::state::State;
use crate::stored::Stored;

/// More than there is room for.
const MANY: usize = 20_000;

/// How many references there is room for.
fn room(lua: &Lua) -> usize {
    let tables = std::iter::from_fn(|| lua.create_table().ok());
    tables.collect::<Vec<_>>().len()
}

/// Loads something, and says how many references are used for it.
fn used<T>(state: &State, load: impl FnOnce(&State) -> T) -> (T, usize) {
    let before = room(state.lua());
    let loaded = load(state);
    (loaded, before.saturating_sub(room(state.lua())))
}

#[test]
fn templates_and_functions_need_no_references() {
    let state = state();
    let lua = state.lua();
    let environment = state.template_environment(lua.create_table().expect("memory"));
    let environment = environment.expect("memory");
    let (scripts, references) = used(&state, |state| {
        let load = |n: usize| {
            let template = Script::expression(&format!("'t' .. {n}")).expect("Lua");
            let text = state.render(&template, &environment, Limits::default());
            assert_eq!(text.expect("a text"), format!("t{n}").into_bytes());
            let source = format!("return function(data) return data + {n} end");
            let function = Script::function(&source).expect("Lua");
            let sum = state.call(&function, mlua::Value::Integer(1), Limits::default());
            assert_eq!(sum.expect("a number").as_integer(), Some(n as i64 + 1));
            [template, function]
        };
        (0..MANY / 2).flat_map(load).collect::<Vec<_>>()
    });
    assert!(references <= 8, "{references} references");
    assert_eq!(state.loaded(), MANY);
    let first = state.render(&scripts[0], &environment, Limits::default());
    assert_eq!(first.expect("it is still there"), b"t0");
}

#[test]
fn chunks_need_no_references() {
    let state = state();
    let (chunks, references) = used(&state, |state| {
        let load = |n: usize| {
            let chunk = Script::chunk(&format!("return {n}")).expect("Lua");
            let chunk = state.load_chunk(&chunk).expect("memory");
            Stored::new(state.lua(), chunk).expect("memory")
        };
        (0..MANY).map(load).collect::<Vec<_>>()
    });
    assert!(references <= 8, "{references} references");
    let last: Function = chunks[MANY - 1].get(state.lua()).expect("it is kept");
    assert_eq!(last.call::<usize>(()).expect("a number"), MANY - 1);
}

#[test]
fn handlers_need_no_references() {
    let state = state();
    let names = ["rewrite", "access", "header_filter", "body_filter", "log"];
    let methods = names.map(|name| format!("function P:{name}() return '{name}', self.NUMBER end"));
    let methods = methods.join(" ");
    let (handlers, references) = used(&state, |state| {
        let load = |n: usize| {
            let source = format!(
                "local P = {{ VERSION = '1.0.0', PRIORITY = 1, NUMBER = {n} }} {methods} return P"
            );
            let script = Script::module("handler.lua", &source).expect("Lua");
            let handler = state.load_handler(&script, "p", false, None);
            handler.expect("a handler")
        };
        (0..MANY / 10).map(load).collect::<Vec<_>>()
    });
    assert!(references <= 8, "{references} references");
    let (method, table) = handlers[7].method(Phase::Log).expect("it has one");
    let method: Function = method.get(state.lua()).expect("it is kept");
    let said: (String, u32) = method.call(table).expect("it runs");
    assert_eq!(said, ("log".to_owned(), 7));
    assert!(handlers[7].method(Phase::Response).is_none());
}
