//! `encode_args` and `decode_args`.

use mlua::{Lua, MultiValue, Result, Table, Value};

use super::encoding::{escape_component, lenient, unescape};
use crate::engine::kind;
use crate::limits::{TOO_LONG, overrun};
use crate::native::{self, Raise};

type Answer<T> = std::result::Result<T, Raise>;

/// How many arguments `decode_args` reads unless it is told.
const MOST: usize = 100;

pub(super) fn add(lua: &Lua, ngx: &Table) -> Result<()> {
    ngx.raw_set("encode_args", native::function(lua, encode)?)?;
    ngx.raw_set("decode_args", native::function(lua, decode)?)
}

fn encode(lua: &Lua, args: Value) -> Answer<Value> {
    let Value::Table(args) = args else {
        let got = match args {
            Value::Nil => "no value",
            ref other => kind(other),
        };
        return Err(format!("bad argument #1 to 'encode_args' (table expected, got {got})").into());
    };
    let mut out = Vec::new();
    for pair in args.pairs::<Value, Value>() {
        let (Value::String(name), value) = pair? else {
            return Err("attempt to use a non-string key in the \"args\" option table".into());
        };
        if overrun() {
            return Err(TOO_LONG.into());
        }
        let Value::Table(values) = value else {
            push(lua, &name.as_bytes(), &value, &mut out)?;
            continue;
        };
        for value in values.sequence_values::<Value>() {
            push(lua, &name.as_bytes(), &value?, &mut out)?;
        }
    }
    Ok(Value::String(lua.create_string(out)?))
}

fn push(lua: &Lua, name: &[u8], value: &Value, out: &mut Vec<u8>) -> Answer<()> {
    if *value == Value::Boolean(false) {
        return Ok(());
    }
    if !out.is_empty() {
        out.push(b'&');
    }
    escape_component(name, out);
    match value {
        Value::Boolean(_) => {}
        Value::String(_) | Value::Integer(_) | Value::Number(_) => {
            out.push(b'=');
            escape_component(&lenient(lua, value)?.as_bytes(), out);
        }
        other => {
            let kind = kind(other);
            return Err(format!("attempt to use {kind} as query arg value").into());
        }
    }
    Ok(())
}

fn decode(lua: &Lua, arguments: MultiValue) -> Answer<(Table, Option<&'static str>)> {
    let count = arguments.len();
    if !(1..=2).contains(&count) {
        return Err(format!("expecting 1 or 2 arguments but seen {count}").into());
    }
    let mut arguments = arguments.into_iter();
    let text = arguments.next().unwrap_or(Value::Nil);
    let (Value::String(_) | Value::Integer(_) | Value::Number(_)) = text else {
        let got = kind(&text);
        return Err(
            format!("bad argument #1 to 'decode_args' (string expected, got {got})").into(),
        );
    };
    let most = match arguments.next() {
        None | Some(Value::Nil) => MOST,
        Some(number) => match lua.coerce_number(number.clone())? {
            Some(number) if number >= 0.0 => number as usize,
            Some(_) => return Err("bad max arg".into()),
            None => {
                let got = kind(&number);
                return Err(format!(
                    "bad argument #2 to 'decode_args' (number expected, got {got})"
                )
                .into());
            }
        },
    };
    let text = lenient(lua, &text)?;
    parse(lua, &text.as_bytes(), most)
}

/// The arguments of a text by name: a string, true where there is no `=`, or a list of these; at most so many, 0 for any
/// number, and `truncated` if there were more.
///
/// # Errors
/// When there is too little memory or time.
pub(crate) fn parse(lua: &Lua, text: &[u8], most: usize) -> Answer<(Table, Option<&'static str>)> {
    let args = lua.create_table()?;
    let mut count = 0;
    for segment in text.split(|byte| *byte == b'&') {
        if count == most && most > 0 {
            return Ok((args, Some("truncated")));
        } else if overrun() {
            return Err(TOO_LONG.into());
        }
        let (name, value) = match memchr::memchr(b'=', segment) {
            Some(at) => {
                let value = lua.create_string(unescape(&segment[at + 1..]))?;
                (&segment[..at], Value::String(value))
            }
            None => (segment, Value::Boolean(true)),
        };
        if name.is_empty() {
            continue;
        }
        count += 1;
        let name = lua.create_string(unescape(name))?;
        match args.raw_get(&name)? {
            Value::Nil => args.raw_set(name, value)?,
            Value::Table(values) => values.raw_push(value)?,
            first => args.raw_set(name, lua.create_sequence_from([first, value])?)?,
        }
    }
    Ok((args, None))
}
