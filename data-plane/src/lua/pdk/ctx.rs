//! `kong.ctx`, `ngx.ctx` (custom-plugins.md 3.1, 4).

use std::time::{SystemTime, UNIX_EPOCH};

use lua::mlua::{self, Lua, Table, Value};
use lua::pdk::{Host, phase};
use lua::{Raise, function};

use super::{client, documents, serialize};
use crate::lua::call;
use crate::proxy::ctx::{Ctx, Maker};

/// Where the metatable of `ngx.ctx` is kept.
const META: &str = "headgate.ngx.ctx";

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    let lua = host.lua();
    let meta = lua.create_table()?;
    let read = function(lua, |lua: &Lua, (_, name): (Value, Value)| {
        let Value::String(name) = name else {
            return Ok(Value::Nil);
        };
        let name = name.to_string_lossy();
        // The table may outlive its request, in a variable of a plugin's.
        call::with(|call| match call.request() {
            Ok(ctx) => own(lua, ctx, &name),
            Err(_) => Ok(Value::Nil),
        })
        .or(Ok(Value::Nil))
    })?;
    meta.raw_set("__index", read)?;
    meta.raw_set("__metatable", false)?;
    lua.set_named_registry_value(META, meta)?;
    host.function("kong.ctx[]", |lua: &Lua, name: Value| {
        let Value::String(name) = name else {
            return Ok(Value::Nil);
        };
        call::with(|call| {
            let id = call.plugin.id;
            let kept = call.request()?.lua.get_or_insert_default();
            Ok(match &*name.as_bytes() {
                b"shared" => Value::Table(kept.shared(lua)?),
                b"plugin" => Value::Table(kept.plugin(lua, id)?),
                _ => Value::Nil,
            })
        })
    })
}

/// `ngx.ctx`: what plugins keep there, and beneath it what Kong has under its own names.
///
/// # Errors
/// `no request ctx found` where there is none.
pub(in crate::lua) fn table(lua: &Lua) -> Result<Value, Raise> {
    call::with(|call| {
        let Ok(ctx) = call.request() else {
            return Err("no request ctx found".into());
        };
        let kept = ctx.lua.get_or_insert_default();
        if let Some(table) = kept.ngx(lua) {
            return Ok(Value::Table(table));
        }
        let table = lua.create_table()?;
        table.set_metatable(Some(lua.named_registry_value(META)?))?;
        kept.set_ngx(lua, table.clone())?;
        Ok(Value::Table(table))
    })
    .map_err(|error| match error {
        Raise::Text(text) if text == "no request found" => "no request ctx found".into(),
        other => other,
    })
}

/// `ngx.ctx = table`.
///
/// # Errors
/// `no request ctx found` where there is none.
pub(in crate::lua) fn replace(lua: &Lua, table: Table) -> Result<(), Raise> {
    if table.metatable().is_none() {
        table.set_metatable(Some(lua.named_registry_value(META)?))?;
    }
    call::with_request(|ctx| Ok(ctx.lua.get_or_insert_default().set_ngx(lua, table)?))
}

/// What Kong keeps of a request under its own names, as copies.
fn own(lua: &Lua, ctx: &mut Ctx, name: &str) -> Result<Value, Raise> {
    let table = |table: Option<Table>| Ok(table.map_or(Value::Nil, Value::Table));
    let number = |number: f64| Ok(Value::Number(number));
    let (route, service) = ctx.scope(&ctx.runtime);
    match (name, route, service) {
        ("authenticated_consumer", ..) => table(client::consumer(lua, ctx)?),
        ("authenticated_credential", ..) => table(client::credential(lua, ctx)?),
        ("authenticated_groups", ..) => match &ctx.authenticated_groups {
            Some(groups) => {
                let groups = groups.iter().map(String::as_str);
                Ok(Value::Table(lua.create_sequence_from(groups)?))
            }
            None => Ok(Value::Nil),
        },
        ("route", Some(id), _) => table(documents::table(lua, &ctx.runtime, "routes", &id)?),
        ("service", _, Some(id)) => table(documents::table(lua, &ctx.runtime, "services", &id)?),
        ("balancer_data", ..) => table(balancer_data(lua, ctx)?),
        ("KONG_PHASE", ..) => Ok(Value::String(lua::string(lua, phase().name())?)),
        ("KONG_PROCESSING_START", ..) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let start = now
                .unwrap_or_default()
                .saturating_sub(ctx.started.elapsed());
            number(start.as_millis() as f64)
        }
        ("KONG_PROXIED", ..) => Ok(match ctx.response.proxied {
            true => Value::Boolean(true),
            false => Value::Nil,
        }),
        ("KONG_EXITED", ..) => Ok(match ctx.response.maker {
            Maker::Plugin => Value::Boolean(true),
            _ => Value::Nil,
        }),
        ("KONG_PROXY_LATENCY", ..) if ctx.response.proxied => {
            number(ctx.timing.proxy_ms(ctx.started) as f64)
        }
        ("KONG_RESPONSE_LATENCY", ..) if !ctx.response.proxied => {
            number(ctx.started.elapsed().as_millis() as f64)
        }
        ("KONG_WAITING_TIME", ..) if ctx.timing.upstream_status.is_some() => {
            number(ctx.timing.upstream_ms() as f64)
        }
        ("KONG_RECEIVE_TIME", ..) if ctx.timing.upstream_status.is_some() => {
            number(ctx.timing.receive_ms() as f64)
        }
        _ => Ok(Value::Nil),
    }
}

/// Where the request goes, as the balancer sees it.
fn balancer_data(lua: &Lua, ctx: &Ctx) -> Result<Option<Table>, Raise> {
    let Some(plan) = ctx
        .entry(&ctx.runtime)
        .and_then(|entry| entry.plan.as_ref())
    else {
        return Ok(None);
    };
    let table = lua.create_table()?;
    table.raw_set("scheme", if plan.tls.is_some() { "https" } else { "http" })?;
    table.raw_set("host", &*plan.host)?;
    table.raw_set("port", plan.port)?;
    table.raw_set("retries", plan.retries)?;
    table.raw_set("connect_timeout", plan.connect_timeout.as_millis() as f64)?;
    table.raw_set("send_timeout", plan.write_timeout.as_millis() as f64)?;
    table.raw_set("read_timeout", plan.read_timeout.as_millis() as f64)?;
    if let Some(target) = ctx.timing.target() {
        table.raw_set("ip", target.ip().to_string())?;
        table.raw_set("port", target.port())?;
    }
    table.raw_set("try_count", ctx.timing.tries.len())?;
    table.raw_set("tries", serialize::tries(lua, ctx)?)?;
    Ok(Some(table))
}
