//! The call of Lua that runs on this thread right now: what functions of the PDK act on.
//!
//! A call is put in place before each poll of its coroutine and taken away after it, so nothing about a request outlives
//! the moment in which that request runs (custom-plugins.md 2.1).

#![allow(unsafe_code)]

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use lua::mlua::{Function, IntoLuaMulti, MultiValue};
use lua::pdk::Phase;
use lua::{Failure, Raise, State};

use super::health::{self, Shard};
use super::trace::{self, Watch};
use crate::carried::deadline::{Elapsed, Guard};
use crate::plugins::{Answer, Hello};
use crate::proxy::ctx::Ctx;
use uuid::Uuid;

/// Whose code runs.
#[derive(Clone)]
pub struct Identity {
    /// The plugin's name.
    pub name: Arc<str>,
    /// As logs name it: `name@1.0.0 0a1b2c3d`.
    pub label: Arc<str>,
    /// Whether it lies on this machine, put there by who runs it.
    pub trusted: bool,
    /// The plugin entity whose configuration it is; nil for what runs without one.
    pub id: Uuid,
    /// This worker's counters of it.
    health: Arc<Shard>,
}

impl Identity {
    /// Of the plugin `name`, which logs call `label`, for one of its configurations. It belongs to this worker.
    pub fn new(name: Arc<str>, label: Arc<str>, trusted: bool, id: Uuid) -> Self {
        Self {
            health: health::shard(&name),
            name,
            label,
            trusted,
            id,
        }
    }
}

/// One call of a handler, a function or a timer's callback.
pub struct Call<'c> {
    /// In which phase.
    pub phase: Phase,
    /// Whose code it is.
    pub plugin: Rc<Identity>,
    /// The request, where there is one.
    request: Option<&'c mut Ctx>,
    /// The chunk of a body filter.
    pub chunk: Option<Chunk>,
    /// The client, in the certificate phase.
    pub hello: Option<Rc<Hello>>,
    /// With what the code has ended the phase: it is not resumed after that.
    pub halted: Option<Halted>,
}

/// What a handler is called about.
pub enum About<'c> {
    /// A request.
    Request(&'c mut Ctx),
    /// A client whose TLS handshake waits.
    Hello(&'c Rc<Hello>),
}

impl<'c> About<'c> {
    /// A call about it that is not running yet.
    pub fn call(self, phase: Phase, plugin: Rc<Identity>) -> Call<'c> {
        match self {
            Self::Request(ctx) => Call::new(phase, plugin, Some(ctx)),
            Self::Hello(hello) => Call {
                hello: Some(hello.clone()),
                ..Call::new(phase, plugin, None)
            },
        }
    }
}

/// A piece of a body on its way to the client: `ngx.arg`.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// `ngx.arg[1]`; nil is `None`.
    pub data: Option<bytes::Bytes>,
    /// `ngx.arg[2]`: whether it is the last.
    pub last: bool,
}

/// How code ended its phase.
#[derive(Debug)]
pub enum Halted {
    /// `kong.response.exit`, `error`, `ngx.exit` and their like.
    Answer(Box<Answer>),
    /// Without a word: `ngx.exit(ngx.OK)`.
    Quietly,
}

/// What became of a call.
#[derive(Debug)]
pub enum Outcome {
    /// It returned these.
    Returned(MultiValue),
    /// It ended the phase.
    Halted(Halted),
    /// It failed.
    Failed(Failure),
    /// It waited in a phase that may not, or for longer than it may.
    TimedOut(Duration),
}

impl Outcome {
    /// What went wrong, if anything did.
    pub fn failure(&self) -> Option<String> {
        match self {
            Self::Returned(_) | Self::Halted(_) => None,
            Self::Failed(failure) => Some(failure.to_string()),
            Self::TimedOut(Duration::ZERO) => Some("it waits where it may not".to_owned()),
            Self::TimedOut(limit) => Some(format!("not done after {} s", limit.as_secs())),
        }
    }
}

thread_local! {
    static CURRENT: Cell<Option<NonNull<Call<'static>>>> = const { Cell::new(None) };
}

impl<'c> Call<'c> {
    /// A call that is not running yet.
    pub fn new(phase: Phase, plugin: Rc<Identity>, request: Option<&'c mut Ctx>) -> Self {
        Self {
            phase,
            plugin,
            request,
            chunk: None,
            hello: None,
            halted: None,
        }
    }

    /// The request.
    ///
    /// # Errors
    /// Where there is none: a timer, a worker's start.
    pub fn request(&mut self) -> Result<&mut Ctx, Raise> {
        match &mut self.request {
            Some(ctx) => Ok(ctx),
            None => Err("no request found".into()),
        }
    }

    /// Runs a function as this call, until it returns or ends the phase; in phases that may not wait it is polled once.
    pub async fn run(
        &mut self,
        state: &Rc<State>,
        function: &Function,
        arguments: impl IntoLuaMulti,
        limits: Limits,
    ) -> Outcome {
        let mut watch = trace::begin(self);
        let outcome = self
            .watched(state, function, arguments, limits, &mut watch)
            .await;
        trace::end(watch, self, &outcome);
        outcome
    }

    async fn watched(
        &mut self,
        state: &Rc<State>,
        function: &Function,
        arguments: impl IntoLuaMulti,
        limits: Limits,
        watch: &mut Option<Watch>,
    ) -> Outcome {
        let running = match state.start(self.phase, function, arguments, limits.cpu) {
            Ok(running) => running,
            Err(failure) => return Outcome::Failed(failure),
        };
        let mut running = pin!(running);
        let mut guard = Guard::default();
        let began = Instant::now();
        let outcome = std::future::poll_fn(|cx| {
            let polled = trace::during(watch, || self.entered(|| running.as_mut().poll(cx)));
            if let Some(halted) = self.halted.take() {
                return Poll::Ready(Outcome::Halted(halted));
            }
            match polled {
                Poll::Ready(Ok(values)) => Poll::Ready(Outcome::Returned(values)),
                Poll::Ready(Err(failure)) => Poll::Ready(Outcome::Failed(failure)),
                Poll::Pending => guard
                    .poll(limits.wall, cx)
                    .map(|Elapsed| Outcome::TimedOut(limits.wall)),
            }
        })
        .await;
        let (took, failure) = (began.elapsed(), outcome.failure());
        let health = &self.plugin.health;
        health.ended(self.phase, took, failure.as_deref());
        outcome
    }

    /// The same in a phase that may not wait.
    pub fn run_now(
        &mut self,
        state: &Rc<State>,
        function: &Function,
        arguments: impl IntoLuaMulti,
        limits: Limits,
    ) -> Outcome {
        let mut running = pin!(self.run(state, function, arguments, limits));
        let mut idle = Context::from_waker(std::task::Waker::noop());
        match running.as_mut().poll(&mut idle) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Outcome::TimedOut(Duration::ZERO),
        }
    }

    /// Runs something with this as the current call.
    pub fn entered<T>(&mut self, run: impl FnOnce() -> T) -> T {
        struct Back(Option<NonNull<Call<'static>>>);
        impl Drop for Back {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let here: *mut Call<'static> = ptr::from_mut(self).cast();
        let _back = Back(CURRENT.replace(NonNull::new(here)));
        run()
    }
}

/// What a call may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// CPU time of the thread.
    pub cpu: Duration,
    /// Time on the clock.
    pub wall: Duration,
}

impl Limits {
    /// What a handler may use in a phase (2.3).
    pub fn of(phase: Phase) -> Self {
        let ms = Duration::from_millis;
        match phase {
            Phase::Init | Phase::InitWorker | Phase::Configure => Limits {
                cpu: ms(1_000),
                wall: ms(5_000),
            },
            Phase::Timer => Limits {
                cpu: ms(1_000),
                wall: ms(60_000),
            },
            Phase::HeaderFilter | Phase::BodyFilter | Phase::Log | Phase::Balancer => Limits {
                cpu: ms(50),
                wall: ms(60_000),
            },
            Phase::Certificate
            | Phase::Rewrite
            | Phase::Access
            | Phase::Response
            | Phase::Preread => Limits {
                cpu: ms(100),
                wall: ms(60_000),
            },
        }
    }
}

/// Acts on the current call. Within `act` there is none: it must not run Lua that asks for it.
///
/// # Errors
/// What `act` says; or that nothing is being called, as in the body of a module.
pub fn with<T>(act: impl FnOnce(&mut Call<'_>) -> Result<T, Raise>) -> Result<T, Raise> {
    struct Back(NonNull<Call<'static>>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(Some(self.0));
        }
    }
    let Some(current) = CURRENT.take() else {
        return Err("no request found".into());
    };
    let mut back = Back(current);
    // SAFETY: `entered` holds the only reference to the call while it is in `CURRENT`, does not use it itself meanwhile,
    // and takes it out before the reference ends. It was taken out here as well, so nobody else makes a second one.
    let call: &mut Call<'_> = unsafe { back.0.as_mut() };
    act(call)
}

/// Acts on the request of the current call.
///
/// # Errors
/// See [`with`] and [`Call::request`].
pub fn with_request<T>(act: impl FnOnce(&mut Ctx) -> Result<T, Raise>) -> Result<T, Raise> {
    with(|call| act(call.request()?))
}

/// Ends the phase: whoever awaits this is not resumed (custom-plugins.md 3.1: `exit` and `error` never return).
///
/// # Errors
/// See [`with`].
pub async fn halt(how: Halted) -> Result<(), Raise> {
    with(|call| {
        call.halted = Some(how);
        Ok(())
    })?;
    std::future::pending().await
}
