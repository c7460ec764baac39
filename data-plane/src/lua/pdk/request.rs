//! `kong.request`: what the client asked for (custom-plugins.md 3.1).

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use lua::mlua::{self, IntoLuaMulti, Lua, Value};
use lua::pdk::Host;
use lua::{Raise, Text, header_names};

use super::{args, fields};
use crate::lua::call;
use crate::plugins::transform::args::{self as arguments, Arg};
use crate::proxy::ctx::Ctx;
use crate::router;

/// What nginx calls a server that the client did not name.
const NAMELESS: &str = "kong";

/// Binds a function that only looks at the request.
pub(super) fn look<R: IntoLuaMulti>(
    host: &mut Host<'_>,
    name: &'static str,
    look: impl Fn(&Lua, &Ctx) -> Result<R, Raise> + 'static,
) -> mlua::Result<()> {
    host.function(name, move |lua: &Lua, ()| {
        call::with_request(|ctx| look(lua, ctx))
    })
}

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    look(host, "kong.request.get_scheme", |_, ctx| {
        Ok(Text(ctx.conn.scheme()))
    })?;
    look(host, "kong.request.get_host", |_, ctx| {
        Ok(Text(asked_host(ctx)))
    })?;
    host.function("kong.request.get_port", |_, ()| {
        call::with(|call| match &call.hello {
            Some(hello) => Ok(hello.local.port()),
            None => Ok(call.request()?.conn.local.port()),
        })
    })?;
    forwarded(host)?;
    look(host, "kong.request.get_http_version", |_, ctx| {
        Ok(match ctx.request.version {
            Version::HTTP_10 => 1.0,
            Version::HTTP_2 => 2.0,
            Version::HTTP_3 => 3.0,
            _ => 1.1,
        })
    })?;
    look(host, "kong.request.get_method", |_, ctx| {
        Ok(Text(ctx.upstream_method().as_str().to_ascii_uppercase()))
    })?;
    look(host, "kong.request.get_path", |lua, ctx| {
        Ok(lua::string(lua, &ctx.request.path)?)
    })?;
    look(host, "kong.request.get_raw_path", |lua, ctx| {
        Ok(lua::string(lua, ctx.request.raw_path())?)
    })?;
    look(host, "kong.request.get_path_with_query", |lua, ctx| {
        Ok(lua::string(lua, &ctx.request.target)?)
    })?;
    query(host)?;
    headers(host)?;
    look(host, "kong.request.get_start_time", |_, ctx| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = now
            .unwrap_or_default()
            .saturating_sub(ctx.started.elapsed());
        Ok(since.as_millis() as f64)
    })?;
    look(host, "kong.request.get_uri_captures", |lua, ctx| {
        let (named, unnamed) = (lua.create_table()?, lua.create_table()?);
        let captures = ctx.captures.iter();
        for (number, name, text) in captures.flat_map(|found| found.iter(&ctx.request.path)) {
            unnamed.raw_set(number, text)?;
            if let Some(name) = name {
                named.raw_set(name, text)?;
            }
        }
        let all = lua.create_table()?;
        all.raw_set("named", named)?;
        all.raw_set("unnamed", unnamed)?;
        Ok(all)
    })
}

/// What a trusted peer says of the client's side, else what is known here.
fn forwarded(host: &mut Host<'_>) -> mlua::Result<()> {
    look(host, "kong.request.get_forwarded_scheme", |_, ctx| {
        let told = told(ctx, "x-forwarded-proto").map(str::to_ascii_lowercase);
        Ok(Text(told.unwrap_or_else(|| ctx.conn.scheme().to_owned())))
    })?;
    look(host, "kong.request.get_forwarded_host", |_, ctx| {
        let told = told(ctx, "x-forwarded-host").map(|host| {
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            router::split_host(host, 0).0.to_ascii_lowercase()
        });
        Ok(Text(told.unwrap_or_else(|| asked_host(ctx))))
    })?;
    look(host, "kong.request.get_forwarded_port", |_, ctx| {
        let of_port = told(ctx, "x-forwarded-port").and_then(|text| text.trim().parse().ok());
        let of_host = || {
            let host = told(ctx, "x-forwarded-host")?;
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            Some(router::split_host(host, 0).1)
        };
        let is_port = |port: &u16| *port != 0;
        let told = of_port
            .filter(is_port)
            .or_else(|| of_host().filter(is_port));
        Ok(told.unwrap_or_else(|| ctx.conn.local.port()))
    })?;
    look(host, "kong.request.get_forwarded_path", |lua, ctx| {
        let path = told(ctx, "x-forwarded-path").unwrap_or(&ctx.request.path);
        Ok(lua::string(lua, path)?)
    })?;
    look(host, "kong.request.get_forwarded_prefix", |lua, ctx| {
        let strip = ctx
            .entry(&ctx.runtime)
            .is_some_and(|entry| entry.route.strip_path);
        let stripped = || router::stripped_prefix(&ctx.request.path, ctx.prefix, strip);
        let prefix = told(ctx, "x-forwarded-prefix").or_else(stripped);
        Ok(match prefix {
            Some(prefix) => Value::String(lua::string(lua, prefix)?),
            None => Value::Nil,
        })
    })
}

/// A header that only a trusted peer may send.
fn told<'c>(ctx: &'c Ctx, name: &str) -> Option<&'c str> {
    let value = ctx.request.headers.get(name).filter(|_| ctx.conn.trusted)?;
    value.to_str().ok()
}

/// The name that the client asked for, in small letters, without a port.
pub(super) fn asked_host(ctx: &Ctx) -> String {
    let host = ctx
        .request
        .host
        .as_ref()
        .and_then(|host| host.to_str().ok());
    let Some(host) = host else {
        return NAMELESS.to_owned();
    };
    let name = router::split_host(host, 0).0;
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn query(host: &mut Host<'_>) -> mlua::Result<()> {
    look(host, "kong.request.get_raw_query", |lua, ctx| {
        Ok(lua::string(lua, ctx.upstream_query().unwrap_or_default())?)
    })?;
    host.function("kong.request.get_query_arg", |lua: &Lua, name: Value| {
        let Value::String(name) = name else {
            return Err("query argument name must be a string".into());
        };
        call::with_request(|ctx| {
            let query = ctx.upstream_query().unwrap_or_default().as_bytes();
            let first = arguments::values(query, &name.as_bytes()).next();
            Ok(match first {
                Some(Arg::Text(text)) => Value::String(lua::string(lua, text)?),
                Some(Arg::Flag) => Value::Boolean(true),
                None => Value::Nil,
            })
        })
    })?;
    host.function("kong.request.get_query", |lua: &Lua, most: Value| {
        let most = args::most(&most)?;
        call::with_request(|ctx| {
            let query = ctx.upstream_query().unwrap_or_default().as_bytes();
            let (table, more) = args::table(lua, query, most)?;
            Ok((table, args::truncated(more)))
        })
    })
}

fn headers(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.request.get_header", |_, name: Value| {
        let Value::String(name) = name else {
            return Err("header name must be a string".into());
        };
        call::with_request(|ctx| Ok(first(ctx, &name.as_bytes()).map(Text)))
    })?;
    host.function("kong.request.get_headers", |lua: &Lua, most: Value| {
        let most = fields::most(&most)?;
        let (table, more) = call::with_request(|ctx| Ok(header_table(lua, ctx, most)?))?;
        Ok((header_names(lua, table)?, args::truncated(more)))
    })
}

/// The first line of a header: as it is written, or with `-` for `_`.
pub(super) fn first(ctx: &Ctx, name: &[u8]) -> Option<HeaderValue> {
    let own = |name: &[u8]| {
        let name = HeaderName::from_bytes(name).ok()?;
        if name == "host" {
            return host(ctx).cloned();
        }
        let value = ctx.request.headers.get(&name).cloned();
        match value {
            None if name == CONTENT_LENGTH => length(ctx),
            value => value,
        }
    };
    let found = own(name);
    if found.is_some() || !name.contains(&b'_') {
        return found;
    }
    let dash = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    own(&name.iter().map(dash).collect::<Vec<u8>>())
}

/// Host: that of a plugin, else the client's.
fn host(ctx: &Ctx) -> Option<&HeaderValue> {
    ctx.upstream.host.as_ref().or(ctx.request.host.as_ref())
}

/// The body's length: the header itself is taken off early, since the framing is the gateway's.
fn length(ctx: &Ctx) -> Option<HeaderValue> {
    let length = ctx.request.body.known_length();
    length
        .filter(|_| ctx.request.had_body)
        .map(HeaderValue::from)
}

/// Every header, as many lines as wanted, and whether there were more.
fn header_table(lua: &Lua, ctx: &Ctx, most: usize) -> mlua::Result<(mlua::Table, bool)> {
    let headers: &HeaderMap = &ctx.request.headers;
    let counted = length(ctx).filter(|_| !headers.contains_key(CONTENT_LENGTH));
    let own = [("host", host(ctx)), ("content-length", counted.as_ref())];
    let own = own
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let sent = headers.iter().map(|(name, value)| (name.as_str(), value));
    let mut lines = own.chain(sent);
    let table = lua.create_table()?;
    for (name, value) in lines.by_ref().take(most) {
        let value = Value::String(lua::string(lua, value.as_bytes())?);
        args::add(lua, &table, name.as_bytes(), value)?;
    }
    Ok((table, lines.next().is_some()))
}
