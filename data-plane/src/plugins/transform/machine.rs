//! The Lua of this thread, for what is no simple look-up: expressions of templates, functions.

use std::rc::Rc;

use http::{HeaderMap, HeaderValue};
use lua::limits::Limits;
use lua::mlua::{self, Lua, Table, Value};
use lua::{Failure, Script, State};

use super::args::{self, Arg};
use super::template::Scope;
use crate::lua::worker;

/// The names that the expressions of one request see. Made when the first of them is met.
pub(super) struct Environment {
    state: Rc<State>,
    names: Table,
}

/// Which names expressions may use. Tables for the others are not made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Roots {
    headers: bool,
    query_params: bool,
    uri_captures: bool,
}

impl Roots {
    /// Those that the text of an expression holds, be it within a word.
    pub(super) fn of(source: &str) -> Self {
        Self {
            headers: source.contains("headers"),
            query_params: source.contains("query_params"),
            uri_captures: source.contains("uri_captures"),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            headers: self.headers || other.headers,
            query_params: self.query_params || other.query_params,
            uri_captures: self.uri_captures || other.uri_captures,
        }
    }
}

impl Environment {
    pub(super) fn new(scope: &Scope<'_>, roots: Roots) -> Result<Self, Failure> {
        let state = worker::state()?;
        let names =
            names(&state, scope, roots).map_err(|error| Failure::Raised(error.to_string()))?;
        Ok(Self { state, names })
    }

    /// What an expression prints.
    pub(super) fn render(&self, script: &Script) -> Result<Vec<u8>, Failure> {
        self.state.render(script, &self.names, Limits::default())
    }
}

fn names(state: &State, scope: &Scope<'_>, roots: Roots) -> mlua::Result<Table> {
    let lua = state.lua();
    let names = lua.create_table()?;
    if roots.headers {
        let table = headers(lua, scope.headers, scope.host)?;
        names.raw_set("headers", lua::header_names(lua, table)?)?;
    }
    if roots.query_params {
        names.raw_set("query_params", arguments(lua, scope.query)?)?;
    }
    if roots.uri_captures {
        let table = lua.create_table()?;
        for (number, name, text) in scope.captures {
            table.raw_set(*number, *text)?;
            if let Some(name) = name {
                table.raw_set(*name, *text)?;
            }
        }
        names.raw_set("uri_captures", table)?;
    }
    // What plugins share with each other is theirs to fill.
    names.raw_set("shared", lua.create_table()?)?;
    state.template_environment(names)
}

/// One value by itself, several as a list. One by one: Rust can hold but some thousand values of a machine.
fn several(
    lua: &Lua,
    values: impl IntoIterator<Item = mlua::Result<Value>>,
) -> mlua::Result<Value> {
    let mut values = values.into_iter();
    let first = values.next().unwrap_or(Ok(Value::Nil))?;
    let Some(second) = values.next() else {
        return Ok(first);
    };
    let list = lua.create_sequence_from([first, second?])?;
    for value in values {
        list.raw_push(value?)?;
    }
    Ok(Value::Table(list))
}

fn headers(lua: &Lua, headers: &HeaderMap, host: Option<&HeaderValue>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let text = |value: &HeaderValue| lua.create_string(value.as_bytes()).map(Value::String);
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(text);
        table.raw_set(name.as_str(), several(lua, values)?)?;
    }
    if let Some(host) = host {
        table.raw_set("host", text(host)?)?;
    }
    Ok(table)
}

fn arguments(lua: &Lua, query: &str) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let mut named: indexmap::IndexMap<_, Vec<Arg>> = indexmap::IndexMap::new();
    for (name, value) in args::iter(query.as_bytes()) {
        named.entry(name).or_default().push(value);
    }
    for (name, values) in named {
        let values = values.into_iter().map(|value| match value {
            Arg::Flag => Ok(Value::Boolean(true)),
            Arg::Text(text) => lua.create_string(text).map(Value::String),
        });
        table.raw_set(lua.create_string(name)?, several(lua, values)?)?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_arguments_is_seen() {
        let state = worker::state().expect("a state");
        let query = format!("{}b=1", "a=&".repeat(20_000));
        let table = arguments(state.lua(), &query).expect("they fit");
        let list: Table = table.get("a").expect("a list");
        assert_eq!(list.raw_len(), 20_000);
        let many: String = (0..20_000).map(|n| format!("n{n}&")).collect();
        let table = arguments(state.lua(), &many).expect("they fit");
        assert!(table.get::<bool>("n19999").expect("a flag"));
    }
}
