//! How much memory of a machine a plugin holds (custom-plugins.md 6.3).
//!
//! The machine's allocator does not know for whom it works, and what a call has allocated says little: most of it is
//! garbage, or belongs to the request. So what a plugin's handler leads to is counted: its table, the functions in it, what
//! their upvalues and globals hold. What every plugin can reach is nobody's. Coroutines, and so the variables of calls that
//! run, are not looked into. Costs some 50 ns for each object, and nothing while nobody asks.

#![allow(unsafe_code)]

use std::collections::HashSet;

use mlua::ffi::{self, lua_State};
use mlua::{Table, Value};

use crate::plugin::Handler;
use crate::state::State;

/// Bytes of a string, table, function or userdata without what it holds, and of what tables and functions hold: as in
/// LuaJIT with 64-bit references.
mod size {
    pub(super) const STRING: usize = 24;
    pub(super) const TABLE: usize = 64;
    pub(super) const ELEMENT: usize = 8;
    pub(super) const MEMBER: usize = 24;
    pub(super) const FUNCTION: usize = 40;
    pub(super) const UPVALUE: usize = 48;
    pub(super) const USERDATA: usize = 48;
}

impl State {
    /// Bytes that each of the handlers leads to. What several of them lead to counts for the first.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn weigh<'h>(
        &self,
        handlers: impl Iterator<Item = &'h Handler>,
    ) -> mlua::Result<Vec<usize>> {
        let mut seen = HashSet::new();
        self.weight(Value::Table(self.lua().globals()), &mut seen)?;
        for trusted in [false, true] {
            let own = self.lua().create_function(|_, ()| Ok(false))?;
            let shared: Table = self.plugin_environment(trusted, own)?;
            self.weight(Value::Table(shared), &mut seen)?;
        }
        handlers
            .map(|handler| {
                let root = handler.root(self.lua());
                self.weight(root.map_or(Value::Nil, Value::Table), &mut seen)
            })
            .collect()
    }

    fn weight(&self, root: Value, seen: &mut HashSet<usize>) -> mlua::Result<usize> {
        let mut scale = Scale {
            seen,
            pending: 0,
            bytes: 0,
        };
        // SAFETY: `walk` gets a stack with one value, keeps within the slots that it asks for, runs no code of Lua's, and
        // has nothing to drop when Lua raises for want of memory, which `exec_raw` catches.
        unsafe {
            self.lua().exec_raw::<()>(root, |state| scale.walk(state))?;
        }
        Ok(scale.bytes)
    }
}

/// Where the table of what is still to be looked into lies on the stack.
const PENDING: i32 = 2;

struct Scale<'s> {
    seen: &'s mut HashSet<usize>,
    /// How many values the table of pending ones has.
    pending: i32,
    bytes: usize,
}

impl Scale<'_> {
    /// Counts the value on the stack and all that it leads to; leaves the stack empty.
    unsafe fn walk(&mut self, state: *mut lua_State) {
        // SAFETY: see `weight`; every branch leaves as many values on the stack as it found.
        unsafe {
            ffi::luaL_checkstack(state, 8, c"weighing".as_ptr());
            ffi::lua_newtable(state);
            ffi::lua_pushvalue(state, 1);
            self.put(state);
            while self.pending > 0 {
                ffi::lua_rawgeti(state, PENDING, self.pending.into());
                self.pending -= 1;
                match ffi::lua_type(state, -1) {
                    ffi::LUA_TTABLE => self.table(state),
                    ffi::LUA_TFUNCTION => self.function(state),
                    _ => {
                        self.bytes += size::USERDATA + ffi::lua_rawlen(state, -1);
                        self.behind(state);
                    }
                }
                ffi::lua_pop(state, 1);
            }
            ffi::lua_settop(state, 0);
        }
    }

    /// Takes a value off the stack: counts it, or notes it as one to look into, if it is new.
    unsafe fn put(&mut self, state: *mut lua_State) {
        // SAFETY: the caller has pushed a value.
        unsafe {
            match ffi::lua_type(state, -1) {
                ffi::LUA_TSTRING => {
                    let mut length = 0;
                    let text = ffi::lua_tolstring(state, -1, &raw mut length);
                    if self.seen.insert(text as usize) {
                        self.bytes += size::STRING + length;
                    }
                }
                ffi::LUA_TTABLE | ffi::LUA_TFUNCTION | ffi::LUA_TUSERDATA
                    if self.seen.insert(ffi::lua_topointer(state, -1) as usize) =>
                {
                    self.pending += 1;
                    ffi::lua_rawseti(state, PENDING, self.pending.into());
                    return;
                }
                _ => {}
            }
            ffi::lua_pop(state, 1);
        }
    }

    /// What the table on the stack holds.
    unsafe fn table(&mut self, state: *mut lua_State) {
        self.bytes += size::TABLE;
        // SAFETY: the table is not changed while it is gone through.
        unsafe {
            if ffi::lua_getmetatable(state, -1) != 0 {
                self.put(state);
            }
            ffi::lua_pushnil(state);
            while ffi::lua_next(state, -2) != 0 {
                self.put(state);
                self.bytes += match ffi::lua_type(state, -1) {
                    ffi::LUA_TNUMBER => size::ELEMENT,
                    _ => size::MEMBER,
                };
                ffi::lua_pushvalue(state, -1);
                self.put(state);
            }
        }
    }

    /// What the function on the stack holds.
    unsafe fn function(&mut self, state: *mut lua_State) {
        self.bytes += size::FUNCTION;
        // SAFETY: `lua_getupvalue` pushes nothing where there is no such upvalue.
        unsafe {
            let mut place = 1;
            while !ffi::lua_getupvalue(state, -1, place).is_null() {
                self.bytes += size::UPVALUE;
                self.put(state);
                place += 1;
            }
            ffi::lua_getfenv(state, -1);
            self.put(state);
        }
    }

    /// The metatable and the environment of the userdata on the stack.
    unsafe fn behind(&mut self, state: *mut lua_State) {
        // SAFETY: it is one.
        unsafe {
            if ffi::lua_getmetatable(state, -1) != 0 {
                self.put(state);
            }
            ffi::lua_getfenv(state, -1);
            self.put(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pdk::Phase;
    use crate::{Options, Script, State};

    #[test]
    fn a_plugin_has_what_its_functions_lead_to_and_no_more() {
        let state = State::new(&Options::default()).expect("a machine");
        let load = |name: &str, body: &str| {
            let source = format!(
                "local NAME, Plugin = '{name}', {{ PRIORITY = 1, VERSION = '1.0.0' }} {body} return Plugin"
            );
            let script = Script::module("handler.lua", &source).expect("Lua");
            state
                .load_handler(&script, name, false, None)
                .expect("a handler")
        };
        // 1 MiB of texts that differ.
        let fill =
            "for i = 1, 1024 do held[i] = NAME .. string.rep(i .. ' ', 1024):sub(1, 1024) end";
        let small = load(
            "small",
            "function Plugin.access() return kong, ngx, string end",
        );
        let cases = [
            ("local", format!("local held = {{}} {fill} function Plugin.access() return held end")),
            ("global", format!("held = {{}} {fill} function Plugin.access() end")),
            ("member", format!("Plugin.held = {{}} local held = Plugin.held {fill}")),
            ("key", format!(
                "local held, keys = {{}}, {{}} {fill} for _, text in ipairs(held) do keys[text .. '!'] = true end
                held = nil function Plugin.access() return keys end"
            )),
            ("class", format!(
                "local held = {{}} {fill} setmetatable(Plugin, {{ __index = function() return held end }})"
            )),
        ];
        let handlers: Vec<_> = cases.iter().map(|(name, body)| load(name, body)).collect();
        let all = handlers.iter().chain([&small]);
        let weights = state.weigh(all).expect("memory");
        for ((name, _), weight) in cases.iter().zip(&weights) {
            assert!((1 << 20..5 << 18).contains(weight), "{name}: {weight}");
        }
        assert!(weights[cases.len()] < 4 << 10, "{weights:?}");
        assert!(small.has(Phase::Access));

        // What two lead to counts once; garbage counts for nobody.
        let garbage = load("garbage", &format!("local held = {{}} {fill} held = nil"));
        let twice = [&garbage, &handlers[0], &handlers[0]];
        let weights = state.weigh(twice.into_iter()).expect("memory");
        assert!(
            weights[0] < 4 << 10 && weights[1] > 1 << 20 && weights[2] < 4 << 10,
            "{weights:?}"
        );
    }
}
