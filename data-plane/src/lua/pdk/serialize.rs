//! `kong.log.serialize`: the document that log plugins send (custom-plugins.md 3.1), and what plugins add to it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use http::header::{AUTHORIZATION, HOST, PROXY_AUTHORIZATION};
use lua::limits::overrun;
use lua::mlua::{self, Lua, Table, Value};
use lua::pdk::Host;
use lua::{Raise, Stored};

use super::{args, client, client_tls, documents, fields, response};
use crate::lua::call;
use crate::lua::kept::{Mode, Serialized};
use crate::proxy::ctx::Ctx;

/// How deep a value of a plugin may nest.
const DEEPEST: usize = 64;

const INVALID: &str = "value must be nil, a number, string, boolean or a non-self-referencial table containing numbers, string and booleans";

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function(
        "kong.log.set_serialize_value",
        |lua: &Lua, (key, value, options): (Value, Value, Value)| {
            let Value::String(key) = key else {
                return Err("key must be a string".into());
            };
            let mode = match options {
                Value::Nil => Value::Nil,
                Value::Table(options) => options.raw_get("mode")?,
                _ => return Err("options must be a table or nil".into()),
            };
            let mode = match mode
                .as_string()
                .map(|mode| mode.to_string_lossy())
                .as_deref()
            {
                None if mode.is_nil() => Mode::Set,
                Some("set") => Mode::Set,
                Some("add") => Mode::Add,
                Some("replace") => Mode::Replace,
                _ => return Err("mode must be 'set', 'add' or 'replace'".into()),
            };
            let member = Serialized {
                key: key.to_string_lossy(),
                value: Stored::new(lua, value)?,
                mode,
            };
            call::with_request(|ctx| {
                ctx.lua.get_or_insert_default().serialized.push(member);
                Ok(())
            })
        },
    )?;
    host.function("kong.log.serialize", |lua: &Lua, _: Value| {
        call::with_request(|ctx| {
            let root = document(lua, ctx)?;
            let added = ctx.lua.iter().flat_map(|kept| &kept.serialized);
            for member in added {
                let Some(value) = member.value.get::<Value>(lua) else {
                    continue;
                };
                if !is_plain(&value, 0) {
                    return Err(INVALID.into());
                }
                put(lua, &root, member, value)?;
            }
            Ok(root)
        })
    })
}

/// Whether JSON can be made of a value. One that holds the same table again and again takes longer than a call may.
fn is_plain(value: &Value, depth: usize) -> bool {
    match value {
        Value::Nil
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Number(_)
        | Value::String(_) => true,
        // One within itself is deeper than any.
        Value::Table(table) if depth < DEEPEST && !overrun() => {
            table.pairs::<Value, Value>().all(|pair| {
                pair.is_ok_and(|(key, value)| {
                    is_plain(&key, depth + 1) && is_plain(&value, depth + 1)
                })
            })
        }
        _ => false,
    }
}

/// Puts a member in its place; tables on the way are made.
fn put(lua: &Lua, root: &Table, member: &Serialized, value: Value) -> Result<(), Raise> {
    let mut parts: Vec<&str> = member
        .key
        .split('.')
        .filter(|part| !part.is_empty())
        .collect();
    let Some(last) = parts.pop() else {
        return Ok(());
    };
    let mut at = root.clone();
    for part in parts {
        at = match at.raw_get(part)? {
            Value::Table(inner) => inner,
            _ if value.is_nil() || member.mode == Mode::Replace => return Ok(()),
            _ => {
                let inner = lua.create_table()?;
                at.raw_set(part, &inner)?;
                inner
            }
        };
    }
    let is_there = !at.raw_get::<Value>(last)?.is_nil();
    let wanted = match member.mode {
        Mode::Set => true,
        Mode::Add => !is_there,
        Mode::Replace => is_there,
    };
    if wanted {
        at.raw_set(last, value)?;
    }
    Ok(())
}

fn document(lua: &Lua, ctx: &mut Ctx) -> Result<Table, Raise> {
    let root = lua.create_table()?;
    root.raw_set("request", request(lua, ctx)?)?;
    root.raw_set("upstream_uri", upstream_uri(ctx))?;
    let upstream_status = ctx.timing.upstream_status.map(|status| status.to_string());
    root.raw_set("upstream_status", upstream_status.unwrap_or_default())?;
    let answer = lua.create_table()?;
    answer.raw_set("status", ctx.response.status.as_u16())?;
    answer.raw_set(
        "headers",
        fields::table(lua, &ctx.response.headers, fields::DEFAULT_MOST)?.0,
    )?;
    answer.raw_set("size", ctx.bytes_sent())?;
    root.raw_set("response", answer)?;
    root.raw_set("latencies", latencies(lua, ctx)?)?;
    root.raw_set("tries", tries(lua, ctx)?)?;
    root.raw_set("client_ip", ctx.client_ip().to_string())?;
    root.raw_set("started_at", since_epoch(ctx.started).as_millis() as f64)?;
    let source = match response::source(ctx) {
        "service" => "upstream",
        _ => "kong",
    };
    root.raw_set("source", source)?;
    let (route, service) = ctx.scope(&ctx.runtime);
    for (name, kind, id) in [("route", "routes", route), ("service", "services", service)] {
        if let Some(id) = id {
            root.raw_set(name, documents::table(lua, &ctx.runtime, kind, &id)?)?;
        }
    }
    if let Some(credential) = &ctx.credential {
        let entity = lua.create_table()?;
        entity.raw_set("id", credential.id.to_string())?;
        let consumer = ctx
            .consumer
            .as_ref()
            .map(|consumer| consumer.id.uuid().to_string());
        entity.raw_set("consumer_id", consumer)?;
        root.raw_set("authenticated_entity", entity)?;
    }
    root.raw_set("consumer", client::consumer(lua, ctx)?)?;
    // There is one workspace.
    root.raw_set("workspace", uuid::Uuid::nil().to_string())?;
    root.raw_set("workspace_name", "default")?;
    Ok(root)
}

fn request(lua: &Lua, ctx: &Ctx) -> Result<Table, Raise> {
    let table = lua.create_table()?;
    table.raw_set("id", ctx.id.as_str())?;
    table.raw_set("uri", ctx.request.target.as_str())?;
    table.raw_set("url", url(ctx))?;
    let query = ctx.upstream_query().unwrap_or_default().as_bytes();
    table.raw_set(
        "querystring",
        args::table(lua, query, args::DEFAULT_MOST)?.0,
    )?;
    table.raw_set("method", ctx.upstream_method().as_str())?;
    let mut headers = ctx.request.headers.clone();
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION] {
        if headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static("REDACTED"));
        }
    }
    if let Some(host) = &ctx.request.host {
        headers.insert(HOST, host.clone());
    }
    table.raw_set(
        "headers",
        fields::table(lua, &headers, fields::DEFAULT_MOST)?.0,
    )?;
    table.raw_set("size", ctx.request.length())?;
    if let Some(secured) = ctx.conn.secured {
        let tls = lua.create_table()?;
        tls.raw_set("version", secured.protocol)?;
        tls.raw_set("cipher", secured.cipher)?;
        tls.raw_set("client_verify", client_tls::verified(ctx))?;
        table.raw_set("tls", tls)?;
    }
    Ok(table)
}

fn url(ctx: &Ctx) -> String {
    let host = ctx
        .request
        .host
        .as_ref()
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| crate::router::split_host(host, 0).0.to_ascii_lowercase());
    let (scheme, name, port) = (ctx.conn.scheme(), name.unwrap_or_default(), ctx.conn.port);
    format!("{scheme}://{name}:{port}{}", ctx.request.target)
}

fn upstream_uri(ctx: &Ctx) -> String {
    match ctx.upstream_query() {
        Some(query) => format!("{}?{query}", ctx.upstream.path),
        None => ctx.upstream.path.clone(),
    }
}

/// Milliseconds: `kong` is what the gateway took, `proxy` what the service took until its head was here, -1 if it was not
/// asked.
fn latencies(lua: &Lua, ctx: &Ctx) -> Result<Table, Raise> {
    let whole = ctx.started.elapsed().as_millis() as u64;
    let receive = ctx.timing.receive_ms();
    let table = lua.create_table()?;
    let (kong, proxy) = match ctx.response.proxied {
        true => (
            ctx.timing.proxy_ms(ctx.started),
            Some(ctx.timing.upstream_ms()),
        ),
        false => (whole, None),
    };
    table.raw_set("kong", kong + receive)?;
    match proxy {
        Some(proxy) => table.raw_set("proxy", proxy)?,
        None => table.raw_set("proxy", -1)?,
    }
    table.raw_set("request", whole)?;
    table.raw_set("receive", receive)?;
    Ok(table)
}

pub(super) fn tries(lua: &Lua, ctx: &Ctx) -> Result<Table, Raise> {
    let list = lua.create_table()?;
    for attempt in &ctx.timing.tries {
        let table = lua.create_table()?;
        let (start, took) = (since_epoch(attempt.began), attempt.balanced - attempt.began);
        table.raw_set("balancer_start", start.as_millis() as f64)?;
        table.raw_set("balancer_start_ns", start.as_nanos() as f64)?;
        table.raw_set("balancer_latency", took.as_millis() as f64)?;
        table.raw_set("balancer_latency_ns", took.as_nanos() as f64)?;
        table.raw_set("ip", attempt.target.ip().to_string())?;
        table.raw_set("port", attempt.target.port())?;
        if let Some(code) = attempt.failed {
            table.raw_set("state", "failed")?;
            table.raw_set("code", code)?;
        }
        list.raw_push(table)?;
    }
    Ok(list)
}

fn since_epoch(at: Instant) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().saturating_sub(at.elapsed())
}
