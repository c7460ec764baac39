//! What the `ngx` table does on a node, as far as it needs a request or a worker (custom-plugins.md 4). One file per
//! group; [`bind`] is the list.

use lua::Raise;
use lua::mlua::{self, Lua, Value};
use lua::pdk::{Host, Phase, phase};

use crate::lua::call;
use crate::lua::outbound;
use crate::lua::pdk::{self, ctx, response, status_of};

mod header;
pub(super) mod output;
mod req;
#[cfg(test)]
mod tests;
mod thread;
mod timer;
mod var;

pub(super) use timer::{allow_streamed, end, is_ending};

/// Gives a machine what this node knows.
///
/// # Errors
/// When there is no memory.
pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("ngx[]", |lua: &Lua, name: Value| read(lua, &name))?;
    host.function("ngx[]=", |lua: &Lua, (name, value): (Value, Value)| {
        write(lua, &name, value)
    })?;
    host.function("ngx.get_phase", |_, ()| Ok(phase_name(phase())))?;
    argument(host)?;
    header::bind(host)?;
    var::bind(host)?;
    req::bind(host)?;
    output::bind(host)?;
    thread::bind(host)?;
    timer::bind(host)?;
    outbound::socket::bind::bind(host)?;
    refusals(host)
}

/// As OpenResty calls the phase.
fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Init => "init",
        Phase::InitWorker | Phase::Configure => "init_worker",
        Phase::Certificate => "ssl_cert",
        Phase::Rewrite => "rewrite",
        Phase::Access => "access",
        Phase::Balancer => "balancer",
        Phase::Response => "content",
        Phase::HeaderFilter => "header_filter",
        Phase::BodyFilter => "body_filter",
        Phase::Log => "log",
        Phase::Preread => "preread",
        Phase::Timer => "timer",
    }
}

fn read(lua: &Lua, name: &Value) -> Result<Value, Raise> {
    let Value::String(name) = name else {
        return Ok(Value::Nil);
    };
    match &*name.as_bytes() {
        b"ctx" => ctx::table(lua),
        b"status" => {
            call::with_request(|ctx| Ok(Value::Integer(i64::from(output::status_now(ctx)) as _)))
        }
        b"headers_sent" => call::with_request(|ctx| Ok(Value::Boolean(response::is_sent(ctx)))),
        b"is_subrequest" => call::with_request(|_| Ok(Value::Boolean(false))),
        _ => Ok(Value::Nil),
    }
}

fn write(lua: &Lua, name: &Value, value: Value) -> Result<(), Raise> {
    let shown = match name {
        Value::String(name) => name.to_string_lossy(),
        other => lua
            .coerce_string(other.clone())?
            .map_or_else(|| "?".to_owned(), |text| text.to_string_lossy()),
    };
    match (shown.as_str(), value) {
        ("ctx", Value::Table(table)) => ctx::replace(lua, table),
        ("status", value) => {
            let status = status_of(lua, &value)?;
            let late = call::with_request(|ctx| {
                let late = response::is_sent(ctx);
                if !late {
                    response::set_status(ctx, status)?;
                }
                Ok(late)
            })?;
            if late {
                pdk::error("attempt to set ngx.status after sending out response headers");
            }
            Ok(())
        }
        (name, _) => Err(format!("Cannot modify ngx.{name}. Protected by the sandbox.").into()),
    }
}

/// `ngx.arg`: the piece of the body.
fn argument(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("ngx.arg[]", |lua: &Lua, place: Value| {
        call::with(|call| {
            let Some(chunk) = &call.chunk else {
                return Ok(Value::Nil);
            };
            Ok(match (place.as_i64(), &chunk.data) {
                (Some(1), Some(data)) => Value::String(lua::string(lua, data)?),
                (Some(2), _) => Value::Boolean(chunk.last),
                _ => Value::Nil,
            })
        })
    })?;
    host.function("ngx.arg[]=", |lua: &Lua, (place, value): (Value, Value)| {
        let data = match (place.as_i64(), &value) {
            (Some(1), Value::Nil) => None,
            (Some(1), _) => {
                let mut text = Vec::new();
                output::push(lua, &mut text, &value).map_err(|kind| {
                    format!("bad chunk data type {kind} (string or array table expected)")
                })?;
                Some(text)
            }
            (Some(2), _) => None,
            _ => return Err("bad argument index, 1 or 2 expected".into()),
        };
        call::with(|call| {
            if let Some(chunk) = &mut call.chunk {
                match place.as_i64() {
                    Some(1) => chunk.data = data.map(Into::into),
                    _ => chunk.last = !matches!(value, Value::Nil | Value::Boolean(false)),
                }
            }
            Ok(())
        })
    })
}

/// What is not there, said so that whoever reads it knows what to do.
fn refusals(host: &mut Host<'_>) -> mlua::Result<()> {
    for (name, words) in [
        (
            "ngx.location.capture",
            "ngx.location.capture is not supported: there are no subrequests here (use resty.http)",
        ),
        (
            "ngx.location.capture_multi",
            "ngx.location.capture_multi is not supported: there are no subrequests here (use resty.http)",
        ),
        (
            "ngx.exec",
            "ngx.exec is not supported: there are no locations here (use kong.service.request.set_path)",
        ),
        (
            "ngx.req.socket",
            "ngx.req.socket is not supported: the gateway reads what clients send (use kong.request.get_raw_body)",
        ),
    ] {
        host.function(name, move |_, _: mlua::MultiValue| -> Result<(), Raise> {
            Err(words.into())
        })?;
    }
    Ok(())
}
