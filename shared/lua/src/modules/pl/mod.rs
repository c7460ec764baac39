//! The part of Penlight that plugins use. What needs Rust is here.

#[cfg(test)]
mod tests;

use mlua::chunk::ChunkMode;
use mlua::{Lua, LuaString, Result, Table, Value};

use crate::native;
use crate::state::said;

/// The longest source of a template.
const LONGEST_SOURCE: usize = 1 << 20;

/// For `pl.template`: `load(source, name, environment)` gives a function that sees nothing but the environment, or nil
/// and what is wrong. Text only, so that nothing but Lua can come of it.
pub(super) fn load(lua: &Lua) -> Result<Value> {
    let load = native::function(lua, |lua, source_name_env: (LuaString, String, Table)| {
        let (source, name, environment) = source_name_env;
        let source = source.as_bytes();
        if source.len() > LONGEST_SOURCE {
            return Ok((
                Value::Nil,
                Some(format!("source is longer than {LONGEST_SOURCE} bytes")),
            ));
        }
        let chunk = lua
            .load(&source[..])
            .set_name(name)
            .set_mode(ChunkMode::Text)
            .set_environment(environment);
        Ok(match chunk.into_function() {
            Ok(function) => (Value::Function(function), None),
            Err(error) => (Value::Nil, Some(said(&error).to_string())),
        })
    })?;
    Ok(Value::Function(load))
}
