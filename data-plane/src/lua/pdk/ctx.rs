//! `kong.ctx`, `ngx.ctx` (custom-plugins.md 3.1, 4).

use lua::mlua::{self, Lua, Table, Value};
use lua::pdk::Host;

use crate::lua::call;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.ctx[]", |lua: &Lua, name: String| {
        call::with(|call| {
            let id = call.plugin.id;
            let kept = call.request()?.lua.get_or_insert_default();
            Ok(match name.as_str() {
                "shared" => Value::Table(kept.shared(lua)?),
                "plugin" => Value::Table(kept.plugin(lua, id)?),
                _ => Value::Nil,
            })
        })
    })?;
    host.function("ngx[]", |lua: &Lua, name: String| match name.as_str() {
        "ctx" => call::with_request(|ctx| {
            let kept = ctx.lua.get_or_insert_default();
            if kept.ngx().is_none() {
                kept.set_ngx(lua.create_table()?);
            }
            Ok(kept.ngx().cloned().map_or(Value::Nil, Value::Table))
        }),
        _ => Ok(Value::Nil),
    })?;
    host.function("ngx[]=", |_, (name, value): (String, Value)| {
        match (name.as_str(), value) {
            ("ctx", Value::Table(table)) => call::with_request(|ctx| {
                ctx.lua
                    .get_or_insert_default()
                    .set_ngx(Table::clone(&table));
                Ok(())
            }),
            (name, _) => Err(format!("Cannot modify ngx.{name}. Protected by the sandbox.").into()),
        }
    })
}
