//! `kong.service.request`: what the service will be asked (custom-plugins.md 3.1).

use bytes::Bytes;
use http::HeaderName;
use lua::Raise;
use lua::mlua::{self, Lua, Value};
use lua::pdk::Host;

use super::body::{self, Format};
use super::values::kind;
use super::{args, fields, request};
use crate::lua::call;
use crate::plugins::transform::{args as arguments, headers, target};
use crate::proxy::ctx::{Ctx, add};

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.service.request.set_scheme", |_, scheme: Value| {
        let tls = match &*text(&scheme, "scheme must be a string")? {
            "http" => false,
            "https" => true,
            other => return Err(format!("invalid scheme: {other}").into()),
        };
        call::with_request(|ctx| {
            ctx.upstream.detour().tls = Some(tls);
            Ok(())
        })
    })?;
    host.function("kong.service.request.set_path", |_, path: Value| {
        let Value::String(path) = path else {
            return Err("path must be a string".into());
        };
        let path = path.as_bytes();
        if path.first() != Some(&b'/') {
            return Err("path must start with /".into());
        }
        call::with_request(|ctx| {
            ctx.upstream.path = target::escape_path(&path);
            Ok(())
        })
    })?;
    host.function("kong.service.request.set_method", |_, method: Value| {
        let method = text(&method, "method must be a string")?;
        let method = target::method(&method.to_ascii_uppercase())
            .ok_or_else(|| format!("invalid method: {method}"))?;
        call::with_request(|ctx| {
            ctx.upstream.method = Some(method);
            Ok(())
        })
    })?;
    host.function("kong.service.request.enable_buffering", |_, ()| {
        call::with_request(|ctx| {
            ctx.buffering = true;
            Ok(())
        })
    })?;
    query(host)?;
    header_functions(host)?;
    bodies(host)
}

/// A text that has to be one.
fn text(value: &Value, refusal: &'static str) -> Result<String, Raise> {
    match value {
        Value::String(text) => Ok(text.to_string_lossy()),
        _ => Err(refusal.into()),
    }
}

fn query(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.service.request.set_raw_query", |_, query: Value| {
        let Value::String(query) = query else {
            return Err("query must be a string".into());
        };
        let query = sendable(&query.as_bytes());
        call::with_request(|ctx| {
            ctx.upstream.set_query(query);
            Ok(())
        })
    })?;
    host.function(
        "kong.service.request.set_query",
        |lua: &Lua, table: Value| {
            let Value::Table(table) = table else {
                return Err("args must be a table".into());
            };
            let query = args::read(lua, &table)?.query();
            call::with_request(|ctx| {
                ctx.upstream.set_query(query);
                Ok(())
            })
        },
    )?;
    host.function("kong.service.request.clear_query_arg", |_, name: Value| {
        let Value::String(name) = name else {
            return Err("query argument name must be a string".into());
        };
        call::with_request(|ctx| {
            let query = ctx.upstream_query().unwrap_or_default();
            if let Some(without) = arguments::without(query, &name.as_bytes()) {
                ctx.upstream.set_query(without);
            }
            Ok(())
        })
    })
}

/// A query as it was given, but for bytes that no request target may hold: they are percent-encoded.
fn sendable(query: &[u8]) -> String {
    let mut out = String::with_capacity(query.len());
    for byte in query {
        match byte {
            b'"' | b'#' | b'<' | b'>' => arguments::push_escape(*byte, &mut out),
            0x21..=0x7E => out.push(char::from(*byte)),
            _ => arguments::push_escape(*byte, &mut out),
        }
    }
    out
}

fn header_functions(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function(
        "kong.service.request.set_header",
        |lua: &Lua, (key, value): (Value, Value)| {
            let (name, values) = (name(lua, &key)?, fields::values(lua, &key, &value)?);
            call::with_request(|ctx| {
                set(ctx, name, values);
                Ok(())
            })
        },
    )?;
    host.function(
        "kong.service.request.add_header",
        |lua: &Lua, (key, value): (Value, Value)| {
            let (name, values) = (name(lua, &key)?, fields::values(lua, &key, &value)?);
            call::with_request(|ctx| {
                if name == "host" {
                    set(ctx, name, values);
                    return Ok(());
                }
                for value in values {
                    add(&mut ctx.request.headers, &name, value);
                }
                Ok(())
            })
        },
    )?;
    host.function("kong.service.request.clear_header", |_, name: Value| {
        let Value::String(name) = name else {
            return Err("header must be a string".into());
        };
        let Ok(name) = HeaderName::from_bytes(&name.as_bytes()) else {
            return Ok(());
        };
        call::with_request(|ctx| {
            if name == "host" {
                ctx.upstream.host = None;
            }
            ctx.request.headers.remove(name);
            Ok(())
        })
    })?;
    host.function(
        "kong.service.request.set_headers",
        |lua: &Lua, table: Value| {
            let Value::Table(table) = table else {
                return Err("headers must be a table".into());
            };
            // All of them are looked at before the first is set.
            let mut all = Vec::new();
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair?;
                let name = name(lua, &key)?;
                all.push((name, fields::values(lua, &key, &value).map_err(in_table)?));
            }
            call::with_request(|ctx| {
                for (name, values) in all {
                    set(ctx, name, values);
                }
                Ok(())
            })
        },
    )
}

/// Kong has other words for the same in a table.
fn in_table(refusal: Raise) -> Raise {
    let (one, of_table) = (
        "expected array of string, string, number or boolean",
        "expected string, number, boolean or array of strings",
    );
    match refusal {
        Raise::Text(text) => Raise::Text(text.replace(one, of_table)),
        other => other,
    }
}

/// The name of a header, exactly as it is sent: `_` stays.
fn name(lua: &Lua, name: &Value) -> Result<HeaderName, Raise> {
    let Value::String(text) = name else {
        let shown = lua.coerce_string(name.clone())?;
        let shown = shown.map_or_else(|| kind(name).to_owned(), |text| text.to_string_lossy());
        let got = kind(name);
        return Err(format!("invalid header name \"{shown}\": got {got}, expected string").into());
    };
    HeaderName::from_bytes(&text.as_bytes()).map_err(|_| {
        let text = text.to_string_lossy();
        format!("invalid header name \"{text}\"").into()
    })
}

fn set(ctx: &mut Ctx, name: HeaderName, values: fields::Values) {
    if name == "host" {
        ctx.upstream.host = values.into_iter().next();
        return;
    }
    let headers = &mut ctx.request.headers;
    headers.remove(&name);
    for value in values {
        add(headers, &name, value);
    }
}

fn bodies(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.service.request.set_raw_body", |_, body: Value| {
        let Value::String(body) = body else {
            return Err("body must be a string".into());
        };
        let body = Bytes::copy_from_slice(&body.as_bytes());
        call::with_request(|ctx| {
            ctx.set_body(body);
            Ok(())
        })
    })?;
    host.function(
        "kong.service.request.set_body",
        |lua: &Lua, (table, content_type): (Value, Value)| {
            let Value::Table(table) = table else {
                return Err("args must be a table".into());
            };
            let content_type = match content_type {
                Value::Nil => call::with_request(|ctx| Ok(request::first(ctx, b"content-type")))?
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
                value => Some(text(&value, "mime must be a string")?),
            };
            let Some(content_type) = content_type else {
                let reason = "content type was neither explicitly given as an argument or received as a header";
                return Ok((None, Some(reason)));
            };
            let format = Format::of(&body::essence(&content_type))
                .ok_or_else(|| format!("unsupported content type {content_type}"))?;
            let (body, content_type) = body::written(lua, format, &content_type, &table)?;
            let content_type = headers::value(content_type.as_bytes());
            call::with_request(|ctx| {
                ctx.set_body(body.into());
                ctx.request.headers.insert(http::header::CONTENT_TYPE, content_type);
                Ok(())
            })?;
            Ok((Some(true), None))
        },
    )
}
