//! `kong.service.response` (custom-plugins.md 3.1).

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use lua::Raise;
use lua::mlua::{self, IntoLuaMulti, Lua, MultiValue, Value};
use lua::pdk::Host;

use super::body::{self, Format};
use super::{args, fields};
use crate::lua::call;
use crate::proxy::ctx::Ctx;

const UNBUFFERED: &str = "service body is only available with buffered proxying (see: kong.service.request.enable_buffering function)";

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.service.response.get_status", |_, ()| {
        call::with_request(|ctx| Ok(ctx.timing.upstream_status))
    })?;
    host.function("kong.service.response.get_header", |_, name: Value| {
        let name = fields::wanted(&name)?;
        call::with_request(|ctx| Ok(headers(ctx).and_then(|headers| fields::first(headers, name))))
    })?;
    host.function(
        "kong.service.response.get_headers",
        |lua: &Lua, most: Value| {
            let most = fields::most(&most)?;
            call::with_request(|ctx| match headers(ctx) {
                Some(headers) => fields::table(lua, headers, most),
                None => fields::table(lua, &HeaderMap::new(), most),
            })
        },
    )?;
    host.function("kong.service.response.get_raw_body", |lua: &Lua, ()| {
        call::with_request(|ctx| match &ctx.buffered {
            Some(body) => Ok(lua::string(lua, body)?),
            None => Err(UNBUFFERED.into()),
        })
    })?;
    host.function(
        "kong.service.response.get_body",
        |lua: &Lua, (content_type, most): (Value, Value)| get_body(lua, content_type, &most),
    )
}

/// The body as a table; or nil, and why.
fn get_body(lua: &Lua, content_type: Value, most: &Value) -> Result<MultiValue, Raise> {
    let (sent, body) = call::with_request(|ctx| {
        let sent = headers(ctx).and_then(|headers| headers.get(CONTENT_TYPE));
        let sent = sent.map(|value| value.as_bytes().to_vec());
        let body = ctx.buffered.clone().ok_or(UNBUFFERED)?;
        Ok((sent, body))
    })?;
    let content_type = match content_type {
        Value::Nil => sent.clone(),
        Value::String(text) => Some(text.as_bytes().to_vec()),
        _ => return Err("mimetype must be a string".into()),
    };
    let most = args::most(most)?;
    let Some(content_type) = content_type else {
        return Ok((Value::Nil, "missing content type").into_lua_multi(lua)?);
    };
    let shown = String::from_utf8_lossy(&content_type).into_owned();
    let Some(format) = Format::of(&body::essence(&shown)) else {
        let reason = format!("unsupported content type '{shown}'");
        return Ok((Value::Nil, reason).into_lua_multi(lua)?);
    };
    // A plugin that names the type of a multipart body need not know its boundary.
    let whole = match format {
        Format::Multipart if !shown.contains("boundary=") => sent.unwrap_or(content_type),
        _ => content_type,
    };
    Ok(match body::table(lua, format, &whole, &body, most)? {
        Ok(table) => table.into_lua_multi(lua)?,
        Err(reason) => (Value::Nil, reason).into_lua_multi(lua)?,
    })
}

/// The upstream's headers as they came.
pub(super) fn headers(ctx: &Ctx) -> Option<&HeaderMap> {
    ctx.upstream_head.as_ref().map(|head| &head.1)
}
