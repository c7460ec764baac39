//! `kong.service.request` (custom-plugins.md 3.1).

use lua::mlua::{self, Value};
use lua::pdk::Host;

use super::values::{header_name, header_value};
use crate::lua::call;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function(
        "kong.service.request.set_header",
        |_, (name, value): (Value, Value)| {
            let name = header_name(&name)?;
            let value = header_value(name.as_str(), &value)?;
            call::with_request(|ctx| {
                ctx.request.headers.insert(name, value);
                Ok(())
            })
        },
    )
}
