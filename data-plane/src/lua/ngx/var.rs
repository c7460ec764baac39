//! `ngx.var` (custom-plugins.md 4): what nginx would know of the request under these names.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderValue, Version};
use lua::Raise;
use lua::mlua::{self, Lua, Value};
use lua::pdk::Host;
use time::OffsetDateTime;

use super::output;
use crate::lua::call;
use crate::lua::pdk::{client_tls, fields, response};
use crate::proxy::ctx::Ctx;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("ngx.var[]", |lua: &Lua, name: Value| {
        let Value::String(name) = name else {
            return Ok(Value::Nil);
        };
        let name = name.to_string_lossy();
        call::with_request(|ctx| {
            Ok(match read(ctx, &name) {
                Some(value) => Value::String(lua::string(lua, value)?),
                None => Value::Nil,
            })
        })
    })?;
    host.function("ngx.var[]=", |lua: &Lua, (name, value): (Value, Value)| {
        let Value::String(name) = name else {
            return Err("bad variable name".into());
        };
        let value = match value {
            Value::Nil => Vec::new(),
            Value::String(text) => text.as_bytes().to_vec(),
            other => match lua.coerce_string(other.clone())? {
                Some(text) => text.as_bytes().to_vec(),
                None => {
                    let kind = crate::lua::pdk::kind(&other);
                    return Err(format!("bad variable value type: {kind}").into());
                }
            },
        };
        let name = name.to_string_lossy();
        call::with_request(|ctx| write(ctx, &name, value))
    })
}

/// A variable; `None` is nil.
fn read(ctx: &Ctx, name: &str) -> Option<Vec<u8>> {
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let number = |number: u64| Some(number.to_string().into_bytes());
    match name {
        "remote_addr" => text(&ctx.client_ip().to_string()),
        "remote_port" | "realip_remote_port" => number(ctx.conn.peer.port().into()),
        "realip_remote_addr" => text(&ctx.conn.peer.ip().to_string()),
        "server_addr" => text(&ctx.conn.local.ip().to_canonical().to_string()),
        "server_port" => number(ctx.conn.local.port().into()),
        "scheme" => text(ctx.conn.scheme()),
        "host" => host(ctx),
        "request_uri" => text(&ctx.request.target),
        "uri" | "document_uri" => match ctx.lua.as_ref().and_then(|kept| kept.uri.clone()) {
            Some(uri) => Some(uri),
            None => text(&ctx.request.path),
        },
        "args" | "query_string" => ctx.upstream_query().and_then(text),
        "is_args" => text(match ctx.upstream_query() {
            Some(query) if !query.is_empty() => "?",
            _ => "",
        }),
        "request_method" => text(ctx.upstream_method().as_str()),
        "request_length" => number(ctx.request.length()),
        "request_time" => text(&format!("{:.3}", ctx.started.elapsed().as_secs_f64())),
        "request_id" | "kong_request_id" => text(ctx.id.as_str()),
        "status" => text(&format!("{:03}", output::status_now(ctx))),
        "bytes_sent" => number(ctx.bytes_sent()),
        "body_bytes_sent" => number(ctx.sent),
        "content_type" => header(&ctx.request.headers, CONTENT_TYPE),
        "content_length" => ctx.request.announced.and_then(number),
        "https" => text(if ctx.conn.tls { "on" } else { "" }),
        "ssl_protocol" => ctx.conn.secured.and_then(|secured| text(secured.protocol)),
        "ssl_cipher" => ctx.conn.secured.and_then(|secured| text(secured.cipher)),
        "ssl_server_name" => ctx.conn.sni.as_deref().and_then(text),
        "server_protocol" => text(protocol(ctx.request.version)),
        "time_iso8601" => text(&iso8601()),
        "msec" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            text(&format!("{:.3}", now.unwrap_or_default().as_secs_f64()))
        }
        "pid" => number(std::process::id().into()),
        "upstream_uri" => text(&ctx.upstream.path),
        "upstream_host" => upstream_host(ctx),
        "upstream_scheme" => upstream_scheme(ctx).and_then(text),
        "upstream_addr" => ctx
            .timing
            .target()
            .and_then(|target| text(&target.to_string())),
        "upstream_status" => ctx
            .timing
            .upstream_status
            .and_then(|status| number(status.into())),
        "upstream_connection" | "upstream_upgrade" => {
            let kept = ctx.lua.as_ref()?;
            let of = kept.variables.iter().find(|(known, _)| *known == name)?;
            Some(of.1.clone())
        }
        _ => family(ctx, name),
    }
}

/// Variables whose names say where to look: `http_user_agent`.
fn family(ctx: &Ctx, name: &str) -> Option<Vec<u8>> {
    if let Some(name) = name.strip_prefix("upstream_x_forwarded_") {
        return joined(&ctx.request.headers, &format!("x-forwarded-{name}"), ", ");
    }
    if let Some(name) = name.strip_prefix("upstream_http_") {
        return joined(&ctx.upstream_head.as_ref()?.1, name, ", ");
    }
    if let Some(name) = name.strip_prefix("sent_http_") {
        return response::headers_now(ctx, |headers| joined(headers, name, ", "));
    }
    if let Some(name) = name.strip_prefix("http_") {
        return match name {
            "host" => ctx
                .request
                .host
                .as_ref()
                .map(|host| host.as_bytes().to_vec()),
            "cookie" => joined(&ctx.request.headers, name, "; "),
            _ => joined(&ctx.request.headers, name, ", "),
        };
    }
    if let Some(name) = name.strip_prefix("ssl_client_") {
        return client_tls::variable(ctx, name).map(String::into_bytes);
    }
    if let Some(name) = name.strip_prefix("cookie_") {
        return cookie(&ctx.request.headers, name);
    }
    if let Some(name) = name.strip_prefix("arg_") {
        let query = ctx.upstream_query()?.as_bytes();
        return raw_argument(query, name.as_bytes());
    }
    None
}

/// The first argument of that name in any case, as it stands there: nginx does not decode it.
fn raw_argument(query: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    query.split(|byte| *byte == b'&').find_map(|argument| {
        let at = argument.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&argument[..at], &argument[at + 1..]);
        name.eq_ignore_ascii_case(wanted).then(|| value.to_vec())
    })
}

fn header(headers: &HeaderMap, name: http::HeaderName) -> Option<Vec<u8>> {
    headers.get(name).map(|value| value.as_bytes().to_vec())
}

/// All values of a name that is written with `_` for `-`.
fn joined(headers: &HeaderMap, name: &str, between: &str) -> Option<Vec<u8>> {
    let name = fields::token(name.as_bytes())?;
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    (!values.is_empty()).then(|| values.join(between.as_bytes()))
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<Vec<u8>> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .find_map(|pair| {
            let pair = pair.trim_ascii();
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let same = pair[..at].eq_ignore_ascii_case(wanted.as_bytes());
            same.then(|| pair[at + 1..].to_vec())
        })
}

/// The host that the client asked for, in small letters and without a port.
fn host(ctx: &Ctx) -> Option<Vec<u8>> {
    let host = ctx.request.host.as_ref()?.to_str().ok()?;
    let name = crate::router::split_host(host, 0).0.to_ascii_lowercase();
    Some(name.into_bytes())
}

fn upstream_host(ctx: &Ctx) -> Option<Vec<u8>> {
    if let Some(host) = &ctx.upstream.host {
        return Some(host.as_bytes().to_vec());
    }
    let runtime = ctx.runtime.clone();
    let plan = ctx.entry(&runtime)?.plan.as_ref()?;
    match (plan.preserve_host, &ctx.request.host) {
        (true, Some(host)) => Some(host.as_bytes().to_vec()),
        _ => Some(plan.host_header.as_bytes().to_vec()),
    }
}

fn upstream_scheme(ctx: &Ctx) -> Option<&'static str> {
    let runtime = ctx.runtime.clone();
    let plan = ctx.entry(&runtime)?.plan.as_ref()?;
    let wanted = ctx.upstream.detour.as_ref().and_then(|detour| detour.tls);
    let tls = wanted.unwrap_or(plan.tls.is_some());
    Some(if tls { "https" } else { "http" })
}

/// As nginx writes a version.
pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// `2026-11-22T09:15:00+00:00`
fn iso8601() -> String {
    let now = OffsetDateTime::now_utc();
    let mut text = String::new();
    let (date, time) = (now.date(), now.time());
    let _ = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    text
}

fn write(ctx: &mut Ctx, name: &str, value: Vec<u8>) -> Result<(), Raise> {
    let text = || {
        String::from_utf8(value.clone())
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| {
                Raise::Text(format!(
                    "variable \"{name}\" cannot hold bytes that no request target may"
                ))
            })
    };
    match name {
        "args" | "query_string" => ctx.upstream.set_query(text()?),
        "upstream_uri" => {
            let text = text()?;
            let (path, query) = match text.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (text.as_str(), None),
            };
            if !path.starts_with('/') {
                return Err("variable \"upstream_uri\" must start with /".into());
            }
            ctx.upstream.path = path.to_owned();
            if let Some(query) = query {
                ctx.upstream.set_query(query.to_owned());
            }
        }
        "upstream_host" => {
            let host = HeaderValue::from_bytes(&value)
                .map_err(|_| "variable \"upstream_host\" cannot be a header's value")?;
            ctx.upstream.host = Some(host);
        }
        "upstream_scheme" => {
            let tls = match value.as_slice() {
                b"http" => false,
                b"https" => true,
                _ => {
                    let value = String::from_utf8_lossy(&value);
                    return Err(format!("invalid scheme: {value}").into());
                }
            };
            ctx.upstream.detour().tls = Some(tls);
        }
        "upstream_connection" | "upstream_upgrade" => {
            let name = if name == "upstream_upgrade" {
                "upstream_upgrade"
            } else {
                "upstream_connection"
            };
            let variables = &mut ctx.lua.get_or_insert_default().variables;
            variables.retain(|(known, _)| *known != name);
            variables.push((name, value));
        }
        _ => {
            return Err(format!(
                "variable \"{name}\" not found for writing; maybe it is a built-in variable that is not changeable or you forgot to use \"set ${name} '';\" in the config file to define it first"
            )
            .into());
        }
    }
    Ok(())
}
