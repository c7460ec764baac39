//! The Lua of this thread, for what is no simple look-up: expressions of templates, functions.

use std::rc::Rc;

use http::{HeaderMap, HeaderValue};
use lua::limits::Limits;
use lua::mlua::{self, Lua, Table, Value};
use lua::{Failure, Script, State};

use super::template::Scope;
use crate::lua::pdk::args;
use crate::lua::{call, worker};

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
        let (table, _) = args::table(lua, scope.query.as_bytes(), usize::MAX)?;
        names.raw_set("query_params", table)?;
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
    names.raw_set("shared", shared(lua)?)?;
    state.template_environment(names)
}

/// What plugins share with each other: `kong.ctx.shared`.
fn shared(lua: &Lua) -> mlua::Result<Table> {
    let kept = call::with_request(|ctx| Ok(ctx.lua.get_or_insert_default().shared(lua)));
    kept.unwrap_or_else(|_| lua.create_table())
}

/// One by one: Rust can hold but some thousand values of a machine.
fn headers(lua: &Lua, headers: &HeaderMap, host: Option<&HeaderValue>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in lines.chain(host.map(|host| ("host", host))) {
        let value = lua.create_string(value.as_bytes())?;
        args::add(lua, &table, name.as_bytes(), Value::String(value))?;
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
        let (table, _) = args::table(state.lua(), query.as_bytes(), usize::MAX).expect("they fit");
        let list: Table = table.get("a").expect("a list");
        assert_eq!(list.raw_len(), 20_000);
        let many: String = (0..20_000).map(|n| format!("n{n}&")).collect();
        let (table, _) = args::table(state.lua(), many.as_bytes(), usize::MAX).expect("they fit");
        assert!(table.get::<bool>("n19999").expect("a flag"));
    }
}
