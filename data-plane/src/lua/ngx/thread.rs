//! `ngx.sleep` and `ngx.thread` (custom-plugins.md 4).

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use lua::Raise;
use lua::mlua::{self, AnyUserData, IntoLua, IntoLuaMulti, Lua, MultiValue, Value};
use lua::pdk::Host;

use crate::lua::call;
use crate::lua::pdk::{kind, number};
use crate::lua::threads::{self, Handle};

const TOLD: &str = "already waited or killed";

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.waiting("ngx.sleep", |_: Lua, seconds: Value| async move {
        let Some(number) = number(&seconds) else {
            let got = got(&seconds);
            return Err(format!("bad argument #1 to 'sleep' (number expected, got {got})").into());
        };
        let milliseconds = (number * 1000.0) as i64;
        let Ok(milliseconds) = u64::try_from(milliseconds) else {
            return Err(format!("invalid sleep duration \"{milliseconds}\"").into());
        };
        drop(seconds);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        Ok(())
    })?;
    host.waiting(
        "ngx.thread.spawn",
        |lua: Lua, arguments: MultiValue| async move {
            let mut arguments = arguments;
            let function = match arguments.pop_front() {
                Some(Value::Function(function)) => function,
                other => {
                    let got = other.as_ref().map_or("no value", kind);
                    return Err(format!(
                        "bad argument #1 to 'spawn' (function expected, got {got})"
                    )
                    .into());
                }
            };
            let handle = call::with(|call| threads::spawn(call, function, arguments))?;
            let begun = handle.clone();
            // It runs first, until it ends or waits.
            poll_fn(move |_| match begun.has_begun() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            Ok(lua.create_userdata(handle)?)
        },
    )?;
    host.waiting(
        "ngx.thread.wait",
        |lua: Lua, threads: MultiValue| async move {
            let handles = handles("wait", &threads)?;
            drop(threads);
            let ended = poll_fn(|_| {
                let ended = call::with(|call| Ok(call.threads.take(&handles)));
                ended.map_or_else(|raise| Poll::Ready(Err(raise)), |ended| ended.map(Ok))
            })
            .await?;
            Ok(match ended {
                Some(Ok(values)) => {
                    let mut values = values.list(&lua).unwrap_or_default();
                    values.push_front(Value::Boolean(true));
                    values
                }
                Some(Err(text)) => (false, text).into_lua_multi(&lua)?,
                None => (Value::Nil, TOLD).into_lua_multi(&lua)?,
            })
        },
    )?;
    host.function("ngx.thread.kill", |lua: &Lua, threads: MultiValue| {
        let handles = handles("kill", &threads)?;
        Ok(match handles.first().is_some_and(Handle::kill) {
            true => (1.into_lua(lua)?, None),
            false => (Value::Nil, Some(TOLD)),
        })
    })
}

fn got(value: &Value) -> &'static str {
    match value {
        Value::Nil => "no value",
        other => kind(other),
    }
}

fn handles(function: &str, values: &MultiValue) -> Result<Vec<Handle>, Raise> {
    if values.is_empty() {
        return Err(format!("bad argument #1 to '{function}' (lua thread expected)").into());
    }
    let handle = |(at, value): (usize, &Value)| {
        let handle = value
            .as_userdata()
            .and_then(|data: &AnyUserData| data.borrow::<Handle>().ok());
        handle.map(|handle| handle.clone()).ok_or_else(|| {
            let at = at + 1;
            format!("bad argument #{at} to '{function}' (lua thread expected)").into()
        })
    };
    values.iter().enumerate().map(handle).collect()
}
