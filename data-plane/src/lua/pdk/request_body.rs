//! `kong.request.get_raw_body` and `get_body`: the client's body is read when a plugin asks, and is still sent on
//! (custom-plugins.md 3.1).

use bytes::Bytes;
use lua::mlua::{self, Lua, MultiValue, Value};
use lua::pdk::Host;
use lua::{Raise, mlua::IntoLuaMulti};

use super::body::{self, Format};
use super::{args, request};
use crate::lua::call;
use crate::lua::reading::{self, Read};
use crate::proxy::body::{BodyError, RequestBody};

/// What Kong says of a body that it did not keep in memory.
const TOO_LONG: &str =
    "request body did not fit into client body buffer, consider raising 'client_body_buffer_size'";

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.waiting(
        "kong.request.get_raw_body",
        |lua: Lua, most: Value| async move {
            // One value: plugins hand it straight to functions that count their arguments, `cjson.decode` for one.
            let beyond = most_bytes(&most)?;
            drop(most);
            Ok(match raw_body(beyond).await? {
                Ok(body) => lua.create_string(body)?.into_lua_multi(&lua)?,
                Err(reason) => (Value::Nil, reason).into_lua_multi(&lua)?,
            })
        },
    )?;
    host.waiting(
        "kong.request.get_body",
        |lua: Lua, (content_type, most, bytes): (Value, Value, Value)| async move {
            get_body(&lua, content_type, most, bytes).await
        },
    )
}

async fn get_body(
    lua: &Lua,
    content_type: Value,
    most: Value,
    bytes: Value,
) -> Result<MultiValue, Raise> {
    let sent = call::with_request(|ctx| Ok(request::first(ctx, b"content-type")))?;
    let sent = sent.as_ref().map(|value| value.as_bytes().to_vec());
    let content_type = match content_type {
        Value::Nil => sent.clone(),
        Value::String(text) => Some(text.as_bytes().to_vec()),
        _ => return Err("mimetype must be a string".into()),
    };
    let Some(content_type) = content_type else {
        return Ok((Value::Nil, "missing content type").into_lua_multi(lua)?);
    };
    let shown = String::from_utf8_lossy(&content_type).into_owned();
    let essence = body::essence(&shown);
    let Some(format) = Format::of(&essence) else {
        let reason = format!("unsupported content type '{shown}'");
        return Ok((Value::Nil, reason, essence).into_lua_multi(lua)?);
    };
    let (most, beyond) = (args::most(&most)?, most_bytes(&bytes)?);
    drop(bytes);
    let refused = |reason: String| (Value::Nil, reason, format.name()).into_lua_multi(lua);
    let body = match raw_body(beyond).await? {
        Ok(body) => body,
        Err(reason) => return Ok(refused(reason)?),
    };
    // A plugin that names the type of a multipart body need not know its boundary.
    let whole = match format {
        Format::Multipart if !shown.contains("boundary=") => sent.unwrap_or(content_type),
        _ => content_type,
    };
    Ok(match body::table(lua, format, &whole, &body, most)? {
        Ok(table) => (table, Value::Nil, format.name()).into_lua_multi(lua)?,
        Err(reason) => refused(reason.to_owned())?,
    })
}

/// What a plugin says of bodies that are longer than the buffer.
#[derive(Clone, Copy)]
enum Beyond {
    Refused,
    Any,
    UpTo(usize),
}

fn most_bytes(value: &Value) -> Result<Beyond, Raise> {
    let number = match value {
        Value::Nil => return Ok(Beyond::Refused),
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        _ => return Err("max_allowed_file_size must be a number".into()),
    };
    Ok(match number {
        number if number < 0.0 => Beyond::Refused,
        number if number < 1.0 => Beyond::Any,
        number => Beyond::UpTo(number as usize),
    })
}

/// The whole body, which stays to be sent; or why a plugin does not get it.
///
/// # Errors
/// See [`call::with_request`].
async fn raw_body(beyond: Beyond) -> Result<Result<Bytes, String>, Raise> {
    let mut gone = false;
    let Read { body, length } = reading::read(|ctx| {
        let settings = ctx.runtime.settings();
        let (buffer, most) = (
            settings.client_body_buffer_size,
            settings.transform_max_body_size,
        );
        gone = matches!(ctx.request.body, RequestBody::Sent) && ctx.request.had_body;
        match beyond {
            Beyond::Refused => buffer,
            Beyond::Any => buffer.max(most),
            Beyond::UpTo(size) => buffer.max(size.min(most)),
        }
    })
    .await?;
    Ok(match (body, beyond) {
        (Ok(_), _) if gone => Err(TOO_LONG.to_owned()),
        (Ok(body), _) => Ok(body),
        (Err(BodyError::TooLarge { .. }), Beyond::Refused) => Err(TOO_LONG.to_owned()),
        (Err(BodyError::TooLarge { limit }), _) => {
            let length = length.unwrap_or(limit + 1);
            Err(format!("request body file too big: {length} > {limit}"))
        }
        (Err(other), _) => Err(other.to_string()),
    })
}
