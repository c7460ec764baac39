//! Ends a call that overruns, from within its own thread.
//!
//! A hook that counts instructions all the time would cost too much, and compiled loops never call one. So no hook is
//! set until the watchdog finds a call that has run for too long. It sends the thread a signal when it finds the same call a
//! second time, whose handler then begins to count CPU time, and others when the call's time is over. The handler, if the
//! thread has indeed used up the CPU time, sets a hook that fails at every instruction; LuaJIT is built such that
//! compiled loops notice (`LUAJIT_ENABLE_CHECKHOOK`, see `.cargo/config.toml`). `lua_sethook` is the one function of Lua
//! that may be called while the same thread is anywhere inside of it. The hook stays until the call has ended, so a
//! `pcall` that catches the failure meets the next one at once, and so on outwards.
//!
//! Where LuaJIT was built otherwise nothing is compiled: interpreted code always notices a hook.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::sync::Once;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, compiler_fence};
use std::time::Duration;
use std::{mem, ptr};

use libc::c_int;
use mlua::Lua;
use mlua::ffi::{self, lua_Debug, lua_State};
use shared::settings::LuaJit;

use super::TOO_LONG;
use super::watchdog::{self, Slot};

/// Whether compiled loops notice a hook. If not, [`prepare`] switches the compiler off.
const CHECKED_LOOPS: bool = cfg!(check_hook);

/// The signal that tells a thread to look at its clock. Nothing else here uses virtual timers.
pub(super) const POKE: c_int = libc::SIGVTALRM;

/// A state whose calls can be ended.
#[derive(Clone, Copy, Debug)]
pub struct Interruptible(*mut lua_State);

thread_local! {
    // Made at compile time and without destructors: the signal handler reads and writes them. Atomics, as the signal may
    // come between any two instructions, and fences where their order matters to it.
    /// The state of the call that runs on this thread; null while there is none.
    static CURRENT: AtomicPtr<lua_State> = const { AtomicPtr::new(ptr::null_mut()) };
    /// Its share of CPU time, in nanoseconds.
    static SHARE: AtomicU64 = const { AtomicU64::new(0) };
    /// CPU time of the thread, in nanoseconds, at which that call has used up its share; 0 while nobody has looked.
    static DEADLINE: AtomicU64 = const { AtomicU64::new(0) };
    /// Time on the clock at which the deadline was set.
    static SET: AtomicU64 = const { AtomicU64::new(0) };
    static OVERRUN: AtomicBool = const { AtomicBool::new(false) };
}

thread_local! {
    static SLOT: Slot = {
        install_handler();
        watchdog::register()
    };
}

/// Whether the call that runs on this thread has used up its time. Long loops in Rust ask now and then.
pub fn overrun() -> bool {
    OVERRUN.with(|overrun| overrun.load(Relaxed))
}

/// Makes the calls of a state ones that can be ended.
///
/// # Errors
/// If the compiler cannot be switched off where it has to be.
pub fn prepare(lua: &Lua, jit: LuaJit) -> mlua::Result<Interruptible> {
    if !CHECKED_LOOPS || jit == LuaJit::Off {
        lua.load("jit.off()").exec()?;
    }
    Ok(Interruptible(lua.exec_raw_lua(|raw| raw.state())))
}

/// A call that is being watched, until this is dropped. A call within a call counts for the outer one.
pub struct Watch {
    outer: bool,
    /// When it began, by [`clock`]; 0 if its time is counted from the start.
    began: u64,
    /// It belongs to its thread.
    here: PhantomData<*mut ()>,
}

impl Watch {
    /// Begins: from now on the thread may use `cpu` in this state, which must outlive the watch. Nearly every call ends
    /// before the watchdog looks, so the CPU time is not asked for, which takes a call of the system: it is counted from
    /// the first time that the watchdog finds the call running.
    pub(crate) fn begin(state: Interruptible, cpu: Duration) -> Self {
        Self::until(state, cpu, 0, 0)
    }

    /// The same for the first part of a call that may wait, at `began` by [`clock`]: [`Watch::left`] counts from there.
    pub(crate) fn first(state: Interruptible, cpu: Duration, began: u64) -> Self {
        Self::until(state, cpu, 0, began)
    }

    /// Begins to count at once.
    pub(crate) fn exact(state: Interruptible, cpu: Duration) -> Self {
        Self::until(state, cpu, thread_time().saturating_add(nanos(cpu)), 0)
    }

    fn until(state: Interruptible, cpu: Duration, deadline: u64, began: u64) -> Self {
        let outer = CURRENT.with(|current| current.load(Relaxed).is_null());
        if outer {
            OVERRUN.with(|overrun| overrun.store(false, Relaxed));
            SHARE.with(|share| share.store(nanos(cpu), Relaxed));
            DEADLINE.with(|of| of.store(deadline, Relaxed));
            // A poke for the call before may still come: with this call's state it must meet this call's deadline.
            compiler_fence(SeqCst);
            CURRENT.with(|current| current.store(state.0, Relaxed));
            SLOT.with(|slot| slot.begin(cpu));
        }
        Self {
            outer,
            began,
            here: PhantomData,
        }
    }

    /// Whether it was ended for having run too long.
    pub(crate) fn overrun(&self) -> bool {
        overrun()
    }

    /// What is left of its time. Of what was not counted the time on the clock is taken: no call gains by waiting.
    pub(crate) fn left(&self) -> Duration {
        let deadline = DEADLINE.with(|deadline| deadline.load(Relaxed));
        let left = match deadline {
            0 => {
                let share = SHARE.with(|share| share.load(Relaxed));
                share.saturating_sub(clock().saturating_sub(self.began))
            }
            _ if self.began == 0 => deadline.saturating_sub(thread_time()),
            _ => {
                let before = SET.with(|set| set.load(Relaxed)).saturating_sub(self.began);
                deadline
                    .saturating_sub(thread_time())
                    .saturating_sub(before)
            }
        };
        Duration::from_nanos(left)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.outer {
            return;
        }
        let state = CURRENT.with(|current| current.swap(ptr::null_mut(), Relaxed));
        compiler_fence(SeqCst); // From here on the handler does nothing.
        SLOT.with(Slot::end);
        if OVERRUN.with(|overrun| overrun.swap(false, Relaxed)) {
            // SAFETY: the state is alive, as `begin` demands, and belongs to this thread.
            unsafe { ffi::lua_sethook(state, None, 0, 0) };
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time that this thread has used, in nanoseconds.
fn thread_time() -> u64 {
    time(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Time on the clock, in nanoseconds since some moment.
pub(crate) fn clock() -> u64 {
    time(libc::CLOCK_MONOTONIC)
}

fn time(clock: libc::clockid_t) -> u64 {
    // SAFETY: `timespec` is plain numbers, for which zeroes are valid.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a local that lives through the call. The clocks exist on Linux and macOS.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
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
    let state = CURRENT.with(|current| current.load(Relaxed));
    if state.is_null() {
        return;
    }
    let (now, deadline) = (thread_time(), DEADLINE.with(|of| of.load(Relaxed)));
    if deadline == 0 {
        let share = SHARE.with(|share| share.load(Relaxed));
        SET.with(|set| set.store(clock(), Relaxed));
        DEADLINE.with(|of| of.store(now.saturating_add(share).max(1), Relaxed));
        return;
    }
    if now < deadline {
        return;
    }
    OVERRUN.with(|overrun| overrun.store(true, Relaxed));
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
