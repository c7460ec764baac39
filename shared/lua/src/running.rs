//! A call of Lua that may wait: it runs for as long as it is polled, within its share of CPU time.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use mlua::MultiValue;

use crate::coroutine::{Coroutine, Returned};
use crate::error::Failure;
use crate::limits::{Watch, clock};
use crate::pdk::{Phase, within_phase};
use crate::state::{State, said};

/// The future of one call. Dropped early, the call has ended where it waits, and nothing after that runs.
pub struct Running {
    call: Coroutine,
    state: Rc<State>,
    phase: Phase,
    left: Duration,
    /// When it first ran, by the clock of the limits; 0 before that.
    began: u64,
}

impl Running {
    pub(crate) fn new(state: Rc<State>, phase: Phase, call: Coroutine, cpu: Duration) -> Self {
        Self {
            call,
            state,
            phase,
            left: cpu,
            began: 0,
        }
    }

    /// The CPU time that it may still use.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// The time on the clock since it first ran, waiting included.
    pub fn age(&self) -> Duration {
        match self.began {
            0 => Duration::ZERO,
            began => Duration::from_nanos(clock().saturating_sub(began)),
        }
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
        let state = this.state.interruptible();
        let watch = match this.began {
            0 => {
                this.began = clock();
                Watch::first(state, this.left, this.began)
            }
            _ => Watch::exact(state, this.left),
        };
        let polled = within_phase(this.phase, || this.call.go_on(cx));
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
                Poll::Ready(match answer {
                    Ok(Returned::True) => Ok(MultiValue::new()),
                    Ok(Returned::Values(values)) => this.state.answer(Ok(values)),
                    Err(error) => Err(said(&error)),
                })
            }
        }
    }
}
