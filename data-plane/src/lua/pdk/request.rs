//! `kong.request` (custom-plugins.md 3.1).

use lua::mlua::{self, Lua, Value};
use lua::pdk::Host;

use super::values::header_name;
use crate::lua::call;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.request.get_header", |lua: &Lua, name: Value| {
        let name = header_name(&name)?;
        call::with_request(|ctx| {
            Ok(match ctx.request.headers.get(&name) {
                Some(value) => Value::String(lua.create_string(value.as_bytes())?),
                None => Value::Nil,
            })
        })
    })
}
