//! Functions written in Rust that Lua calls. What they refuse is raised as a text of Lua's, with the place of the caller;
//! an error of mlua's own would be an object, which no plugin expects.

use std::future::Future;

use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue, Result, Value};

use crate::coroutine;
use crate::state::said;

mod direct;
#[cfg(test)]
mod tests;

pub(crate) use direct::take;
pub use direct::{Text, string};

/// Why a function does not answer.
#[derive(Debug)]
pub enum Raise {
    /// Its own words: the error that the caller sees, behind the caller's place.
    Text(String),
    /// Of the engine itself, such as too little memory.
    Engine(mlua::Error),
}

impl From<String> for Raise {
    fn from(text: String) -> Self {
        Raise::Text(text)
    }
}

impl From<&str> for Raise {
    fn from(text: &str) -> Self {
        Raise::Text(text.to_owned())
    }
}

impl From<mlua::Error> for Raise {
    fn from(error: mlua::Error) -> Self {
        Raise::Engine(error)
    }
}

/// Where the Lua side of [`waiting_function`] is kept.
const WAITING: &str = "headgate.waiting";

/// Prepares a machine for [`function`] and [`waiting_function`].
pub(crate) fn prepare(lua: &Lua) -> Result<()> {
    let waiting: Function = lua
        .load(
            "local waiting = ...
             local error, yield, yieldable = error, coroutine.yield, coroutine.isyieldable
             local function pass(ok, ...)
               if not ok then
                 error((...), 2)
               end
               return ...
             end
             local function settled(first, ...)
               if first == waiting then
                 if not yieldable() then
                   return false, 'attempt to yield across C-call boundary'
                 end
                 return yield(waiting)
               end
               return first, ...
             end
             return function(f)
               return function(...)
                 return pass(settled(f(...)))
               end
             end",
        )
        .set_name("=engine")
        .call(coroutine::mark())?;
    lua.set_named_registry_value(WAITING, waiting)?;
    direct::prepare(lua)
}

/// A function for Lua. `run` gets its arguments and must not call Lua that could run for long.
///
/// # Errors
/// When there is no memory.
pub fn function<A, R>(
    lua: &Lua,
    run: impl Fn(&Lua, A) -> std::result::Result<R, Raise> + 'static,
) -> Result<Function>
where
    A: FromLuaMulti,
    R: IntoLuaMulti,
{
    direct::function(lua, run)
}

/// A function for Lua that may wait: the coroutine that calls it yields to the worker until the future is done. Only for
/// phases that may wait; called where nothing can yield, it raises Lua's own words for that.
///
/// Any number of calls may wait at once, so the future must hold no value of Lua's while it waits: what it needs then is
/// taken out before, or [`Stored`](crate::Stored).
///
/// # Errors
/// When there is no memory.
pub fn waiting_function<A, R, F>(lua: &Lua, run: impl Fn(Lua, A) -> F + 'static) -> Result<Function>
where
    A: FromLuaMulti,
    R: IntoLuaMulti,
    F: Future<Output = std::result::Result<R, Raise>> + 'static,
{
    let plain = lua.create_function(move |lua, arguments: MultiValue| {
        let answer = match A::from_lua_multi(arguments, lua) {
            Ok(arguments) => run(lua.clone(), arguments),
            Err(error) => return answered(lua, Err(error.into())),
        };
        let lua = lua.clone();
        coroutine::begin(Box::pin(async move {
            let answer = answer.await;
            answered(
                &lua,
                answer.and_then(|answer| Ok(answer.into_lua_multi(&lua)?)),
            )
        }))
    })?;
    lua.named_registry_value::<Function>(WAITING)?.call(plain)
}

/// True and the results, or false and what is wrong.
pub(crate) fn answered(
    lua: &Lua,
    answer: std::result::Result<MultiValue, Raise>,
) -> Result<MultiValue> {
    let text = match answer {
        Ok(mut values) => {
            values.push_front(Value::Boolean(true));
            return Ok(values);
        }
        Err(Raise::Text(text)) => lua.create_string(text)?,
        Err(Raise::Engine(error)) => match lua.create_string(said(&error).to_string()) {
            Ok(text) => text,
            Err(_) => return Err(error),
        },
    };
    Ok([Value::Boolean(false), Value::String(text)]
        .into_iter()
        .collect())
}
