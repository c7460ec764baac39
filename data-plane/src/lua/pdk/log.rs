//! `kong.log` (custom-plugins.md 3.1).

use lua::Raise;
use lua::mlua::{self, Lua, MultiValue, Value};
use lua::pdk::Host;
use tracing::Level;

use crate::lua::call;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    for (name, level) in [
        ("kong.log()", Level::INFO),
        ("kong.log.emerg", Level::ERROR),
        ("kong.log.alert", Level::ERROR),
        ("kong.log.crit", Level::ERROR),
        ("kong.log.err", Level::ERROR),
        ("kong.log.warn", Level::WARN),
        ("kong.log.notice", Level::INFO),
        ("kong.log.info", Level::DEBUG),
        ("kong.log.debug", Level::TRACE),
    ] {
        host.function(name, move |lua: &Lua, values: MultiValue| {
            log(lua, level, &values)
        })?;
    }
    Ok(())
}

fn log(lua: &Lua, level: Level, values: &MultiValue) -> Result<(), Raise> {
    let mut text = String::new();
    for value in values {
        match value {
            Value::String(part) => text.push_str(&part.to_string_lossy()),
            other => {
                let shown = lua.coerce_string(other.clone())?;
                match shown {
                    Some(part) => text.push_str(&part.to_string_lossy()),
                    None => text.push_str(&other.to_string()?),
                }
            }
        }
    }
    let plugin = call::with(|call| Ok(call.plugin.name.clone())).unwrap_or_else(|_| "".into());
    match level {
        Level::ERROR => tracing::error!(target: "lua", "[{plugin}] {text}"),
        Level::WARN => tracing::warn!(target: "lua", "[{plugin}] {text}"),
        Level::INFO => tracing::info!(target: "lua", "[{plugin}] {text}"),
        _ => tracing::debug!(target: "lua", "[{plugin}] {text}"),
    }
    Ok(())
}
