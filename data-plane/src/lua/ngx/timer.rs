//! `ngx.timer` (custom-plugins.md 4): callbacks that run later on the same worker, each as a call of its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use lua::mlua::{self, MultiValue, Value};
use lua::pdk::{Host, Phase};
use lua::{Raise, State, Stored};
use tokio_util::sync::CancellationToken;

use crate::lua::call::{self, Call, Identity, Limits};
use crate::lua::pdk::{kind, number};

/// How many of one plugin may wait on one worker.
const MOST: usize = 256;
/// How long those that wait get when the worker ends.
const LAST: Duration = Duration::from_secs(5);

/// `custom_plugins_timers`.
static STREAMED: AtomicBool = AtomicBool::new(false);

const REFUSED: &str =
    "timers are not allowed in plugins that came with the configuration (custom_plugins_timers)";

thread_local! {
    static PENDING: RefCell<HashMap<Arc<str>, usize, RandomState>> = RefCell::default();
    static RUNNING: Cell<usize> = const { Cell::new(0) };
    static ENDING: CancellationToken = CancellationToken::new();
}

/// `custom_plugins_timers`: whether plugins that came with the configuration may have timers.
pub(in crate::lua) fn allow_streamed(allowed: bool) {
    STREAMED.store(allowed, Ordering::Relaxed);
}

/// The worker ends: what waits is called at once, with `premature`, and awaited for a while.
pub(in crate::lua) fn end() -> impl Future<Output = ()> {
    ENDING.with(CancellationToken::cancel);
    async {
        let over = async {
            while pending() + RUNNING.get() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(LAST, over).await;
    }
}

/// Whether the worker ends: `ngx.worker.exiting`.
pub(in crate::lua) fn is_ending() -> bool {
    ENDING.with(CancellationToken::is_cancelled)
}

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("ngx.timer.at", |_, arguments: MultiValue| {
        Ok(answered(begin("at", arguments, Manner::Once)?))
    })?;
    host.function("ngx.timer.every", |_, arguments: MultiValue| {
        Ok(answered(begin("every", arguments, Manner::Repeated)?))
    })?;
    // Every plugin may have queues (custom-plugins.md 2.3).
    lua::modules::provide(host.lua(), "kong.tools.queue", |lua| {
        let natives = lua.create_table()?;
        let at = |_: &mlua::Lua, arguments: MultiValue| {
            Ok(answered(begin("at", arguments, Manner::Queue)?))
        };
        natives.raw_set("at", lua::function(lua, at)?)?;
        Ok(Value::Table(natives))
    });
    host.function("ngx.timer.running_count", |_, ()| Ok(RUNNING.get()))?;
    host.function("ngx.timer.pending_count", |_, ()| Ok(pending()))
}

fn pending() -> usize {
    PENDING.with_borrow(|pending| pending.values().sum())
}

fn answered(begun: Result<(), &'static str>) -> (Option<u8>, Option<&'static str>) {
    match begun {
        Ok(()) => (Some(1), None),
        Err(reason) => (None, Some(reason)),
    }
}

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Once,
    Repeated,
    /// It is a queue's.
    Queue,
}

/// `at(delay, callback, …)`.
fn begin(
    name: &str,
    mut arguments: MultiValue,
    manner: Manner,
) -> Result<Result<(), &'static str>, Raise> {
    let bad = |place: usize, expected: &str, got: Option<&Value>| -> Raise {
        let got = got.map_or("no value", kind);
        format!("bad argument #{place} to '{name}' ({expected} expected, got {got})").into()
    };
    let delay = arguments.pop_front();
    let Some(seconds) = delay.as_ref().and_then(number) else {
        return Err(bad(1, "number", delay.as_ref()));
    };
    if !matches!(arguments.front(), Some(Value::Function(_))) {
        return Err(bad(2, "function", arguments.front()));
    }
    let Ok(delay) = Duration::try_from_secs_f64(seconds) else {
        return Ok(Err("invalid delay"));
    };
    let repeats = manner == Manner::Repeated;
    if repeats && delay.is_zero() {
        return Ok(Err("delay cannot be zero"));
    }
    let (plugin, state) = call::with(|call| Ok((call.plugin.clone(), call.state.clone())))?;
    let Some(state) = state else {
        return Err("no request found".into());
    };
    let may = plugin.trusted || manner == Manner::Queue || STREAMED.load(Ordering::Relaxed);
    if !may {
        return Ok(Err(REFUSED));
    }
    // What is to be sent is sent, whatever becomes of the code.
    let replaced = match manner {
        Manner::Queue => CancellationToken::new(),
        Manner::Once | Manner::Repeated => plugin.replaced().clone(),
    };
    if is_ending() || replaced.is_cancelled() {
        return Ok(Err("process exiting"));
    }
    let Some(waiting) = Waiting::begin(&plugin) else {
        return Ok(Err("too many pending timers"));
    };
    tokio::task::spawn_local(run(Timer {
        plugin,
        called: Stored::of_list(state.lua(), arguments)?,
        state,
        delay,
        repeats,
        replaced,
        waiting,
    }));
    Ok(Ok(()))
}

/// A timer that waits: it counts among those of its plugin until it is dropped.
struct Waiting(Arc<str>);

impl Waiting {
    fn begin(plugin: &Identity) -> Option<Self> {
        PENDING.with_borrow_mut(|pending| {
            let count = pending.entry(plugin.name.clone()).or_default();
            if *count >= MOST {
                return None;
            }
            *count += 1;
            Some(Self(plugin.name.clone()))
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A thread that ends may have lost its counts before the last timer.
        let _ = PENDING.try_with(|pending| {
            let mut pending = pending.borrow_mut();
            if let Some(count) = pending.get_mut(&self.0) {
                *count -= 1;
                if *count == 0 {
                    pending.remove(&self.0);
                }
            }
        });
    }
}

/// A callback that runs.
struct Running;

impl Running {
    fn begin() -> Self {
        RUNNING.set(RUNNING.get() + 1);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = RUNNING.try_with(|running| running.set(running.get() - 1));
    }
}

struct Timer {
    plugin: Rc<Identity>,
    /// The callback and its arguments.
    called: Stored,
    state: Rc<State>,
    delay: Duration,
    repeats: bool,
    /// Cancelled when its code has been replaced.
    replaced: CancellationToken,
    waiting: Waiting,
}

async fn run(timer: Timer) {
    let Timer {
        plugin,
        called,
        state,
        delay,
        repeats,
        replaced,
        mut waiting,
    } = timer;
    let ending = ENDING.with(CancellationToken::clone);
    loop {
        // Also called early where its code has been replaced, and never again: to that, its worker has ended.
        let premature = tokio::select! {
            biased;
            () = ending.cancelled() => true,
            () = replaced.cancelled() => true,
            () = tokio::time::sleep(delay) => false,
        };
        drop(waiting);
        let running = Running::begin();
        let mut values = called.list(state.lua()).unwrap_or_default();
        let Some(Value::Function(function)) = values.pop_front() else {
            return;
        };
        values.push_front(Value::Boolean(premature));
        let mut call = Call::new(Phase::Timer, plugin.clone(), None);
        let outcome = call
            .run(&state, function, values, Limits::of(Phase::Timer))
            .await;
        drop(running);
        if let Some(failure) = outcome.failure() {
            let plugin = &plugin.label;
            tracing::error!(target: "lua", "[{plugin}] timer: {failure}");
        }
        if !repeats || premature {
            return;
        }
        waiting = match Waiting::begin(&plugin) {
            Some(waiting) => waiting,
            None => {
                let plugin = &plugin.label;
                tracing::error!(target: "lua", "[{plugin}] a repeating timer ends: too many pending timers");
                return;
            }
        };
    }
}
