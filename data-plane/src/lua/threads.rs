//! Light threads: coroutines that run beside the one that made them, within the same call (custom-plugins.md 4,
//! `ngx.thread`). Whoever polls the call polls them; they share its CPU time.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use lua::mlua::{Function, MultiValue, UserData};
use lua::{Failure, Raise, Running, Stored};

use super::call::Call;

/// How many of one call may run.
const MOST: usize = 256;

/// What a plugin holds of a light thread.
#[derive(Clone)]
pub(super) struct Handle(Rc<Cell<Fate>>);

impl UserData for Handle {}

/// What became of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It has not been polled yet.
    New,
    Running,
    /// It has ended, and its call knows how.
    Ended,
    /// Somebody has asked how it ended, or has ended it; or its call is over.
    Gone,
}

impl Handle {
    /// Whether it has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.0.get() != Fate::New
    }

    /// Ends it; whether it still ran.
    pub(super) fn kill(&self) -> bool {
        matches!(self.0.replace(Fate::Gone), Fate::New | Fate::Running)
    }

    fn is_gone(&self) -> bool {
        self.0.get() == Fate::Gone
    }
}

/// How a light thread ended: with these results, or this error.
pub(super) type Ended = Result<Stored, String>;

/// Those of one call.
#[derive(Default)]
pub(super) struct Threads {
    running: Vec<(Running, Handle)>,
    /// How others ended. Not in their handles: Lua's collector drops those.
    ended: Vec<(Handle, Ended)>,
}

impl Threads {
    /// Whether none runs.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Ends all.
    pub(super) fn end(&mut self) {
        let running = self.running.drain(..).map(|(_, handle)| handle);
        for handle in running.chain(self.ended.drain(..).map(|(handle, _)| handle)) {
            handle.kill();
        }
    }

    /// How the first of these that is over ended: told once, then `None`. Pending while none is.
    pub(super) fn take(&mut self, handles: &[Handle]) -> Poll<Option<Ended>> {
        for handle in handles {
            match handle.0.get() {
                Fate::New | Fate::Running => {}
                Fate::Gone => return Poll::Ready(None),
                Fate::Ended => {
                    handle.kill();
                    let same = |(of, _): &(Handle, Ended)| Rc::ptr_eq(&of.0, &handle.0);
                    let place = self.ended.iter().position(same);
                    return Poll::Ready(place.map(|place| self.ended.swap_remove(place).1));
                }
            }
        }
        Poll::Pending
    }

    fn ended(&mut self, handle: Handle, ended: Ended) {
        if self.ended.len() == self.ended.capacity() {
            // Nobody can ask for one that has no other handle, or was killed since.
            self.ended
                .retain(|(handle, _)| Rc::strong_count(&handle.0) > 1 && !handle.is_gone());
        }
        handle.0.set(Fate::Ended);
        self.ended.push((handle, ended));
    }
}

/// Begins one in a call.
///
/// # Errors
/// When there are too many, or no memory.
pub(super) fn spawn(
    call: &mut Call<'_>,
    function: Function,
    arguments: MultiValue,
) -> Result<Handle, Raise> {
    let Some(state) = &call.state else {
        return Err("no request found".into());
    };
    if call.threads.running.len() >= MOST {
        return Err(format!("too many light threads: {MOST} are running").into());
    }
    let running = state
        .start(call.phase, function, arguments, Duration::ZERO)
        .map_err(|failure| failure.to_string())?;
    let handle = Handle(Rc::new(Cell::new(Fate::New)));
    call.threads.running.push((running, handle.clone()));
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
    let mut still = Vec::new();
    for (mut running, handle) in std::mem::take(&mut call.threads.running) {
        match handle.0.get() {
            Fate::Gone => {
                moved = true;
                continue;
            }
            Fate::New => {
                moved = true;
                handle.0.set(Fate::Running);
            }
            _ => {}
        }
        running.set_left(*left);
        let polled = call.entered(|| Pin::new(&mut running).poll(cx));
        *left = running.left();
        let ended = match polled {
            Poll::Pending if handle.is_gone() => {
                moved = true;
                continue;
            }
            Poll::Pending => {
                still.push((running, handle));
                if call.halted.is_some() {
                    break;
                }
                continue;
            }
            Poll::Ready(Err(Failure::TooLong)) => return Err(Failure::TooLong),
            Poll::Ready(Ok(values)) => kept(call, values),
            Poll::Ready(Err(failure)) => {
                let text = failure.to_string();
                let plugin = &call.plugin.label;
                tracing::error!(target: "lua", "[{plugin}] lua user thread aborted: runtime error: {text}");
                let said = text.split("\nstack traceback:").next();
                Err(said.unwrap_or_default().to_owned())
            }
        };
        moved = true;
        if !handle.is_gone() {
            call.threads.ended(handle, ended);
        }
    }
    // Behind those that were there come those that they began.
    moved |= !call.threads.running.is_empty();
    still.append(&mut call.threads.running);
    call.threads.running = still;
    Ok(moved)
}

/// What one returned, until somebody asks.
fn kept(call: &Call<'_>, values: MultiValue) -> Ended {
    let state = call.state.as_ref().ok_or("no request found")?;
    Stored::of_list(state.lua(), values).map_err(|error| error.to_string())
}
