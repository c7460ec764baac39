//! Coroutines that wait for futures.
//!
//! A function that waits begins its future at once. If that is not done, the coroutine yields a mark, and whoever polls the
//! coroutine polls the future from then on: Lua runs again when there is an answer. Meanwhile the coroutine lies in its
//! machine by its place, so that one that waits holds no reference, and any number may.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mlua::ffi;
use mlua::{Function, IntoLuaMulti, LightUserData, Lua, MultiValue, Thread, Value};

use crate::native::take;
use crate::stored::Stored;

/// What a coroutine waits for: values to go on with.
pub(crate) type Wait = Pin<Box<dyn Future<Output = mlua::Result<MultiValue>>>>;

/// How many that have ended are kept to be used again.
const IDLE: usize = 32;

/// What a coroutine yields while it waits: no value that a plugin could have.
pub(crate) fn mark() -> LightUserData {
    static MARK: u8 = 0;
    LightUserData((&raw const MARK).cast::<c_void>().cast_mut())
}

thread_local! {
    /// Of the coroutine that runs now; none where nothing can wait.
    static AWAITED: RefCell<Option<Awaited>> = const { RefCell::new(None) };
}

/// What the coroutine that runs now waits for.
struct Awaited {
    /// Of who polls the coroutine, for as long as it runs.
    waker: NonNull<Waker>,
    wait: Option<Wait>,
}

impl Awaited {
    /// Runs something during which functions may begin to wait; what it left waiting for, if anything.
    fn during<T>(waker: &Waker, run: impl FnOnce() -> T) -> (T, Option<Wait>) {
        /// That of the coroutine outside of this one.
        struct Outer(Option<Awaited>);
        impl Drop for Outer {
            fn drop(&mut self) {
                AWAITED.set(self.0.take());
            }
        }
        let awaited = Awaited {
            waker: NonNull::from(waker),
            wait: None,
        };
        let _outer = Outer(AWAITED.replace(Some(awaited)));
        let done = run();
        let wait = AWAITED.with_borrow_mut(|awaited| awaited.as_mut()?.wait.take());
        (done, wait)
    }
}

/// Begins to wait: the values, if they are there already, else the mark, which the coroutine is to yield.
///
/// # Errors
/// What the future says.
pub(crate) fn begin(mut wait: Wait) -> mlua::Result<MultiValue> {
    let waker = AWAITED.with_borrow(|awaited| awaited.as_ref().map(|of| of.waker));
    // SAFETY: `during` put it there, has not ended, and borrows the waker until then.
    let waker = waker.map_or(Waker::noop(), |waker| unsafe { waker.as_ref() });
    if let Poll::Ready(values) = wait.as_mut().poll(&mut Context::from_waker(waker)) {
        return values;
    }
    // One from before waits no more: its coroutine could not yield. Nor will this one where there is none.
    let _before = AWAITED.with_borrow_mut(|awaited| awaited.as_mut()?.wait.replace(wait));
    Ok(MultiValue::from_iter([Value::LightUserData(mark())]))
}

/// A coroutine, which runs while it is polled. Dropped early, it has ended where it waits.
pub struct Coroutine {
    at: At,
    idle: Rc<Idle>,
    lua: Lua,
}

enum At {
    /// It can go on, with so many values that lie on its stack.
    Ready(Thread, c_int),
    Waits(Stored, Wait),
    /// It has yielded for reasons of its own, and goes on the next time.
    GaveWay(Stored),
    Over,
}

/// Coroutines of a machine that have ended.
#[derive(Default)]
pub(crate) struct Idle(RefCell<Vec<Thread>>);

impl Idle {
    /// Those of a machine.
    pub(crate) fn of(lua: &Lua) -> Rc<Self> {
        if let Some(idle) = lua.app_data_ref::<Rc<Self>>() {
            return idle.clone();
        }
        let idle = Rc::<Self>::default();
        lua.set_app_data(idle.clone());
        idle
    }

    /// One with nothing on its stack.
    fn thread(&self, lua: &Lua, function: &Function) -> mlua::Result<Thread> {
        let idle = self.0.borrow_mut().pop();
        if let Some(thread) = idle {
            return Ok(thread);
        }
        let thread = lua.create_thread(function.clone())?;
        // SAFETY: it has not begun; the function is all that is on its stack.
        unsafe { ffi::lua_settop(thread.state(), 0) };
        Ok(thread)
    }

    fn keep(&self, thread: Thread) {
        let mut idle = self.0.borrow_mut();
        if idle.len() < IDLE {
            idle.push(thread);
        }
    }
}

/// How far a coroutine came.
enum Came {
    /// It waits for what has been left in [`AWAITED`].
    Waits,
    /// It yielded.
    GaveWay,
    Returned(Returned),
}

/// What a coroutine returned.
pub(crate) enum Returned {
    /// `true` and nothing else: how nearly all calls end.
    True,
    Values(MultiValue),
}

impl Coroutine {
    /// One that is to call a function with these arguments.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(lua: &Lua, function: &Function, arguments: impl IntoLuaMulti) -> mlua::Result<Self> {
        Self::within(lua, Idle::of(lua), function, arguments)
    }

    /// The same, where the machine's [`Idle`] is at hand.
    pub(crate) fn within(
        lua: &Lua,
        idle: Rc<Idle>,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> mlua::Result<Self> {
        let thread = idle.thread(lua, function)?;
        let count = give(lua, &thread, (function, arguments))? - 1;
        Ok(Self {
            at: At::Ready(thread, count),
            idle,
            lua: lua.clone(),
        })
    }

    fn thread(&self, stored: &Stored) -> mlua::Result<Thread> {
        let thread = stored.get(&self.lua);
        thread.ok_or(mlua::Error::CoroutineUnresumable)
    }

    /// Lets it run as far as it can.
    pub(crate) fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<mlua::Result<Returned>> {
        let (thread, count) = match std::mem::replace(&mut self.at, At::Over) {
            At::Ready(thread, count) => (thread, count),
            At::Waits(stored, mut wait) => match wait.as_mut().poll(cx) {
                Poll::Ready(values) => {
                    let thread = self.thread(&stored)?;
                    let count = give(&self.lua, &thread, values?)?;
                    (thread, count)
                }
                Poll::Pending => {
                    self.at = At::Waits(stored, wait);
                    return Poll::Pending;
                }
            },
            At::GaveWay(stored) => (self.thread(&stored)?, 0),
            At::Over => return Poll::Ready(Err(mlua::Error::CoroutineUnresumable)),
        };
        let (came, wait) = Awaited::during(cx.waker(), || resume(&self.lua, &thread, count));
        let came = match came? {
            Came::Returned(returned) => {
                self.idle.keep(thread);
                return Poll::Ready(Ok(returned));
            }
            other => other,
        };
        let stored = Stored::new(&self.lua, thread)?;
        self.at = match (came, wait) {
            (Came::Waits, Some(wait)) => At::Waits(stored, wait),
            _ => {
                cx.waker().wake_by_ref();
                At::GaveWay(stored)
            }
        };
        Poll::Pending
    }
}

impl Future for Coroutine {
    type Output = mlua::Result<MultiValue>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let returned = self.go_on(cx);
        returned.map_ok(|returned| match returned {
            Returned::True => MultiValue::from_iter([Value::Boolean(true)]),
            Returned::Values(values) => values,
        })
    }
}

/// Puts values on a coroutine's stack; answers how many.
fn give(lua: &Lua, thread: &Thread, values: impl IntoLuaMulti) -> mlua::Result<c_int> {
    lua.exec_raw_lua(|lua| {
        let (from, to) = (lua.state(), thread.state());
        // SAFETY: both are alive, and of one machine: `lua` and `thread` hold them. The coroutine does not run. What is on
        // top of the one moves to the other, which has been made room for it.
        unsafe {
            let top = ffi::lua_gettop(from);
            let count = match values.push_into_stack_multi(lua) {
                Ok(count) if ffi::lua_checkstack(to, count) != 0 => count,
                Ok(_) => {
                    ffi::lua_settop(from, top);
                    return Err(mlua::Error::StackError);
                }
                Err(error) => {
                    ffi::lua_settop(from, top);
                    return Err(error);
                }
            };
            ffi::lua_xmove(from, to, count);
            Ok(count)
        }
    })
}

/// Lets a coroutine go on with the values on top of its stack.
///
/// # Errors
/// What it has raised. It cannot go on then.
fn resume(lua: &Lua, thread: &Thread, count: c_int) -> mlua::Result<Came> {
    lua.exec_raw_lua(|lua| {
        let (from, of) = (lua.state(), thread.state());
        let mut results = 0;
        // SAFETY: both are alive and of one machine. The coroutine does not run and has not ended, so it may be resumed;
        // it catches whatever is raised in it. What lies on its stack then is its own to take.
        unsafe {
            match ffi::lua_resume(of, from, count, &raw mut results) {
                ffi::LUA_OK if results == 1 && is_true(of) => {
                    ffi::lua_settop(of, 0);
                    Ok(Came::Returned(Returned::True))
                }
                ffi::LUA_OK => {
                    let values = take(lua, of, results)?;
                    Ok(Came::Returned(Returned::Values(values)))
                }
                ffi::LUA_YIELD => {
                    let waits = results > 0 && ffi::lua_touserdata(of, 1) == mark().0;
                    ffi::lua_settop(of, 0);
                    Ok(if waits { Came::Waits } else { Came::GaveWay })
                }
                ffi::LUA_ERRMEM => Err(mlua::Error::MemoryError("not enough memory".to_owned())),
                _ => {
                    let raised = take(lua, of, 1)?.pop_front();
                    Err(match raised {
                        Some(Value::Error(error)) => *error,
                        Some(Value::String(text)) => {
                            mlua::Error::RuntimeError(text.to_string_lossy())
                        }
                        _ => mlua::Error::RuntimeError("no reason was given".to_owned()),
                    })
                }
            }
        }
    })
}

/// Whether true is on top of a stack.
unsafe fn is_true(state: *mut ffi::lua_State) -> bool {
    // SAFETY: the caller's: there is a value.
    unsafe { ffi::lua_isboolean(state, -1) != 0 && ffi::lua_toboolean(state, -1) != 0 }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::native::{prepare, waiting_function};

    /// A machine with a function `wait(…)` that waits until the gate is open and answers its arguments.
    fn machine() -> (Lua, Rc<Cell<bool>>) {
        let (lua, open) = (Lua::new(), Rc::<Cell<bool>>::default());
        prepare(&lua).expect("memory");
        let gate = open.clone();
        let wait = waiting_function(&lua, move |lua, values: MultiValue| {
            let (gate, values) = (gate.clone(), Stored::of_list(&lua, values));
            async move {
                std::future::poll_fn(|_| match gate.get() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                })
                .await;
                Ok(values?.list(&lua).unwrap_or_default())
            }
        });
        lua.globals()
            .set("wait", wait.expect("memory"))
            .expect("memory");
        (lua, open)
    }

    fn coroutine(lua: &Lua, source: &str) -> Coroutine {
        let function = lua.load(source).into_function().expect("Lua");
        Coroutine::new(lua, &function, MultiValue::new()).expect("memory")
    }

    fn poll(coroutine: &mut Coroutine) -> Poll<String> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(coroutine)
            .poll(&mut cx)
            .map(|answer| match answer {
                Ok(values) => {
                    let said = values
                        .iter()
                        .map(|value| value.to_string().expect("a text"));
                    said.collect::<Vec<_>>().join(" ")
                }
                Err(error) => error
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            })
    }

    /// How many references there is room for.
    fn room(lua: &Lua) -> usize {
        let tables = std::iter::from_fn(|| lua.create_table().ok());
        tables.collect::<Vec<_>>().len()
    }

    #[test]
    fn they_go_on_when_there_is_an_answer() {
        // What it does, what it has answered before the gate opens, and at the end.
        for (source, before, after) in [
            ("return 1, 'two'", Some("1 two"), "1 two"),
            ("return wait(1, nil, 'three')", None, "1 nil three"),
            (
                "local a = wait(1) local b = wait(2) return a + b",
                None,
                "3",
            ),
            ("return pcall(wait, 'x')", None, "true x"),
            ("coroutine.yield('mine') return wait(1)", None, "1"),
            ("coroutine.yield() return 1", None, "1"),
            // Nobody can wait within a function of C's; what that leaves is not waited for.
            (
                "local ok, said = pcall(table.sort, { 2, 1 }, function() wait() end) return said:match(':(%d+: att.*)')",
                Some("1: attempt to yield across C-call boundary"),
                "1: attempt to yield across C-call boundary",
            ),
            (
                "pcall(table.sort, { 2, 1 }, function() wait('lost') end) return wait('found')",
                None,
                "found",
            ),
            (
                "pcall(table.sort, { 2, 1 }, function() wait('lost') end) coroutine.yield() return 1",
                None,
                "1",
            ),
        ] {
            let (lua, open) = machine();
            let mut one = coroutine(&lua, source);
            let first = poll(&mut one);
            let before = before.map_or(Poll::Pending, |text| Poll::Ready(text.to_owned()));
            assert_eq!(first, before, "{source}");
            open.set(true);
            let mut last = first;
            for _ in 0..3 {
                if last.is_pending() {
                    last = poll(&mut one);
                }
            }
            assert_eq!(last, Poll::Ready(after.to_owned()), "{source}");
            assert_eq!(
                poll(&mut one),
                Poll::Ready("coroutine is non-resumable".to_owned())
            );
        }
    }

    #[test]
    fn where_there_is_none_nothing_waits() {
        let (lua, open) = machine();
        let wait: Function = lua.globals().get("wait").expect("it is there");
        let error = wait.call::<Value>(()).expect_err("nothing can yield");
        let error = error.to_string();
        assert!(
            error.contains("attempt to yield across C-call boundary"),
            "{error}"
        );
        open.set(true);
        let answer: String = wait.call("at once").expect("it need not wait");
        assert_eq!(answer, "at once");
    }

    #[test]
    fn any_number_waits_without_a_reference() {
        let (lua, open) = machine();
        let before = room(&lua);
        let mut all: Vec<_> = (0..20_000)
            .map(|n| coroutine(&lua, &format!("return wait({n}, 'text', {{}}, print) + 1")))
            .map(|mut one| {
                assert!(poll(&mut one).is_pending());
                one
            })
            .collect();
        let used = before - room(&lua);
        assert!(used <= 4, "{used} references");
        open.set(true);
        for (n, one) in all.iter_mut().enumerate() {
            assert_eq!(poll(one), Poll::Ready((n + 1).to_string()));
        }
    }

    #[test]
    fn one_that_is_dropped_drops_what_it_waits_for() {
        let (lua, open) = machine();
        let mut one = coroutine(&lua, "return wait({})");
        assert!(poll(&mut one).is_pending());
        // The machine's own, the test's, that of the one that waits.
        assert_eq!(Rc::strong_count(&open), 3);
        drop(one);
        assert_eq!(Rc::strong_count(&open), 2);
    }
}
