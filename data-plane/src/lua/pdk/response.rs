//! `kong.response` (custom-plugins.md 3.1).

use http::header::{CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use lua::Raise;
use lua::mlua::{self, Lua, Value};
use lua::modules::cjson;
use lua::pdk::{Host, Phase, phase};

use super::{fields, log};
use crate::lua::call::{self, Call, Halted};
use crate::plugins::{Answer, AnswerBody};
use crate::proxy::ctx::{Ctx, Head, Maker, Promise, add};
use crate::proxy::error::{self, Message};

/// What is said of changes that come too late.
const SENT: &str = "headers have already been sent";

/// What `get_raw_body` says of a body that it does not hold back.
const TOO_LONG: &str = "the body is longer than response_buffer_max";

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    readers(host)?;
    writers(host)?;
    bodies(host)?;
    host.waiting(
        "kong.response.exit",
        |lua: Lua, (status, body, headers): (Value, Value, Value)| async move {
            let answer = exit(&lua, &status, &body, &headers)?;
            call::halt(Halted::Answer(Box::new(answer))).await
        },
    )?;
    host.waiting(
        "kong.response.error",
        |lua: Lua, (status, message, headers): (Value, Value, Value)| async move {
            let answer = worded(&lua, &status, &message, &headers)?;
            call::halt(Halted::Answer(Box::new(answer))).await
        },
    )
}

fn readers(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.response.get_status", |_, ()| {
        call::with_request(|ctx| Ok(ctx.response.status.as_u16()))
    })?;
    host.function("kong.response.get_header", |_, name: Value| {
        let name = fields::wanted(&name)?;
        call::with_request(|ctx| Ok(fields::first(&ctx.response.headers, name)))
    })?;
    host.function("kong.response.get_headers", |lua: &Lua, most: Value| {
        let most = fields::most(&most)?;
        call::with_request(|ctx| fields::table(lua, &ctx.response.headers, most))
    })?;
    host.function("kong.response.get_source", |_, ()| {
        call::with_request(|ctx| Ok(source(ctx)))
    })
}

/// Who made the answer.
pub(super) fn source(ctx: &Ctx) -> &'static str {
    match ctx.response.maker {
        Maker::Upstream => "service",
        Maker::Plugin => "exit",
        Maker::Gateway => "error",
    }
}

fn writers(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.response.set_status", |_, status: Value| {
        unsent()?;
        let status = fields::status(&status, 100)?;
        call::with_request(|ctx| set_status(ctx, status))
    })?;
    host.function(
        "kong.response.set_header",
        |lua: &Lua, (name, value): (Value, Value)| {
            unsent()?;
            let values = fields::values(lua, &name, &value)?;
            change(Promise::Set(fields::name(lua, &name)?, values))
        },
    )?;
    host.function(
        "kong.response.add_header",
        |lua: &Lua, (name, value): (Value, Value)| {
            unsent()?;
            let values = fields::values(lua, &name, &value)?;
            let name = fields::name(lua, &name)?;
            for value in values {
                change(Promise::Add(name.clone(), value))?;
            }
            Ok(())
        },
    )?;
    host.function("kong.response.clear_header", |lua: &Lua, name: Value| {
        unsent()?;
        let Value::String(_) = name else {
            return Err("header name must be a string".into());
        };
        change(Promise::Clear(fields::name(lua, &name)?))
    })?;
    host.function("kong.response.set_headers", |lua: &Lua, headers: Value| {
        unsent()?;
        let Value::Table(headers) = headers else {
            return Err("headers must be a table".into());
        };
        for (name, values) in fields::all(lua, &headers)? {
            change(Promise::Set(name, values))?;
        }
        Ok(())
    })
}

/// Whether the head may still change.
fn unsent() -> Result<(), Raise> {
    match call::with_request(|ctx| Ok(is_sent(ctx)))? {
        true => Err(SENT.into()),
        false => Ok(()),
    }
}

/// Whether a plugin has written the answer itself, or the head is on its way to the client.
pub(in crate::lua) fn is_sent(ctx: &Ctx) -> bool {
    matches!(phase(), Phase::BodyFilter | Phase::Log)
        || ctx.lua.as_ref().is_some_and(|kept| kept.output.begun)
}

/// Before there is an answer: changes wait for it.
fn awaits_answer() -> bool {
    matches!(phase(), Phase::Rewrite | Phase::Access)
}

/// The status from now on. Before there is an answer only one that a plugin writes piece by piece has it.
///
/// # Errors
/// See [`fields::of_answer`]; 101 may stay where an upstream switches protocols.
pub(in crate::lua) fn set_status(ctx: &mut Ctx, status: StatusCode) -> Result<(), Raise> {
    if awaits_answer() {
        ctx.lua.get_or_insert_default().status = Some(fields::of_answer(status)?);
    } else if ctx.response.status != status {
        ctx.response.status = fields::of_answer(status)?;
    }
    Ok(())
}

/// Changes the head of the answer, or of whatever answer will come.
pub(in crate::lua) fn change_head(ctx: &mut Ctx, change: Promise) {
    if awaits_answer() {
        ctx.promised.push(change);
    } else {
        change.keep(&mut ctx.response);
    }
}

/// The headers as they are now; before there is an answer, what plugins have set.
pub(in crate::lua) fn headers_now<T>(ctx: &Ctx, look: impl FnOnce(&HeaderMap) -> T) -> T {
    if !awaits_answer() {
        return look(&ctx.response.headers);
    }
    let mut head = Head::default();
    for promise in &ctx.promised {
        promise.clone().keep(&mut head);
    }
    look(&head.headers)
}

fn change(change: Promise) -> Result<(), Raise> {
    let (Promise::Set(name, _) | Promise::Add(name, _) | Promise::Clear(name)) = &change;
    if name == TRANSFER_ENCODING && !matches!(change, Promise::Clear(_)) {
        log::warn("manually setting Transfer-Encoding. Ignored.");
        return Ok(());
    }
    call::with_request(|ctx| {
        change_head(ctx, change);
        Ok(())
    })
}

/// Headers for an answer.
fn headers_of(lua: &Lua, headers: &Value) -> Result<HeaderMap, Raise> {
    let mut map = HeaderMap::new();
    let given = match headers {
        Value::Nil => return Ok(map),
        Value::Table(table) => fields::all(lua, table)?,
        _ => return Err("headers must be a nil or table".into()),
    };
    for (name, values) in given {
        if name == TRANSFER_ENCODING {
            log::warn("manually setting Transfer-Encoding. Ignored.");
            continue;
        }
        map.remove(&name);
        for value in values {
            add(&mut map, &name, value);
        }
    }
    Ok(map)
}

/// What `exit` answers.
fn exit(lua: &Lua, status: &Value, body: &Value, headers: &Value) -> Result<Answer, Raise> {
    unsent()?;
    let status = fields::of_answer(fields::status(status, 100)?)?;
    if !matches!(body, Value::Nil | Value::String(_) | Value::Table(_)) {
        return Err("body must be a nil, string or table".into());
    }
    let mut headers = headers_of(lua, headers)?;
    if call::with_request(|ctx| Ok(speaks_grpc(ctx)))? && !is_grpc(&headers) {
        let message = grpc_message(body)?;
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/grpc"));
        return Ok(error::grpc(status, message.as_deref(), headers));
    }
    let body = match body {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Table(_) if is_grpc(&headers) => {
            return Err("table body encoding with gRPC is not supported".into());
        }
        Value::Table(_) => {
            headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/json; charset=utf-8"));
            json(lua, body)?
        }
        _ => Vec::new(),
    };
    Ok(Answer {
        status,
        headers,
        body: AnswerBody::Exact(body.into()),
    })
}

fn speaks_grpc(ctx: &Ctx) -> bool {
    error::is_grpc(ctx.request.version, &ctx.request.headers)
}

/// Whether the plugin says itself that it answers in gRPC.
fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|named| named.as_bytes().starts_with(b"application/grpc"))
}

/// What a gRPC client is told: a text, or the `message` of a table.
fn grpc_message(body: &Value) -> Result<Option<String>, Raise> {
    let message = match body {
        Value::Table(table) => table.raw_get("message")?,
        other => other.clone(),
    };
    Ok(match message {
        Value::String(text) => Some(text.to_string_lossy()),
        Value::Nil if body.is_nil() => None,
        _ => {
            log::warn("body was removed because table body encoding with gRPC is not supported");
            None
        }
    })
}

fn json(lua: &Lua, value: &Value) -> Result<Vec<u8>, Raise> {
    cjson::encode(lua, value).map_err(|error| match error {
        Raise::Text(text) => format!("body encoding failed while flushing response: {text}").into(),
        engine @ Raise::Engine(_) => engine,
    })
}

/// What `error` answers.
fn worded(lua: &Lua, status: &Value, message: &Value, headers: &Value) -> Result<Answer, Raise> {
    unsent()?;
    let status = fields::status(status, 400)?;
    let message = match message {
        Value::Nil => Message::OfStatus,
        Value::String(text) => Message::Text(text.to_string_lossy()),
        Value::Table(_) => {
            let json = json(lua, message)?;
            Message::Json(String::from_utf8_lossy(&json).into_owned())
        }
        _ => return Err("message must be a nil, a string or a table".into()),
    };
    let headers = headers_of(lua, headers)?;
    call::with_request(|ctx| Ok(error::worded(ctx, status, &message, headers)))
}

/// The body as it will be, once it is whole; till then its pieces are held back.
///
/// One longer than `response_buffer_max` goes on as it is, and the plugin is told so with each piece: what went before is
/// on its way to the client, so no 502 can take its place as it does in the response phase (1.3). A plugin that cannot let
/// it pass ends it with `set_raw_body`.
fn raw_body(call: &mut Call<'_>, lua: &Lua) -> Result<(Value, Option<&'static str>), Raise> {
    let (id, plugin) = (call.plugin.id, call.plugin.clone());
    let Some(mut chunk) = call.chunk.take() else {
        return Ok((Value::Nil, None));
    };
    let ctx = call.request()?;
    let (request_id, most) = (ctx.id, ctx.runtime.settings().response_buffer_max);
    let body = ctx.lua.get_or_insert_default().body(id);
    let piece = chunk.data.take().unwrap_or_default();
    let fits = body.withheld.len() + piece.len() <= most;
    let is_passing = !fits || body.is_passing;
    if !fits && !std::mem::replace(&mut body.is_passing, true) {
        let label = &plugin.label;
        tracing::error!(%request_id, limit = most, "[{label}] kong.response.get_raw_body: {TOO_LONG}");
    }
    let held = match is_passing || chunk.last {
        true => std::mem::take(&mut body.withheld),
        false => {
            body.withheld.extend_from_slice(&piece);
            call.chunk = Some(chunk);
            return Ok((Value::Nil, None));
        }
    };
    let whole = match held.is_empty() {
        true => piece,
        false => [held, piece.into()].concat().into(),
    };
    let answer = match is_passing {
        true => (Value::Nil, Some(TOO_LONG)),
        false => (Value::String(lua::string(lua, &whole)?), None),
    };
    chunk.data = Some(whole);
    call.chunk = Some(chunk);
    Ok(answer)
}

fn bodies(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.response.get_raw_body", |lua: &Lua, ()| {
        call::with(|call| raw_body(call, lua))
    })?;
    host.function("kong.response.set_raw_body", |_, body: Value| {
        let Value::String(body) = body else {
            return Err("body must be a string".into());
        };
        call::with(|call| {
            let id = call.plugin.id;
            call.request()?
                .lua
                .get_or_insert_default()
                .body(id)
                .withheld = Vec::new();
            if let Some(chunk) = &mut call.chunk {
                chunk.data = Some(body.as_bytes().to_vec().into());
                chunk.last = true;
            }
            Ok(())
        })
    })
}
