//! A call of Lua that may wait: it runs for as long as it is polled, within its share of CPU time.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use mlua::MultiValue;

use crate::coroutine::Coroutine;
use crate::error::Failure;
use crate::limits::Watch;
use crate::pdk::{Phase, within_phase};
use crate::state::State;

/// The future of one call. Dropped early, the call has ended where it waits, and nothing after that runs.
pub struct Running {
    call: Coroutine,
    state: Rc<State>,
    phase: Phase,
    left: Duration,
}

impl Running {
    pub(crate) fn new(state: Rc<State>, phase: Phase, call: Coroutine, cpu: Duration) -> Self {
        Self {
            call,
            state,
            phase,
            left: cpu,
        }
    }

    /// The CPU time that it may still use.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// Lets it use this much CPU time from now on: several of one call share what the call may use.
    pub fn set_left(&mut self, left: Duration) {
        self.left = left;
    }
}

impl Future for Running {
    type Output = Result<MultiValue, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let watch = Watch::begin(this.state.interruptible(), this.left);
        let polled = within_phase(this.phase, || Pin::new(&mut this.call).poll(cx));
        if watch.overrun() {
            return Poll::Ready(Err(Failure::TooLong));
        }
        match polled {
            Poll::Pending => {
                this.left = watch.left();
                Poll::Pending
            }
            Poll::Ready(answer) => {
                this.left = watch.left();
                drop(watch);
                Poll::Ready(this.state.answer(answer))
            }
        }
    }
}
