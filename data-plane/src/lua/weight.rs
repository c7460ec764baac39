//! How much memory the plugins of a worker hold, and what becomes of one that holds too much (custom-plugins.md 6.3).
//!
//! A worker weighs its plugins now and then ([`State::weigh`]): calls pay nothing for it. One that holds more than
//! `custom_plugins_memory` three times within [`WINDOW`], or held it when the machine had to be replaced, is suspended on
//! this worker for [`SUSPENDED`]. Its calls fail then as those of a plugin with an error do, since one that decides who may
//! pass must not be skipped; what it holds is let go of, and the first call after that time loads it anew. Another version of
//! it is another plugin. The log tells it, metrics do, and so does what the control plane hears of plugins.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use lua::{Failure, State};

use super::plugin::Loaded;
use super::worker;

/// So many breaches suspend a plugin ...
const BREACHES: u32 = 3;
/// ... if they come within this time.
const WINDOW: Duration = Duration::from_secs(600);
/// How long it is suspended.
const SUSPENDED: Duration = Duration::from_secs(60);
/// How often a worker weighs its plugins when one may hold too much: its machine has as much.
const OFTEN: Duration = Duration::from_secs(10);
/// How often it does otherwise, for who asks.
const SELDOM: Duration = Duration::from_secs(60);

/// `custom_plugins_memory`, bytes.
static MOST: AtomicUsize = AtomicUsize::new(64 << 20);

thread_local! {
    static SCALES: RefCell<Scales> = RefCell::default();
}

#[derive(Default)]
struct Scales {
    last: Option<Instant>,
    /// By the number of the plugin's code.
    heavy: HashMap<u64, Heavy>,
}

/// A plugin that held too much.
struct Heavy {
    /// When first, of the breaches that count.
    since: Instant,
    breaches: u32,
    /// What it held when it was last weighed, bytes.
    held: usize,
    /// Until when it may not run.
    until: Option<Instant>,
}

/// `custom_plugins_memory`: what one plugin may hold on a worker, in bytes.
pub fn limit(bytes: usize) {
    MOST.store(bytes, Relaxed);
}

/// Weighs the plugins of this worker if that is due.
pub fn look(now: Instant) {
    let Some(used) = worker::used() else {
        return; // no Lua has run here
    };
    let every = match used > MOST.load(Relaxed) {
        true => OFTEN,
        false => SELDOM,
    };
    let last = SCALES.with_borrow(|scales| scales.last);
    if last.is_none_or(|last| now.saturating_duration_since(last) >= every)
        && let Ok(state) = worker::state()
    {
        worker::sweep();
        weigh(&state, &worker::all_made(), now);
    }
}

/// Weighs what has been loaded into a machine.
pub(super) fn weigh(state: &State, loaded: &[Rc<Loaded>], now: Instant) {
    SCALES.with_borrow_mut(|scales| scales.last = Some(now));
    let handlers = loaded.iter().map(|loaded| &loaded.handler);
    let weights = match state.weigh(handlers) {
        Ok(weights) => weights,
        Err(error) => {
            tracing::warn!(%error, "plugins in Lua cannot be weighed");
            return;
        }
    };
    for (loaded, weight) in loaded.iter().zip(weights) {
        loaded.identity.health().holds(weight as u64);
        if weight > MOST.load(Relaxed) {
            breach(loaded, weight, now);
        }
    }
}

fn breach(loaded: &Rc<Loaded>, held: usize, now: Instant) {
    let breaches = SCALES.with_borrow_mut(|scales| {
        let heavy = scales.heavy.entry(loaded.number).or_insert(Heavy {
            since: now,
            breaches: 0,
            held,
            until: None,
        });
        if now.saturating_duration_since(heavy.since) > WINDOW {
            (heavy.since, heavy.breaches) = (now, 0);
        }
        heavy.breaches += 1;
        heavy.held = held;
        if heavy.breaches >= BREACHES {
            heavy.until = Some(now + SUSPENDED);
        }
        heavy.breaches
    });
    let (label, most) = (&loaded.identity.label, mib(MOST.load(Relaxed)));
    let held = mib(held);
    if breaches < BREACHES {
        tracing::warn!(
            "[{label}] holds {held} MiB of Lua memory on this worker, more than {most} MiB (custom_plugins_memory): \
             {breaches} of {BREACHES} times until it is suspended"
        );
        return;
    }
    tracing::error!(
        "[{label}] is suspended on this worker for {} s: it held {held} MiB of Lua memory, more than {most} MiB \
         (custom_plugins_memory), {BREACHES} times",
        SUSPENDED.as_secs()
    );
    loaded.identity.health().suspend(true);
    worker::forget(loaded);
}

/// Why code may not be loaded now, if it may not.
pub(super) fn suspension(number: u64, now: Instant) -> Option<Failure> {
    SCALES.with_borrow_mut(|scales| {
        let heavy = scales.heavy.get(&number)?;
        let until = heavy.until?;
        if until <= now {
            scales.heavy.remove(&number);
            worker::configure_again(number);
            return None;
        }
        let (held, most) = (mib(heavy.held), mib(MOST.load(Relaxed)));
        Some(Failure::Raised(format!(
            "the plugin is suspended on this worker: it held {held} MiB of Lua memory, more than {most} MiB \
             (custom_plugins_memory)"
        )))
    })
}

/// In whole MiB, at least one.
fn mib(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

/// As if so much time had passed.
#[cfg(test)]
pub(super) fn look_back(by: Duration) {
    SCALES.with_borrow_mut(|scales| {
        for heavy in scales.heavy.values_mut() {
            heavy.until = heavy.until.map(|until| until - by);
        }
    });
}
