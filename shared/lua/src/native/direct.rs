//! What lies between Lua and a function in Rust: arguments are taken from Lua's stack as what they are wanted as, results
//! put there as what they are, and a refusal is raised as a text with its caller's place.
//!
//! mlua's own callbacks do most of it: they catch panics and know the coroutine that calls. But what they raise is an
//! object. So the C function of such a callback is called by one of ours ([`enter`]), which raises what the callback left
//! on the stack. No value of Rust that is to be dropped is alive there.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr;

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;
use mlua::{
    FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Value,
    lua_CFunction,
};

use super::Raise;
use crate::state::said;

/// What a callback answers instead of a number of results: what is on top of the stack is to be raised.
const RAISES: c_int = -1;

/// A function for Lua that raises what `run` refuses, with the place of its caller.
///
/// # Errors
/// When there is no memory.
pub(super) fn function<A, R>(
    lua: &Lua,
    run: impl Fn(&Lua, A) -> std::result::Result<R, Raise> + 'static,
) -> Result<Function>
where
    A: FromLuaMulti,
    R: IntoLuaMulti,
{
    let callback = lua.create_function(move |lua, Taken(arguments)| {
        let answer = arguments.map_err(Raise::from);
        Ok(Given(answer.and_then(|arguments| run(lua, arguments))))
    })?;
    // SAFETY: the closure uses the function that it is given and nothing else, keeps within the room that C functions
    // have, and has nothing to drop.
    unsafe { lua.exec_raw(callback, |state| wrap(state)) }
}

/// Puts the function on top into one of ours: with the same upvalue, and the C function that it goes on with.
unsafe fn wrap(state: *mut lua_State) {
    // SAFETY: the caller's: a function of mlua's is on top. Its C function expects its own upvalue, the first, and no more.
    unsafe {
        let run = ffi::lua_tocfunction(state, -1);
        let run = run.map_or(ptr::null_mut(), |run| run as *mut c_void);
        ffi::lua_getupvalue(state, -1, 1);
        ffi::lua_pushlightuserdata(state, run);
        ffi::lua_pushcclosure(state, enter, 2);
        ffi::lua_remove(state, -2);
    }
}

/// What Lua calls.
unsafe extern "C-unwind" fn enter(state: *mut lua_State) -> c_int {
    // SAFETY: `wrap` made the upvalues: the second is the C function of a callback of mlua's, which finds its own upvalue
    // in the first place, as it would if Lua had called it itself. What is raised here passes this function only, which
    // has nothing to drop. Behind a refusal there is room, since its arguments have room for 20 values behind them.
    unsafe {
        let run = ffi::lua_touserdata(state, ffi::lua_upvalueindex(2));
        let run: lua_CFunction = std::mem::transmute::<*mut c_void, lua_CFunction>(run);
        let count = run(state);
        if count != RAISES {
            return count;
        }
        ffi::luaL_where(state, 1);
        ffi::lua_insert(state, -2);
        ffi::lua_concat(state, 2);
        ffi::lua_error(state)
    }
}

/// The arguments of a call, straight from the stack; what is wrong with them is for the function to say.
struct Taken<A>(Result<A>);

impl<A: FromLuaMulti> FromLuaMulti for Taken<A> {
    fn from_lua_multi(values: MultiValue, lua: &Lua) -> Result<Self> {
        Ok(Self(A::from_lua_multi(values, lua)))
    }

    unsafe fn from_stack_multi(count: c_int, lua: &RawLua) -> Result<Self> {
        // SAFETY: the caller's: so many values are on the stack.
        Ok(Self(unsafe { A::from_stack_multi(count, lua) }))
    }
}

/// The results of a call or its refusal.
struct Given<R>(std::result::Result<R, Raise>);

impl<R: IntoLuaMulti> IntoLuaMulti for Given<R> {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        match self.0 {
            Ok(results) => results.into_lua_multi(lua),
            Err(Raise::Text(text)) => Err(mlua::Error::RuntimeError(text)),
            Err(Raise::Engine(error)) => Err(error),
        }
    }

    unsafe fn push_into_stack_multi(self, lua: &RawLua) -> Result<c_int> {
        // SAFETY: the stack is that of a C function that is being called, as mlua promises.
        unsafe {
            let error = match self.0 {
                Ok(results) => match results.push_into_stack_multi(lua) {
                    Ok(count) => return Ok(count),
                    Err(error) => error,
                },
                Err(Raise::Text(text)) => {
                    push(lua, text.as_bytes())?;
                    return Ok(RAISES);
                }
                Err(Raise::Engine(error)) => error,
            };
            match push(lua, said(&error).to_string().as_bytes()) {
                Ok(()) => Ok(RAISES),
                Err(_) => Err(error),
            }
        }
    }
}

/// A text for Lua: as the result of a function it costs far less than a [`LuaString`].
#[derive(Clone, Copy, Debug)]
pub struct Text<T>(pub T);

impl<T: AsRef<[u8]>> IntoLua for Text<T> {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        string(lua, self.0).map(Value::String)
    }

    unsafe fn push_into_stack(self, lua: &RawLua) -> Result<()> {
        // SAFETY: the caller's: there is room for one value.
        unsafe { push(lua, self.0.as_ref()) }
    }
}

/// A text of Lua's.
///
/// # Errors
/// When there is no memory.
pub fn string(lua: &Lua, text: impl AsRef<[u8]>) -> Result<LuaString> {
    lua.exec_raw_lua(|lua| {
        // SAFETY: `push` leaves one value, which `pop` takes.
        unsafe {
            push(lua, text.as_ref())?;
            lua.pop()
        }
    })
}

/// Takes the values on top of a coroutine's stack.
///
/// # Errors
/// When there is no room for them.
///
/// # Safety
/// So many values must lie there. The coroutine must be of the same machine, and not run.
pub(crate) unsafe fn take(lua: &RawLua, from: *mut lua_State, count: c_int) -> Result<MultiValue> {
    let state = lua.state();
    // SAFETY: the caller's; there is room for what is moved, and it is taken away again.
    unsafe {
        if ffi::lua_checkstack(state, count.saturating_add(1)) == 0 {
            return Err(mlua::Error::StackError);
        }
        let top = ffi::lua_gettop(state);
        ffi::lua_xmove(from, state, count);
        let values = MultiValue::from_stack_multi(count, lua);
        ffi::lua_settop(state, top);
        values
    }
}

/// The key of [`pushes`] in the registry. Lua itself and mlua take whole numbers from 1 on, other keys are no numbers.
const PUSHES: c_int = -7_221;

/// Prepares a machine for [`push`].
///
/// # Errors
/// When there is no memory.
pub(super) fn prepare(lua: &Lua) -> Result<()> {
    // SAFETY: the closure keeps within the room that C functions have and has nothing to drop.
    unsafe {
        lua.exec_raw((), |state| {
            ffi::lua_pushcfunction(state, pushes);
            ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, PUSHES.into());
        })
    }
}

/// Puts a text on the stack. mlua's own way makes two closures for each text, to be able to say that there is no memory.
///
/// # Errors
/// When there is no memory.
unsafe fn push(lua: &RawLua, text: &[u8]) -> Result<()> {
    let state = lua.state();
    // SAFETY: what may raise is called by `lua_pcall`, and takes no room of the stack before it was checked for.
    unsafe {
        if ffi::lua_checkstack(state, 2) == 0 {
            return Err(mlua::Error::StackError);
        }
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, PUSHES.into());
        ffi::lua_pushlightuserdata(state, ptr::from_ref(&text).cast_mut().cast());
        if ffi::lua_pcall(state, 1, 1, 0) == ffi::LUA_OK {
            return Ok(());
        }
        ffi::lua_pop(state, 1);
        Err(mlua::Error::MemoryError("not enough memory".to_owned()))
    }
}

/// Makes a text of the slice that it is given a pointer to.
unsafe extern "C-unwind" fn pushes(state: *mut lua_State) -> c_int {
    // SAFETY: called by `push` only, whose slice is alive; nothing here is to be dropped.
    unsafe {
        let text = *ffi::lua_touserdata(state, 1).cast::<&[u8]>();
        ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
        1
    }
}
