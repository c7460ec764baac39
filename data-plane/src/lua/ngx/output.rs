//! `ngx.say`, `ngx.exit` and their like (custom-plugins.md 4): answers that plugins write piece by piece.

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use lua::Raise;
use lua::limits::overrun;
use lua::mlua::{self, Lua, MultiValue, Value};
use lua::pdk::{Host, Phase, phase};

use crate::lua::call::{self, Halted};
use crate::lua::pdk::{number, response};
use crate::plugins::{Answer, AnswerBody};
use crate::proxy::ctx::Ctx;

/// The longest answer that is written piece by piece: Lua's own limit does not count it.
const LONGEST: usize = 64 << 20;

/// Statuses that `ngx.redirect` knows.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("ngx.print", |lua: &Lua, values: MultiValue| {
        write(lua, "print", &values, b"")
    })?;
    host.function("ngx.say", |lua: &Lua, values: MultiValue| {
        write(lua, "say", &values, b"\n")
    })?;
    host.function("ngx.send_headers", |_, ()| {
        call::with_request(|ctx| {
            begin(ctx);
            Ok(1)
        })
    })?;
    host.function("ngx.flush", |_, _: MultiValue| {
        call::with_request(|ctx| {
            let output = ctx.lua.as_ref().map(|kept| &kept.output);
            Ok(match output {
                Some(output) if output.begun => (Some(1), None),
                _ => (None, Some("nothing to flush")),
            })
        })
    })?;
    host.function("ngx.eof", |_, ()| {
        call::with_request(|ctx| {
            begin(ctx);
            let output = &mut ctx.lua.get_or_insert_default().output;
            Ok(match std::mem::replace(&mut output.ended, true) {
                true => (None, Some("seen eof")),
                false => (Some(1), None),
            })
        })
    })?;
    host.waiting("ngx.exit", |_: Lua, code: Value| async move {
        let halted = exit(&code)?;
        call::halt(halted).await
    })?;
    host.waiting(
        "ngx.redirect",
        |_: Lua, (to, status): (Value, Value)| async move {
            let answer = redirect(&to, &status)?;
            call::halt(Halted::Answer(Box::new(answer))).await
        },
    )
}

/// The status that the answer has now; before there is one, what a plugin wants it to be, or 0.
pub(super) fn status_now(ctx: &Ctx) -> u16 {
    let wanted = ctx.lua.as_ref().and_then(|kept| kept.status);
    match phase() {
        Phase::Rewrite | Phase::Access => wanted.map_or(0, |status| status.as_u16()),
        _ => ctx.response.status.as_u16(),
    }
}

/// From here on the head counts as sent.
fn begin(ctx: &mut Ctx) {
    ctx.lua.get_or_insert_default().output.begun = true;
}

/// The answer that a plugin has written, if it has.
pub(in crate::lua) fn answer(ctx: &mut Ctx) -> Option<Answer> {
    let kept = ctx.lua.as_mut()?;
    if !kept.output.begun {
        return None;
    }
    let body = std::mem::take(&mut kept.output).bytes;
    Some(Answer {
        status: kept.status.unwrap_or(StatusCode::OK),
        headers: HeaderMap::new(),
        body: AnswerBody::Exact(body.into()),
    })
}

fn write(
    lua: &Lua,
    function: &str,
    values: &MultiValue,
    end: &[u8],
) -> Result<(Option<u8>, Option<&'static str>), Raise> {
    let mut bytes = Vec::new();
    for (at, value) in values.iter().enumerate() {
        push(lua, &mut bytes, value).map_err(|kind| {
            let at = at + 1;
            format!("bad argument #{at} to '{function}' (string, number, boolean, nil, ngx.null, or array table expected, got {kind})")
        })?;
    }
    bytes.extend_from_slice(end);
    call::with_request(|ctx| {
        begin(ctx);
        let output = &mut ctx.lua.get_or_insert_default().output;
        if output.ended {
            return Ok((None, Some("seen eof")));
        }
        if output.bytes.len() + bytes.len() > LONGEST {
            return Err(format!("answer longer than {} MiB", LONGEST >> 20).into());
        }
        output.bytes.extend_from_slice(&bytes);
        Ok((Some(1), None))
    })
}

/// A value as `ngx.print` writes it; lists element by element.
///
/// # Errors
/// The kind of what cannot be written.
pub(in crate::lua) fn push(
    lua: &Lua,
    out: &mut Vec<u8>,
    value: &Value,
) -> Result<(), &'static str> {
    push_within(lua, out, value, 0)
}

fn push_within(
    lua: &Lua,
    out: &mut Vec<u8>,
    value: &Value,
    depth: usize,
) -> Result<(), &'static str> {
    // A list that holds the same one twice, which holds the same one twice, has no end.
    if out.len() > LONGEST || overrun() {
        return Err("too much");
    }
    match value {
        Value::String(text) => out.extend_from_slice(&text.as_bytes()),
        Value::Integer(_) | Value::Number(_) => {
            if let Ok(Some(text)) = lua.coerce_string(value.clone()) {
                out.extend_from_slice(&text.as_bytes());
            }
        }
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Nil => out.extend_from_slice(b"nil"),
        Value::Table(list) if depth < 32 => {
            let length = list.raw_len();
            for pair in list.pairs::<Value, Value>() {
                let (key, _) = pair.map_err(|_| "table")?;
                let at = key.as_usize().filter(|at| (1..=length).contains(at));
                if at.is_none() {
                    return Err("non-array table");
                }
            }
            for at in 1..=length {
                let value: Value = list.raw_get(at).map_err(|_| "table")?;
                push_within(lua, out, &value, depth + 1)?;
            }
        }
        value if value.is_null() => out.extend_from_slice(b"null"),
        other => return Err(other.type_name()),
    }
    Ok(())
}

/// What `ngx.exit` does: below 200 it ends the phase and no more, but for `ngx.ERROR`.
fn exit(code: &Value) -> Result<Halted, Raise> {
    let Some(code_number) = number(code) else {
        let kind = match code {
            Value::Nil => "no value",
            other => crate::lua::pdk::kind(other),
        };
        return Err(format!("bad argument #1 to 'exit' (number expected, got {kind})").into());
    };
    if !matches!(
        phase(),
        Phase::Rewrite | Phase::Access | Phase::Response | Phase::HeaderFilter
    ) {
        return Ok(Halted::Quietly);
    }
    let code = match code_number as i64 {
        -1 => 500,
        code @ 200..=999 => code as u16,
        _ => return Ok(Halted::Quietly),
    };
    let written = call::with_request(|ctx| Ok(answer(ctx)))?;
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(Halted::Answer(Box::new(written.unwrap_or(Answer {
        status,
        headers: HeaderMap::new(),
        body: AnswerBody::Status,
    }))))
}

fn redirect(to: &Value, status: &Value) -> Result<Answer, Raise> {
    let Value::String(to) = to else {
        let kind = crate::lua::pdk::kind(to);
        return Err(format!("bad argument #1 to 'redirect' (string expected, got {kind})").into());
    };
    let status = match status {
        Value::Nil => Some(302),
        other => number(other).map(|status| status as u16),
    };
    let status = status.filter(|status| REDIRECTS.contains(status)).ok_or(
        "only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, ngx.HTTP_PERMANENT_REDIRECT, ngx.HTTP_SEE_OTHER, and ngx.HTTP_TEMPORARY_REDIRECT are allowed",
    )?;
    if call::with_request(|ctx| Ok(response::is_sent(ctx)))? {
        return Err("attempt to call ngx.redirect after sending out the headers".into());
    }
    let location = HeaderValue::from_bytes(&to.as_bytes()).map_err(|_| {
        let text = to.as_bytes();
        let unsafe_byte = text.iter().find(|byte| byte.is_ascii_control());
        let unsafe_byte = unsafe_byte.copied().unwrap_or_default();
        let shown: String = text.escape_ascii().to_string();
        format!("unsafe byte \"0x{unsafe_byte:02x}\" in redirect uri \"{shown}\"")
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, location);
    Ok(Answer {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND),
        headers,
        body: AnswerBody::Status,
    })
}
