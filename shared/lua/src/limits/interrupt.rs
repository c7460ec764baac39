//! Ends a call that overruns, from within its own thread.
//!
//! A hook that counts instructions all the time would cost too much, and compiled loops never call one. So no hook is
//! set until the watchdog finds a call that has run for too long. It then sends the thread a signal, whose handler, if
//! the thread has indeed used up the CPU time, sets a hook that fails at every instruction; LuaJIT is built such that
//! compiled loops notice (`LUAJIT_ENABLE_CHECKHOOK`, see `.cargo/config.toml`). `lua_sethook` is the one function of Lua
//! that may be called while the same thread is anywhere inside of it. The hook stays until the call has ended, so a
//! `pcall` that catches the failure meets the next one at once, and so on outwards.
//!
//! Where LuaJIT was built otherwise nothing is compiled, and a hook looks at the clock every ten thousand instructions.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Once;
use std::time::Duration;
use std::{mem, ptr};

use libc::c_int;
use mlua::Lua;
use mlua::ffi::{self, lua_Debug, lua_State};

use super::TOO_LONG;
use super::watchdog::{self, Slot};

/// Whether compiled loops notice a hook. If not, [`prepare`] switches the compiler off.
const CHECKED_LOOPS: bool = cfg!(check_hook);

/// Instructions between two looks at the clock, without [`CHECKED_LOOPS`].
const STRIDE: c_int = 10_000;

/// The signal that tells a thread to look at its clock. Nothing else here uses virtual timers.
pub(super) const POKE: c_int = libc::SIGVTALRM;

/// A state whose calls can be ended.
#[derive(Clone, Copy, Debug)]
pub struct Interruptible(*mut lua_State);

/// The call that runs on this thread.
#[derive(Clone, Copy)]
struct Current {
    state: *mut lua_State,
    /// CPU time of the thread, in nanoseconds, at which it has used up its share.
    deadline: u64,
}

const NONE: Current = Current {
    state: ptr::null_mut(),
    deadline: 0,
};

thread_local! {
    // Made at compile time and without destructors: the signal handler reads and writes them.
    static CURRENT: Cell<Current> = const { Cell::new(NONE) };
    static OVERRUN: Cell<bool> = const { Cell::new(false) };
}

thread_local! {
    static SLOT: Slot = {
        install_handler();
        watchdog::register()
    };
}

/// Whether the call that runs on this thread has used up its time. Long loops in Rust ask now and then.
pub fn overrun() -> bool {
    OVERRUN.get()
}

/// Makes the calls of a state ones that can be ended.
///
/// # Errors
/// If the compiler cannot be switched off where it has to be.
pub fn prepare(lua: &Lua) -> mlua::Result<Interruptible> {
    if !CHECKED_LOOPS {
        lua.load("jit.off()").exec()?;
    }
    Ok(Interruptible(lua.exec_raw_lua(|raw| raw.state())))
}

/// A call that is being watched, until this is dropped. A call within a call counts for the outer one.
pub struct Watch {
    outer: bool,
    /// It belongs to its thread.
    here: PhantomData<*mut ()>,
}

impl Watch {
    /// Begins to count: from now on the thread may use `cpu` in this state, which must outlive the watch.
    pub(crate) fn begin(state: Interruptible, cpu: Duration) -> Self {
        let outer = CURRENT.get().state.is_null();
        if outer {
            let nanos = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
            OVERRUN.set(false);
            CURRENT.set(Current {
                state: state.0,
                deadline: thread_time().saturating_add(nanos),
            });
            if CHECKED_LOOPS {
                SLOT.with(|slot| slot.begin(cpu));
            } else {
                // SAFETY: the caller's state is alive and belongs to this thread.
                unsafe { ffi::lua_sethook(state.0, Some(look), ffi::LUA_MASKCOUNT, STRIDE) };
            }
        }
        Self {
            outer,
            here: PhantomData,
        }
    }

    /// Whether it was ended for having run too long.
    pub(crate) fn overrun(&self) -> bool {
        overrun()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.outer {
            return;
        }
        let state = CURRENT.replace(NONE).state; // From here on the handler does nothing.
        if CHECKED_LOOPS {
            SLOT.with(Slot::end);
        }
        if OVERRUN.replace(false) || !CHECKED_LOOPS {
            // SAFETY: the state is alive, as `begin` demands, and belongs to this thread.
            unsafe { ffi::lua_sethook(state, None, 0, 0) };
        }
    }
}

/// CPU time that this thread has used, in nanoseconds.
fn thread_time() -> u64 {
    // SAFETY: `timespec` is plain numbers, for which zeroes are valid.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a local that lives through the call. The clock exists on Linux and macOS.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

fn install_handler() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `sigaction` is plain data, for which zeroes are valid: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = on_poke as extern "C" fn(c_int) as usize;
        // Calls of the system that the signal meets go on, as if nothing had happened.
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the handler does only what a handler may: thread-locals that are made at compile time, a clock,
        // `lua_sethook`.
        unsafe { libc::sigaction(POKE, &raw const action, ptr::null_mut()) };
    });
}

/// The signal's handler.
extern "C" fn on_poke(_: c_int) {
    let Current { state, deadline } = CURRENT.get();
    if state.is_null() || thread_time() < deadline {
        return;
    }
    OVERRUN.set(true);
    // Off and on: should the signal have met Lua while it was changing hooks itself, the next poke mends it.
    // SAFETY: a state in `CURRENT` is alive, belongs to this thread, and `lua_sethook` may be called from a handler.
    unsafe {
        ffi::lua_sethook(state, None, 0, 0);
        ffi::lua_sethook(state, Some(fail), ffi::LUA_MASKCOUNT, 1);
    }
}

/// The hook of a call that has overrun.
unsafe extern "C-unwind" fn fail(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: Lua calls its hook with a state that has room for one value. No local needs to be dropped here.
    unsafe {
        ffi::lua_pushlstring(state, TOO_LONG.as_ptr().cast(), TOO_LONG.len());
        ffi::lua_error(state)
    }
}

/// The hook of a call that may overrun, where compiled loops would not notice one.
unsafe extern "C-unwind" fn look(state: *mut lua_State, called: *mut lua_Debug) {
    if OVERRUN.get() || thread_time() >= CURRENT.get().deadline {
        OVERRUN.set(true);
        // SAFETY: as Lua called this one.
        unsafe {
            ffi::lua_sethook(state, Some(fail), ffi::LUA_MASKCOUNT, 1);
            fail(state, called);
        }
    }
}
