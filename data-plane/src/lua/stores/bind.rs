//! `kong.cache`, `ngx.shared` and `kong.dns` as Lua calls them.

mod cache;
mod dict;
mod dns;

use lua::Raise;
use lua::mlua::{self, Value};
use lua::pdk::Host;

use super::{Owner, Reach};
use crate::lua::call;

/// Gives them to a machine.
///
/// # Errors
/// When there is no memory.
pub fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    cache::bind(host)?;
    dict::bind(host)?;
    dns::bind(host)?;
    super::semaphore::provide(host.lua());
    Ok(())
}

/// What this thread's plugins reach.
fn reach() -> Result<Reach, Raise> {
    super::current().ok_or_else(|| "nothing is kept here".into())
}

/// Whose entries the code that runs now sees.
fn owner() -> Owner {
    let owner = call::with(|call| {
        let plugin = &call.plugin;
        Ok((!plugin.trusted).then(|| plugin.name.clone()))
    });
    // The body of a module runs outside any call, and nobody can tell whose it is.
    owner.unwrap_or_else(|_| Some("".into()))
}

/// A number, or the text of one.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(text) => text.to_str().ok()?.trim().parse().ok(),
        _ => None,
    }
}

/// Seconds, as long as they can be told.
fn seconds(seconds: f64) -> std::time::Duration {
    const LONGEST: f64 = 1e9;
    std::time::Duration::from_secs_f64(seconds.clamp(0.0, LONGEST))
}
