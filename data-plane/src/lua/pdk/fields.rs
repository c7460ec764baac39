//! Headers between Lua and HTTP: what a plugin may give as name and value, and the tables it gets.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use lua::mlua::{Lua, Table, Value};
use lua::{Raise, Text, header_names};

use super::values::kind;

/// Header lines of a table, when a plugin does not say how many.
pub(in crate::lua) const DEFAULT_MOST: usize = 100;
/// The most that a plugin may ask for.
const MOST: usize = 1000;

/// Values under one name.
pub(in crate::lua) type Values = Vec<HeaderValue>;

/// The name of a header that is set: `_` is `-`.
///
/// # Errors
/// `invalid header name "1": got number, expected string`; or it is no name of HTTP.
pub(in crate::lua) fn name(lua: &Lua, name: &Value) -> Result<HeaderName, Raise> {
    let Value::String(text) = name else {
        let (got, shown) = (kind(name), shown(lua, name));
        return Err(format!("invalid header name \"{shown}\": got {got}, expected string").into());
    };
    token(&text.as_bytes()).ok_or_else(|| {
        let text = text.to_string_lossy();
        format!("invalid header name \"{text}\"").into()
    })
}

/// The name of a header that is looked for; `None` is one that no header has.
///
/// # Errors
/// `header name must be a string`
pub(in crate::lua) fn wanted(name: &Value) -> Result<Option<HeaderName>, Raise> {
    match name {
        Value::String(text) => Ok(token(&text.as_bytes())),
        _ => Err("header name must be a string".into()),
    }
}

/// `_` is `-`, and letters are of either case.
pub(in crate::lua) fn token(text: &[u8]) -> Option<HeaderName> {
    if !text.contains(&b'_') {
        return HeaderName::from_bytes(text).ok();
    }
    let dashed: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'_' { b'-' } else { *byte })
        .collect();
    HeaderName::from_bytes(&dashed).ok()
}

/// Values of a header: a text, number or boolean, or a list of texts.
///
/// # Errors
/// `invalid header value for "X": got nil, expected array of string, string, number or boolean`
pub(in crate::lua) fn values(lua: &Lua, name: &Value, value: &Value) -> Result<Values, Raise> {
    if let Value::Table(list) = value {
        return list_of(lua, name, list);
    }
    one(lua, name, value)?.map_or_else(
        || {
            let (name, got) = (shown(lua, name), kind(value));
            Err(format!("invalid header value for \"{name}\": got {got}, expected array of string, string, number or boolean").into())
        },
        |value| Ok(vec![value]),
    )
}

/// One value of a header.
///
/// # Errors
/// As of [`values`], for a list as well.
pub(in crate::lua) fn value(lua: &Lua, name: &Value, value: &Value) -> Result<HeaderValue, Raise> {
    one(lua, name, value)?.ok_or_else(|| {
        let (name, got) = (shown(lua, name), kind(value));
        format!(
            "invalid header value for \"{name}\": got {got}, expected string, number or boolean"
        )
        .into()
    })
}

fn one(lua: &Lua, name: &Value, value: &Value) -> Result<Option<HeaderValue>, Raise> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Boolean(true) => return Ok(Some(HeaderValue::from_static("true"))),
        Value::Boolean(false) => return Ok(Some(HeaderValue::from_static("false"))),
        Value::Integer(_) | Value::Number(_) => match lua.coerce_string(value.clone())? {
            Some(text) => text,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    match HeaderValue::from_bytes(&text.as_bytes()) {
        Ok(value) => Ok(Some(value)),
        Err(_) => {
            let name = shown(lua, name);
            Err(format!("invalid header value for \"{name}\": it holds a control character").into())
        }
    }
}

fn list_of(lua: &Lua, name: &Value, list: &Table) -> Result<Values, Raise> {
    let mut values = Vec::new();
    for value in list.sequence_values::<Value>() {
        let value = value?;
        let Value::String(_) = value else {
            let (name, got) = (shown(lua, name), kind(&value));
            return Err(format!(
                "invalid header value in array \"{name}\": got {got}, expected string"
            )
            .into());
        };
        values.extend(one(lua, name, &value)?);
    }
    Ok(values)
}

/// Headers out of a table: `{ ["X-Name"] = "value", … }`.
///
/// # Errors
/// As of [`name`] and [`values`], for the first that is wrong.
pub(in crate::lua) fn all(lua: &Lua, table: &Table) -> Result<Vec<(HeaderName, Values)>, Raise> {
    table
        .pairs::<Value, Value>()
        .map(|pair| {
            let (key, value) = pair?;
            Ok((name(lua, &key)?, values(lua, &key, &value)?))
        })
        .collect()
}

/// How many header lines a plugin wants: 1 to 1000, by default 100.
///
/// # Errors
/// `max_headers must be a number`, `max_headers must be >= 1`, `max_headers must be <= 1000`
pub(in crate::lua) fn most(value: &Value) -> Result<usize, Raise> {
    let number = match value {
        Value::Nil => return Ok(DEFAULT_MOST),
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        _ => return Err("max_headers must be a number".into()),
    };
    if number < 1.0 {
        return Err("max_headers must be >= 1".into());
    }
    if number > MOST as f64 {
        return Err(format!("max_headers must be <= {MOST}").into());
    }
    Ok(number as usize)
}

/// The first `most` headers by their names in small letters: a text, or a list where a name repeats. The second result
/// says if there were more. Names are found in any case, and with `_` for `-`.
///
/// # Errors
/// When there is no memory.
pub(in crate::lua) fn table(
    lua: &Lua,
    headers: &HeaderMap,
    most: usize,
) -> Result<(Table, Option<&'static str>), Raise> {
    let table = lua.create_table()?;
    let mut left = most;
    for name in headers.keys() {
        let found: Vec<&HeaderValue> = headers.get_all(name).iter().take(left).collect();
        left -= found.len();
        match found.as_slice() {
            [] => break,
            [one] => table.raw_set(name.as_str(), lua::string(lua, one.as_bytes())?)?,
            several => {
                let list = lua.create_table()?;
                for value in several {
                    list.raw_push(lua::string(lua, value.as_bytes())?)?;
                }
                table.raw_set(name.as_str(), list)?;
            }
        }
    }
    let truncated = (headers.len() > most).then_some("truncated");
    Ok((header_names(lua, table)?, truncated))
}

/// The first value of a header, for Lua.
pub(in crate::lua) fn first(
    headers: &HeaderMap,
    name: Option<HeaderName>,
) -> Option<Text<HeaderValue>> {
    Some(Text(headers.get(name?)?.clone()))
}

/// A status out of a range.
///
/// # Errors
/// `code must be a number`, `code must be a number between 100 and 599`
pub(in crate::lua) fn status(value: &Value, least: u16) -> Result<StatusCode, Raise> {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        _ => return Err("code must be a number".into()),
    };
    let refusal = || format!("code must be a number between {least} and 599");
    if !(f64::from(least)..=599.0).contains(&number) {
        return Err(refusal().into());
    }
    StatusCode::from_u16(number as u16).map_err(|_| refusal().into())
}

/// A status that ends an exchange.
///
/// # Errors
/// Below 200 it announces an answer and cannot be one: clients would wait for what never comes.
pub(in crate::lua) fn of_answer(status: StatusCode) -> Result<StatusCode, Raise> {
    match status.is_informational() {
        true => {
            let code = status.as_u16();
            Err(format!("code {code} announces an answer and cannot be one").into())
        }
        false => Ok(status),
    }
}

/// A status as `ngx.status` takes it.
///
/// # Errors
/// It is no number, or no status.
pub(in crate::lua) fn any_status(lua: &Lua, value: &Value) -> Result<StatusCode, Raise> {
    let number = lua.coerce_number(value.clone())?;
    let number = number.ok_or_else(|| {
        let got = kind(value);
        format!("bad status: number expected, got {got}")
    })?;
    let status = (100.0..1000.0).contains(&number).then_some(number as u16);
    status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| format!("bad status: {number} is none").into())
}

fn shown(lua: &Lua, value: &Value) -> String {
    match lua.coerce_string(value.clone()) {
        Ok(Some(text)) => text.to_string_lossy(),
        _ => kind(value).to_owned(),
    }
}
