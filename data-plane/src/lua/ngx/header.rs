//! `ngx.header` and `ngx.resp` (custom-plugins.md 4): the headers of the answer, or of whatever answer will come.

use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue};
use lua::Raise;
use lua::mlua::{self, Lua, Value};
use lua::pdk::Host;

use crate::lua::call;
use crate::lua::pdk::{error, fields, number, response};
use crate::proxy::ctx::Promise;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("ngx.header[]", |lua: &Lua, name: Value| {
        let Value::String(name) = name else {
            return Ok(Value::Nil);
        };
        let name = fields::token(&name.as_bytes());
        call::with_request(|ctx| response::headers_now(ctx, |headers| found(lua, headers, name)))
    })?;
    host.function(
        "ngx.header[]=",
        |lua: &Lua, (name, value): (Value, Value)| set(lua, &name, &value, false),
    )?;
    host.function(
        "ngx.resp.add_header",
        |lua: &Lua, (name, value): (Value, Value)| {
            if value.is_nil() {
                return Err("invalid header value".into());
            }
            set(lua, &name, &value, true)
        },
    )?;
    host.function(
        "ngx.resp.get_headers",
        |lua: &Lua, (most, _raw): (Value, Value)| {
            let most = limit(&most);
            call::with_request(|ctx| {
                response::headers_now(ctx, |headers| fields::table(lua, headers, most))
            })
        },
    )
}

/// How many entries a table may have: 100 by default, 0 for all.
pub(super) fn limit(most: &Value) -> usize {
    match number(most) {
        Some(most) if most >= 1.0 => most as usize,
        Some(_) => usize::MAX,
        None => fields::DEFAULT_MOST,
    }
}

/// One value as a text, several as a list, none as nil.
fn found(lua: &Lua, headers: &HeaderMap, name: Option<HeaderName>) -> Result<Value, Raise> {
    let Some(name) = name else {
        return Ok(Value::Nil);
    };
    let values: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    Ok(match values.as_slice() {
        [] => Value::Nil,
        [one] => Value::String(lua::string(lua, one.as_bytes())?),
        several => {
            let list = lua.create_table()?;
            for value in several {
                list.raw_push(lua::string(lua, value.as_bytes())?)?;
            }
            Value::Table(list)
        }
    })
}

/// Nil and an empty list take a header away.
fn set(lua: &Lua, name: &Value, value: &Value, adds: bool) -> Result<(), Raise> {
    let of = fields::name(lua, name)?;
    let mut values = Vec::new();
    match value {
        Value::Nil => {}
        Value::Table(list) => {
            for value in list.sequence_values::<Value>() {
                values.push(fields::value(lua, name, &value?)?);
            }
        }
        value => values.push(fields::value(lua, name, value)?),
    }
    let late = call::with_request(|ctx| {
        if response::is_sent(ctx) {
            return Ok(true);
        }
        if of == TRANSFER_ENCODING {
            return Ok(false);
        }
        match (values.is_empty(), adds) {
            (true, _) => response::change_head(ctx, Promise::Clear(of)),
            (_, false) => response::change_head(ctx, Promise::Set(of, values)),
            (_, true) => {
                for value in values {
                    response::change_head(ctx, Promise::Add(of.clone(), value));
                }
            }
        }
        Ok(false)
    })?;
    if late {
        let name = match name {
            Value::String(name) => name.to_string_lossy(),
            _ => String::new(),
        };
        error(&format!(
            "attempt to set ngx.header.{name} after sending out response headers"
        ));
    }
    Ok(())
}
