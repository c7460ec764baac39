//! `kong.service.response` (custom-plugins.md 3.1).

use http::HeaderMap;
use lua::mlua::{self, Lua, Value};
use lua::pdk::Host;

use super::fields;
use crate::lua::call;
use crate::proxy::ctx::Ctx;

const UNBUFFERED: &str = "service body is only available with buffered proxying (see: kong.service.request.enable_buffering function)";

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.service.response.get_status", |_, ()| {
        call::with_request(|ctx| Ok(ctx.timing.upstream_status))
    })?;
    host.function(
        "kong.service.response.get_header",
        |lua: &Lua, name: Value| {
            let name = fields::wanted(&name)?;
            call::with_request(|ctx| match headers(ctx) {
                Some(headers) => fields::first(lua, headers, name),
                None => Ok(Value::Nil),
            })
        },
    )?;
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
            Some(body) => Ok(lua.create_string(body)?),
            None => Err(UNBUFFERED.into()),
        })
    })
}

/// The upstream's headers as they came.
pub(super) fn headers(ctx: &Ctx) -> Option<&HeaderMap> {
    ctx.upstream_head.as_ref().map(|head| &head.1)
}
