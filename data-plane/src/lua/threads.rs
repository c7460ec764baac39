//! Light threads: coroutines that run beside the one that made them, within the same call (custom-plugins.md 4,
//! `ngx.thread`). Whoever polls the call polls them; they share its CPU time.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use lua::mlua::{Function, MultiValue, UserData};
use lua::{Failure, Raise, Running};

use super::call::Call;

/// How many of one call may run.
const MOST: usize = 256;

/// What a plugin holds of a light thread.
#[derive(Clone)]
pub(super) struct Handle(Rc<RefCell<Fate>>);

impl UserData for Handle {}

/// What became of one.
enum Fate {
    /// It has not been polled yet.
    New,
    Running,
    /// It returned these, or raised this.
    Ended(Result<MultiValue, String>),
    /// Somebody has asked how it ended, or has ended it.
    Gone,
}

impl Handle {
    /// Whether it has begun.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(*self.0.borrow(), Fate::New)
    }

    /// How it ended, if it has: told once.
    pub(super) fn take(&self) -> Option<Ended> {
        let mut fate = self.0.borrow_mut();
        match &*fate {
            Fate::New | Fate::Running => None,
            Fate::Gone => Some(Ended::Told),
            Fate::Ended(_) => match std::mem::replace(&mut *fate, Fate::Gone) {
                Fate::Ended(ended) => Some(Ended::Now(ended)),
                _ => Some(Ended::Told),
            },
        }
    }

    /// Ends it; whether it still ran.
    pub(super) fn kill(&self) -> bool {
        let fate = self.0.replace(Fate::Gone);
        matches!(fate, Fate::New | Fate::Running)
    }
}

/// How a light thread ended.
pub(super) enum Ended {
    /// With these results, or this error.
    Now(Result<MultiValue, String>),
    /// That was told already.
    Told,
}

/// Those of one call.
#[derive(Default)]
pub(super) struct Threads(Vec<(Running, Handle)>);

impl Threads {
    /// Whether none runs.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends all.
    pub(super) fn end(&mut self) {
        for (_, handle) in self.0.drain(..) {
            handle.kill();
        }
    }
}

/// Begins one in a call.
///
/// # Errors
/// When there are too many, or no memory.
pub(super) fn spawn(
    call: &mut Call<'_>,
    function: &Function,
    arguments: MultiValue,
) -> Result<Handle, Raise> {
    let Some(state) = &call.state else {
        return Err("no request found".into());
    };
    if call.threads.0.len() >= MOST {
        return Err(format!("too many light threads: {MOST} are running").into());
    }
    let running = state
        .start(call.phase, function, arguments, Duration::ZERO)
        .map_err(|failure| failure.to_string())?;
    let handle = Handle(Rc::new(RefCell::new(Fate::New)));
    call.threads.0.push((running, handle.clone()));
    Ok(handle)
}

/// Lets each run as far as it can; whether one began or ended, so that others may go on.
///
/// # Errors
/// When the call's CPU time is used up.
pub(super) fn poll(
    call: &mut Call<'_>,
    left: &mut Duration,
    cx: &mut Context<'_>,
) -> Result<bool, Failure> {
    if call.threads.is_empty() {
        return Ok(false);
    }
    let mut moved = false;
    let mut kept = Vec::new();
    for (mut running, handle) in std::mem::take(&mut call.threads.0) {
        match &mut *handle.0.borrow_mut() {
            Fate::Gone => {
                moved = true;
                continue;
            }
            fate @ Fate::New => {
                moved = true;
                *fate = Fate::Running;
            }
            _ => {}
        }
        running.set_left(*left);
        let polled = call.entered(|| Pin::new(&mut running).poll(cx));
        *left = running.left();
        let ended = match polled {
            Poll::Pending if handle.0.borrow().is_gone() => {
                moved = true;
                continue;
            }
            Poll::Pending => {
                kept.push((running, handle));
                if call.halted.is_some() {
                    break;
                }
                continue;
            }
            Poll::Ready(Err(Failure::TooLong)) => return Err(Failure::TooLong),
            Poll::Ready(Ok(values)) => Ok(values),
            Poll::Ready(Err(failure)) => {
                let text = failure.to_string();
                let plugin = &call.plugin.label;
                tracing::error!(target: "lua", "[{plugin}] lua user thread aborted: runtime error: {text}");
                let said = text.split("\nstack traceback:").next();
                Err(said.unwrap_or_default().to_owned())
            }
        };
        moved = true;
        if !handle.0.borrow().is_gone() {
            handle.0.replace(Fate::Ended(ended));
        }
    }
    // Behind those that were there come those that they began.
    moved |= !call.threads.0.is_empty();
    kept.append(&mut call.threads.0);
    call.threads.0 = kept;
    Ok(moved)
}

impl Fate {
    fn is_gone(&self) -> bool {
        matches!(self, Fate::Gone)
    }
}
