//! Arguments of queries and forms: tables that plugins get, and tables that they give.

use std::borrow::Cow;

use lua::Raise;
use lua::mlua::{self, Lua, Table, Value};

use super::values::kind;
use crate::plugins::transform::args::{self, Arg, Args};

/// Arguments of a table, when a plugin does not say how many.
pub(in crate::lua) const DEFAULT_MOST: usize = 100;
/// The most that a plugin may ask for.
const MOST: usize = 1000;

/// How many arguments a plugin wants: 1 to 1000, by default 100.
///
/// # Errors
/// `max_args must be a number`, `max_args must be >= 1`, `max_args must be <= 1000`
pub(in crate::lua) fn most(value: &Value) -> Result<usize, Raise> {
    let number = match value {
        Value::Nil => return Ok(DEFAULT_MOST),
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        _ => return Err("max_args must be a number".into()),
    };
    if number < 1.0 {
        return Err("max_args must be >= 1".into());
    }
    if number > MOST as f64 {
        return Err(format!("max_args must be <= {MOST}").into());
    }
    Ok(number as usize)
}

/// The first `most` arguments of a raw text by name: a text, true for one without `=`, or a list where a name repeats.
/// Answers also whether there were more.
///
/// # Errors
/// When there is no memory.
pub(crate) fn table(lua: &Lua, raw: &[u8], most: usize) -> mlua::Result<(Table, bool)> {
    let table = lua.create_table()?;
    let mut all = args::iter(raw);
    for (name, value) in all.by_ref().take(most) {
        let value = match value {
            Arg::Flag => Value::Boolean(true),
            Arg::Text(text) => Value::String(lua::string(lua, text)?),
        };
        add(lua, &table, &name, value)?;
    }
    Ok((table, all.next().is_some()))
}

/// Puts a value under a name: by itself, or behind those that are there.
///
/// # Errors
/// When there is no memory.
pub(crate) fn add(lua: &Lua, table: &Table, name: &[u8], value: Value) -> mlua::Result<()> {
    let name = lua::string(lua, name)?;
    match table.raw_get(&name)? {
        Value::Nil => table.raw_set(name, value),
        Value::Table(list) => list.raw_push(value),
        first => table.raw_set(name, lua.create_sequence_from([first, value])?),
    }
}

/// What says that a table was not long enough for all.
pub(in crate::lua) fn truncated(more: bool) -> Option<&'static str> {
    more.then_some("truncated")
}

/// A table of arguments as they are sent: names that stand alone are true; false is left out.
///
/// # Errors
/// For a name that is no text, and a value that none is made of.
pub(in crate::lua) fn read<'a>(lua: &Lua, table: &Table) -> Result<Args<'a>, Raise> {
    let mut args = Args::default();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let Value::String(name) = &name else {
            return Err("attempt to use a non-string key in the \"args\" option table".into());
        };
        let mut push = |value: &Value| -> Result<(), Raise> {
            if let Some(arg) = arg(lua, value)? {
                args.push(Cow::Owned(name.as_bytes().to_vec()), arg);
            }
            Ok(())
        };
        match &value {
            Value::Table(list) => {
                for value in list.sequence_values::<Value>() {
                    push(&value?)?;
                }
            }
            value => push(value)?,
        }
    }
    Ok(args)
}

fn arg<'a>(lua: &Lua, value: &Value) -> Result<Option<Arg<'a>>, Raise> {
    match value {
        Value::Boolean(true) => return Ok(Some(Arg::Flag)),
        Value::Boolean(false) => return Ok(None),
        Value::String(_) | Value::Integer(_) | Value::Number(_) => {
            if let Some(text) = lua.coerce_string(value.clone())? {
                return Ok(Some(Arg::Text(Cow::Owned(text.as_bytes().to_vec()))));
            }
        }
        _ => {}
    }
    Err(format!("attempt to use {} as query arg value", kind(value)).into())
}
