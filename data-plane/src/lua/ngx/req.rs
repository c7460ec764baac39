//! `ngx.req` (custom-plugins.md 4): the client's request, and what the service will be asked.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method, Version};
use lua::Raise;
use lua::mlua::{self, Lua, Table, Value};
use lua::pdk::Host;

use super::{header, var};
use crate::lua::call;
use crate::lua::pdk::{args, fields, kind, number};
use crate::lua::reading;
use crate::proxy::body::{BodyError, RequestBody};
use crate::proxy::ctx::{Ctx, add};

/// The methods that `ngx.req.set_method` takes, by the numbers of `ngx.HTTP_*`.
const METHODS: [(i64, &str); 15] = [
    (1 << 1, "GET"),
    (1 << 2, "HEAD"),
    (1 << 3, "POST"),
    (1 << 4, "PUT"),
    (1 << 5, "DELETE"),
    (1 << 6, "MKCOL"),
    (1 << 7, "COPY"),
    (1 << 8, "MOVE"),
    (1 << 9, "OPTIONS"),
    (1 << 10, "PROPFIND"),
    (1 << 11, "PROPPATCH"),
    (1 << 12, "LOCK"),
    (1 << 13, "UNLOCK"),
    (1 << 14, "PATCH"),
    (1 << 15, "TRACE"),
];

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    head(host)?;
    arguments(host)?;
    changes(host)?;
    bodies(host)
}

fn head(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function(
        "ngx.req.get_headers",
        |lua: &Lua, (most, _raw): (Value, Value)| {
            let most = header::limit(&most);
            call::with_request(|ctx| {
                let mut headers = ctx.request.headers.clone();
                if let Some(host) = &ctx.request.host {
                    headers.insert(HOST, host.clone());
                }
                fields::table(lua, &headers, most)
            })
        },
    )?;
    host.function("ngx.req.get_method", |_, ()| {
        call::with_request(|ctx| Ok(ctx.upstream_method().as_str().to_owned()))
    })?;
    host.function("ngx.req.http_version", |_, ()| {
        call::with_request(|ctx| {
            Ok(match ctx.request.version {
                Version::HTTP_09 => 0.9,
                Version::HTTP_10 => 1.0,
                Version::HTTP_2 => 2.0,
                Version::HTTP_3 => 3.0,
                _ => 1.1,
            })
        })
    })?;
    host.function("ngx.req.start_time", |_, ()| {
        call::with_request(|ctx| {
            let since = SystemTime::now() - ctx.started.elapsed();
            let since = since.duration_since(SystemTime::UNIX_EPOCH);
            Ok(since.unwrap_or_default().as_millis() as f64 / 1000.0)
        })
    })?;
    host.function("ngx.req.is_internal", |_, ()| {
        call::with_request(|_| Ok(false))
    })?;
    host.function("ngx.req.raw_header", |lua: &Lua, bare: Option<bool>| {
        let head = call::with_request(|ctx| Ok(raw_head(ctx, bare == Some(true))))?;
        Ok(lua::string(lua, head)?)
    })
}

/// The head as HTTP/1.1 writes it, with or without the request line.
fn raw_head(ctx: &Ctx, bare: bool) -> Vec<u8> {
    let request = &ctx.request;
    let mut head = Vec::new();
    if !bare {
        let version = var::protocol(request.version);
        head.extend_from_slice(
            format!("{} {} {version}\r\n", request.method, request.target).as_bytes(),
        );
    }
    let mut line = |name: &str, value: &HeaderValue| {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    };
    if let Some(host) = &request.host {
        line("host", host);
    }
    for (name, value) in &request.headers {
        line(name.as_str(), value);
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn arguments(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function(
        "ngx.req.get_uri_args",
        |lua: &Lua, (most, _tab): (Value, Value)| {
            let most = header::limit(&most);
            call::with_request(|ctx| {
                let query = ctx.upstream_query().unwrap_or_default();
                table(lua, query.as_bytes(), most)
            })
        },
    )?;
    host.function(
        "ngx.req.get_post_args",
        |lua: &Lua, (most, _tab): (Value, Value)| {
            let most = header::limit(&most);
            call::with_request(|ctx| match &ctx.request.body {
                RequestBody::Full(body) => {
                    let (table, truncated) = table(lua, body, most)?;
                    Ok((Value::Table(table), truncated))
                }
                RequestBody::Empty => Ok((Value::Table(lua.create_table()?), None)),
                RequestBody::Stream { .. } if was_read(ctx) => {
                    Ok((Value::Nil, Some("request body in temp file not supported")))
                }
                _ => Err(
                    "no request body found; maybe you should turn on lua_need_request_body?".into(),
                ),
            })
        },
    )?;
    host.function("ngx.req.set_uri_args", |lua: &Lua, given: Value| {
        let query = match given {
            Value::String(text) => sendable(&text.as_bytes()),
            Value::Integer(_) | Value::Number(_) => match lua.coerce_string(given)? {
                Some(text) => sendable(&text.as_bytes()),
                None => String::new(),
            },
            Value::Table(table) => args::read(lua, &table)?.query(),
            other => {
                let got = kind(&other);
                return Err(format!("bad argument #1 to 'set_uri_args' (string, number, or table expected, but got {got})").into());
            }
        };
        call::with_request(|ctx| {
            ctx.upstream.set_query(query);
            Ok(())
        })
    })
}

fn table(lua: &Lua, raw: &[u8], most: usize) -> Result<(Table, Option<&'static str>), Raise> {
    let (table, more) = args::table(lua, raw, most)?;
    Ok((table, more.then_some("truncated")))
}

/// A query as it was given, but for bytes that no request target may hold.
fn sendable(query: &[u8]) -> String {
    let mut out = String::with_capacity(query.len());
    for byte in query {
        match byte {
            b'"' | b'#' | b'<' | b'>' => {
                crate::plugins::transform::args::push_escape(*byte, &mut out);
            }
            0x21..=0x7E => out.push(char::from(*byte)),
            _ => crate::plugins::transform::args::push_escape(*byte, &mut out),
        }
    }
    out
}

fn changes(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function(
        "ngx.req.set_header",
        |lua: &Lua, (name, value): (Value, Value)| {
            let of = fields::name(lua, &name)?;
            let mut values = Vec::new();
            match &value {
                Value::Nil => {}
                Value::Table(list) => {
                    for value in list.sequence_values::<Value>() {
                        values.push(fields::value(lua, &name, &value?)?);
                    }
                }
                value => values.push(fields::value(lua, &name, value)?),
            }
            call::with_request(|ctx| {
                if of == HOST {
                    ctx.upstream.host = values.into_iter().next();
                    return Ok(());
                }
                ctx.request.headers.remove(&of);
                for value in values {
                    add(&mut ctx.request.headers, &of, value);
                }
                Ok(())
            })
        },
    )?;
    host.function("ngx.req.clear_header", |lua: &Lua, name: Value| {
        let name = fields::name(lua, &name)?;
        call::with_request(|ctx| {
            ctx.request.headers.remove(name);
            Ok(())
        })
    })?;
    host.function("ngx.req.set_method", |_, method: Value| {
        let Some(wanted) = number(&method) else {
            return Err("bad method number".into());
        };
        let known = METHODS.iter().find(|(known, _)| *known as f64 == wanted);
        let method = known
            .and_then(|(_, name)| Method::from_bytes(name.as_bytes()).ok())
            .ok_or_else(|| format!("unsupported HTTP method: {wanted}"))?;
        call::with_request(|ctx| {
            ctx.upstream.method = Some(method);
            Ok(())
        })
    })?;
    host.function("ngx.req.set_uri", |_, (uri, jump): (Value, Value)| {
        let Value::String(uri) = uri else {
            let got = kind(&uri);
            return Err(
                format!("bad argument #1 to 'set_uri' (string expected, got {got})").into(),
            );
        };
        if jump == Value::Boolean(true) {
            return Err(
                "ngx.req.set_uri with a jump is not supported: there are no locations here".into(),
            );
        }
        let uri = uri.as_bytes().to_vec();
        if uri.is_empty() {
            return Err("attempt to use zero-length uri".into());
        }
        if let Some(byte) = uri.iter().find(|byte| byte.is_ascii_control()) {
            let shown = uri.escape_ascii();
            return Err(format!("unsafe byte \"0x{byte:02x}\" in uri \"{shown}\"").into());
        }
        call::with_request(|ctx| {
            // As in Kong, where the service is asked by `upstream_uri` and not by this.
            ctx.lua.get_or_insert_default().uri = Some(uri);
            Ok(())
        })
    })
}

fn bodies(host: &mut Host<'_>) -> mlua::Result<()> {
    host.waiting("ngx.req.read_body", |_: Lua, ()| read_body())?;
    host.waiting("ngx.req.discard_body", |_: Lua, ()| read_body())?;
    host.function("ngx.req.get_body_data", |lua: &Lua, most: Value| {
        let most = number(&most).map_or(usize::MAX, |most| match most {
            most if most >= 1.0 => most as usize,
            _ => usize::MAX,
        });
        call::with_request(|ctx| {
            let body = match &ctx.request.body {
                RequestBody::Full(body) if !body.is_empty() => body,
                _ => match ctx.lua.as_ref().and_then(|kept| kept.read_body.as_ref()) {
                    Some(body) if !body.is_empty() => body,
                    _ => return Ok(Value::Nil),
                },
            };
            let text = lua::string(lua, &body[..body.len().min(most)])?;
            Ok(Value::String(text))
        })
    })?;
    // Bodies are not kept in files.
    host.function("ngx.req.get_body_file", |_, ()| {
        call::with_request(|_| Ok(Value::Nil))
    })?;
    host.function("ngx.req.set_body_data", |_, body: Value| {
        let Value::String(body) = body else {
            let got = kind(&body);
            return Err(
                format!("bad argument #1 to 'set_body_data' (string expected, got {got})").into(),
            );
        };
        let body = Bytes::copy_from_slice(&body.as_bytes());
        call::with_request(|ctx| {
            ctx.request.set_body(body);
            Ok(())
        })
    })
}

/// Whether a plugin has asked for the body already.
fn was_read(ctx: &Ctx) -> bool {
    ctx.lua.as_ref().is_some_and(|kept| kept.body_asked)
}

/// Reads the body as far as it fits into memory; a longer one streams on and is not to be had, as one in a file.
async fn read_body() -> Result<(), Raise> {
    let read = reading::read(|ctx| {
        ctx.lua.get_or_insert_default().body_asked = true;
        ctx.runtime.settings().client_body_buffer_size
    });
    match read.await?.body {
        Ok(body) => call::with_request(|ctx| {
            ctx.lua.get_or_insert_default().read_body = Some(body);
            Ok(())
        }),
        Err(BodyError::TooLarge { .. }) => Ok(()),
        Err(other) => Err(other.to_string().into()),
    }
}
