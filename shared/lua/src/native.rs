//! Functions written in Rust that Lua calls. What they refuse is raised as a text of Lua's, with the place of the caller;
//! an error of mlua's own would be an object, which no plugin expects.

use std::future::Future;

use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue, Result, Value};

use crate::state::said;

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

/// Where the Lua side of [`function`] is kept.
const RAISING: &str = "headgate.raising";

/// Prepares a machine for [`function`].
pub(crate) fn prepare(lua: &Lua) -> Result<()> {
    let raising: Function = lua
        .load(
            "local error = error
             local function pass(ok, ...)
               if not ok then
                 error((...), 2)
               end
               return ...
             end
             return function(f)
               return function(...)
                 return pass(f(...))
               end
             end",
        )
        .set_name("=engine")
        .eval()?;
    lua.set_named_registry_value(RAISING, raising)
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
    let plain = lua.create_function(move |lua, arguments: MultiValue| {
        let answer = A::from_lua_multi(arguments, lua)
            .map_err(Raise::from)
            .and_then(|arguments| run(lua, arguments))
            .and_then(|answer| Ok(answer.into_lua_multi(lua)?));
        answered(lua, answer)
    })?;
    lua.named_registry_value::<Function>(RAISING)?.call(plain)
}

/// A function for Lua that may wait: the coroutine that calls it yields to the worker until the future is done. Only for
/// phases that may wait; called where nothing can yield, it raises Lua's own words for that.
///
/// # Errors
/// When there is no memory.
pub fn waiting_function<A, R, F>(lua: &Lua, run: impl Fn(Lua, A) -> F + 'static) -> Result<Function>
where
    A: FromLuaMulti,
    R: IntoLuaMulti,
    F: Future<Output = std::result::Result<R, Raise>> + 'static,
{
    let run = std::rc::Rc::new(run);
    let plain = lua.create_async_function(move |lua, arguments: MultiValue| {
        let run = run.clone();
        async move {
            let answer = match A::from_lua_multi(arguments, &lua) {
                Ok(arguments) => run(lua.clone(), arguments).await,
                Err(error) => Err(error.into()),
            };
            let answer = answer.and_then(|answer| Ok(answer.into_lua_multi(&lua)?));
            answered(&lua, answer)
        }
    })?;
    lua.named_registry_value::<Function>(RAISING)?.call(plain)
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
