//! The part of `ngx` that needs no request (custom-plugins.md 4): encodings, time, regular expressions, constants.

mod args;
mod constants;
pub(super) mod encoding;
mod re;
#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use mlua::{Lua, Result, Table, Value};

use crate::native;

/// What a machine knows of the worker it belongs to: `ngx.worker`.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    /// From 0.
    pub id: u32,
    /// How many there are.
    pub count: u32,
    /// Whether the process is about to end.
    pub exiting: fn() -> bool,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            id: 0,
            count: 1,
            exiting: || false,
        }
    }
}

/// Tells a machine which worker it belongs to; without it, it is the only one.
pub fn set_worker(lua: &Lua, worker: Worker) {
    lua.set_app_data(worker);
}

fn worker(lua: &Lua) -> Worker {
    lua.app_data_ref::<Worker>()
        .map(|worker| *worker)
        .unwrap_or_default()
}

/// The table, with tables in it that nobody has protected yet.
pub(crate) fn ngx(lua: &Lua) -> Result<Table> {
    let ngx = lua.create_table()?;
    ngx.raw_set("null", Value::NULL)?;
    for (name, number) in constants::NUMBERS {
        ngx.raw_set(*name, *number)?;
    }
    encoding::add(lua, &ngx)?;
    args::add(lua, &ngx)?;
    ngx.raw_set("base64", encoding::base64_module(lua)?)?;
    time(lua, &ngx)?;
    ngx.raw_set("re", re_module(lua)?)?;

    let config = lua.create_table()?;
    config.raw_set("subsystem", "http")?;
    config.raw_set("debug", false)?;
    config.raw_set("nginx_version", constants::NGINX_VERSION)?;
    config.raw_set("ngx_lua_version", constants::NGX_LUA_VERSION)?;
    // Where the files are is nobody's business here.
    let empty = |lua: &Lua| native::function(lua, |_, ()| Ok(""));
    config.raw_set("prefix", empty(lua)?)?;
    config.raw_set("nginx_configure", empty(lua)?)?;
    ngx.raw_set("config", config)?;

    let of = lua.create_table()?;
    of.raw_set("id", native::function(lua, |lua, ()| Ok(worker(lua).id))?)?;
    of.raw_set(
        "count",
        native::function(lua, |lua, ()| Ok(worker(lua).count))?,
    )?;
    of.raw_set(
        "pid",
        native::function(lua, |_, ()| Ok(std::process::id()))?,
    )?;
    of.raw_set(
        "exiting",
        native::function(lua, |lua, ()| Ok((worker(lua).exiting)()))?,
    )?;
    ngx.raw_set("worker", of)?;
    Ok(ngx)
}

/// `ngx.re`.
pub(super) fn re_module(lua: &Lua) -> Result<Table> {
    lua.load(include_str!("re/re.lua"))
        .set_name("=ngx.re")
        .call(re::natives(lua)?)
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as f64 / 1000.0
}

fn time(lua: &Lua, ngx: &Table) -> Result<()> {
    ngx.raw_set("now", native::function(lua, |_, ()| Ok(now()))?)?;
    ngx.raw_set("time", native::function(lua, |_, ()| Ok(now().floor()))?)?;
    ngx.raw_set("update_time", native::function(lua, |_, ()| Ok(()))?)?;
    ngx.raw_set(
        "parse_http_time",
        native::function(lua, |lua, text: Value| {
            let text = encoding::lenient(lua, &text)?;
            let time = text
                .to_str()
                .ok()
                .and_then(|text| httpdate::parse_http_date(&text).ok());
            let time = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            Ok(time.map(|time| time.as_secs() as f64))
        })?,
    )?;
    lua.load(include_str!("time.lua"))
        .set_name("=ngx")
        .call::<()>(ngx)
}
