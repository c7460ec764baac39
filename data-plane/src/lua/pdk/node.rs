//! What is not of one request: `kong.node`, `kong.ip`, `kong.plugin`, `kong.nginx`, `kong.table`, `kong.configuration` and
//! versions (custom-plugins.md 3.1).

use std::net::IpAddr;

use lua::Raise;
use lua::mlua::{self, Lua, Table, Value};
use lua::pdk::Host;

use super::conf;
use super::values::kind;
use crate::lua::{call, here};

/// Which Kong plugins may take this for (custom-plugins.md 3.1).
const VERSION: &str = "3.10.0";
const VERSION_NUM: u32 = 3_010_000;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.value("kong.version", VERSION)?;
    host.value("kong.version_num", VERSION_NUM)?;
    host.value("kong.headgate_version", env!("CARGO_PKG_VERSION"))?;
    host.value("kong.pdk_major_version", 1)?;
    host.value("kong.pdk_version", "1.3.0")?;
    host.function("kong.node.get_id", |_, ()| match here::current() {
        Some(here) => Ok(here.id()),
        None => Err("this is no node that serves".into()),
    })?;
    host.function("kong.node.get_hostname", |lua: &Lua, ()| {
        let name = hostname::get().map_err(|error| error.to_string())?;
        Ok(lua.create_string(name.as_encoded_bytes())?)
    })?;
    host.function(
        "kong.node.get_memory_stats",
        |lua: &Lua, (unit, scale): (Value, Value)| {
            let unit = Unit::of(&unit, &scale)?;
            memory_stats(lua, &unit)
        },
    )?;
    host.function("kong.ip.is_trusted", |_, ip: Value| {
        let Value::String(ip) = ip else {
            return Err("ip must be a string".into());
        };
        let ip: Option<IpAddr> = ip.to_string_lossy().parse().ok();
        let runtime = here::runtime()?;
        Ok(ip.is_some_and(|ip| runtime.settings().is_trusted(ip.to_canonical())))
    })?;
    host.function("kong.plugin.get_id", |_, ()| {
        let id = call::with(|call| Ok(call.plugin.id)).unwrap_or_default();
        Ok((!id.is_nil()).then(|| id.to_string()))
    })?;
    host.function("kong.nginx.get_subsystem", |_, ()| Ok("http"))?;
    host.function("kong.nginx.get_statistics", |lua: &Lua, ()| statistics(lua))?;
    host.function("kong.configuration[]", |lua: &Lua, name: Value| {
        let (Value::String(name), Ok(runtime)) = (name, here::runtime()) else {
            return Ok(Value::Nil);
        };
        let shown = &runtime.settings().shown;
        // A new one each time: what a plugin does to a list does not reach others.
        match shown.get(&*name.to_string_lossy()) {
            Some(value) => Ok(conf::json(lua, value)?),
            None => Ok(Value::Nil),
        }
    })?;
    tables(host)
}

/// How bytes are shown.
enum Unit {
    Bytes,
    /// So many bytes, what that is called, and how many digits behind the point.
    Of(f64, &'static str, usize),
}

impl Unit {
    fn of(unit: &Value, scale: &Value) -> Result<Self, Raise> {
        let scale = match scale {
            Value::Nil => 2.0,
            Value::Integer(scale) => *scale as f64,
            Value::Number(scale) => *scale,
            _ => -1.0,
        };
        if !(0.0..=99.0).contains(&scale) {
            return Err("scale must be equal or greater than 0".into());
        }
        let text = match unit {
            Value::Nil => return Ok(Self::Bytes),
            Value::String(text) => text.to_string_lossy(),
            other => return Err(format!("unit must be a string (got {})", kind(other)).into()),
        };
        let of = |power: i32, name| Ok(Self::Of(1024_f64.powi(power), name, scale as usize));
        match text.to_ascii_lowercase().as_str() {
            "" | "b" => Ok(Self::Bytes),
            "k" => of(1, "KiB"),
            "m" => of(2, "MiB"),
            "g" => of(3, "GiB"),
            _ => Err(format!("invalid unit '{text}' (expected 'k/K', 'm/M', or 'g/G')").into()),
        }
    }

    fn show(&self, lua: &Lua, bytes: usize) -> mlua::Result<Value> {
        match self {
            Self::Bytes => Ok(Value::Number(bytes as f64)),
            Self::Of(size, name, scale) => {
                let text = format!("{:.scale$} {name}", bytes as f64 / size);
                lua.create_string(text).map(Value::String)
            }
        }
    }
}

/// The memory of each machine of this process. What plugins share is not Lua's memory here.
fn memory_stats(lua: &Lua, unit: &Unit) -> Result<Table, Raise> {
    let machines = lua.create_table()?;
    for used in here::machines() {
        let machine = lua.create_table()?;
        machine.raw_set("http_allocated_gc", unit.show(lua, used)?)?;
        machine.raw_set("pid", std::process::id())?;
        machines.raw_push(machine)?;
    }
    let stats = lua.create_table()?;
    stats.raw_set("workers_lua_vms", machines)?;
    stats.raw_set("lua_shared_dicts", lua.create_table()?)?;
    Ok(stats)
}

/// The counters of nginx. What a connection does at this moment is not counted: those that are open count as writing.
fn statistics(lua: &Lua) -> Result<Table, Raise> {
    let Some(here) = here::current() else {
        return Err("this is no node that serves".into());
    };
    let (accepted, open) = here.metrics.connections();
    let table = lua.create_table()?;
    for (name, count) in [
        ("connections_active", open),
        ("connections_reading", 0),
        ("connections_writing", open),
        ("connections_waiting", 0),
        ("connections_accepted", accepted),
        ("connections_handled", accepted),
        ("total_requests", here.metrics.requests()),
    ] {
        table.raw_set(name, count as f64)?;
    }
    Ok(table)
}

/// `kong.table`, which is in no phase and in no place.
fn tables(host: &mut Host<'_>) -> mlua::Result<()> {
    let functions: Table = host
        .lua()
        .load(
            r#"local new, clear, pairs = require "table.new", require "table.clear", pairs
            return {
              new = new,
              clear = clear,
              merge = function(a, b)
                local both = {}
                for name, value in pairs(a or both) do
                  both[name] = value
                end
                if b then
                  for name, value in pairs(b) do
                    both[name] = value
                  end
                end
                return both
              end,
            }"#,
        )
        .set_name("=kong.table")
        .eval()?;
    host.value("kong.table.new", functions.get::<Value>("new")?)?;
    host.value("kong.table.clear", functions.get::<Value>("clear")?)?;
    host.value("kong.table.merge", functions.get::<Value>("merge")?)
}
