//! The call of Lua that runs on this thread right now: what functions of the PDK act on.
//!
//! A call is put in place before each poll of its coroutine and taken away after it, so nothing about a request outlives
//! the moment in which that request runs (custom-plugins.md 2.1).

#![allow(unsafe_code)]

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lua::mlua::{IntoLua, IntoLuaMulti, MultiValue};
use lua::pdk::Phase;
use lua::{Failure, Raise, Running, State};

use super::health::{self, Shard};
use super::held::{self, Noted};
pub use super::limits::Limits;
use super::ngx::output;
use super::outbound::socket::Owned;
use super::reading;
use super::threads::{self, Threads};
use super::trace::{self, Watch};
use crate::carried::deadline::{Elapsed, Guard};
use crate::plugins::{Answer, Hello};
use crate::proxy::ctx::Ctx;
use crate::proxy::request_id::RequestId;
use tokio_util::sync::CancellationToken;
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
    /// Cancelled once the code has been replaced by another version; never for code that stays.
    replaced: CancellationToken,
    /// This worker's counters of it.
    health: Arc<Shard>,
    /// What its label is noted as while it runs.
    number: u32,
}

impl Identity {
    /// Of the plugin `name`, which logs call `label`, for one of its configurations. It belongs to this worker.
    pub fn new(name: Arc<str>, label: Arc<str>, trusted: bool, id: Uuid) -> Self {
        Self {
            health: health::shard(&name),
            number: held::number(&label),
            name,
            label,
            trusted,
            id,
            replaced: CancellationToken::new(),
        }
    }

    /// The same for code that may be replaced, of which `replaced` tells.
    pub fn until(mut self, replaced: CancellationToken) -> Self {
        self.replaced = replaced;
        self
    }

    /// This worker's counters of it.
    pub(super) fn health(&self) -> &Shard {
        &self.health
    }

    /// Whether, or when, the code has been replaced.
    pub fn replaced(&self) -> &CancellationToken {
        &self.replaced
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
    /// The machine it runs in, once it runs.
    pub(super) state: Option<Rc<State>>,
    /// Its light threads.
    pub(super) threads: Threads,
    /// With what the code has ended the phase: it is not resumed after that.
    pub halted: Option<Halted>,
    /// What it has opened, where there is no request to keep it.
    sockets: Owned,
}

/// What a handler is called about.
pub enum About<'c> {
    /// A request.
    Request(&'c mut Ctx),
    /// A client whose TLS handshake waits.
    Hello(&'c Rc<Hello>),
}

impl<'c> About<'c> {
    /// Which request, if it is about one.
    pub fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Request(ctx) => Some(ctx.id),
            Self::Hello(_) => None,
        }
    }

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

/// What is said of code that waits in a phase that may not.
pub const WAITS: &str = "it waits where it may not";

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
            Self::TimedOut(Duration::ZERO) => Some(WAITS.to_owned()),
            Self::TimedOut(limit) => Some(format!("not done after {} s", limit.as_secs_f64())),
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
            state: None,
            threads: Threads::default(),
            hello: None,
            halted: None,
            sockets: Owned::default(),
        }
    }

    /// Where what it opens is kept, to be closed at its end: with the request, or with the call if there is none.
    pub fn sockets(&mut self) -> &mut Owned {
        match &mut self.request {
            Some(ctx) => &mut ctx.lua.get_or_insert_default().sockets,
            None => &mut self.sockets,
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

    /// Runs a function as this call, until it and its light threads return or one of them ends the phase; in phases that may not wait it is polled once.
    pub async fn run(
        &mut self,
        state: &Rc<State>,
        function: impl IntoLua,
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
        function: impl IntoLua,
        arguments: impl IntoLuaMulti,
        limits: Limits,
        watch: &mut Option<Watch>,
    ) -> Outcome {
        let running = match state.start(self.phase, function, arguments, limits.cpu) {
            Ok(running) => running,
            Err(failure) => return Outcome::Failed(failure),
        };
        self.state = Some(state.clone());
        let mut main = Main {
            running,
            returned: None,
            left: limits.cpu,
        };
        let mut guard = Guard::default();
        let outcome = std::future::poll_fn(|cx| {
            if let Some(outcome) = trace::during(watch, || self.step(&mut main, cx)) {
                return Poll::Ready(outcome);
            }
            guard
                .poll(limits.wall, cx)
                .map(|Elapsed| Outcome::TimedOut(limits.wall))
        })
        .await;
        let took = main.running.age();
        // What waits to read the body gives it back when it is dropped.
        drop(main);
        self.threads.end();
        if let Some(ctx) = &mut self.request {
            reading::bring_back(ctx);
        }
        let outcome = self.written(outcome);
        let failure = outcome.failure();
        let health = &self.plugin.health;
        health.ended(self.phase, took, failure.as_deref());
        outcome
    }

    /// Lets the function and its light threads run as far as they can.
    fn step(&mut self, main: &mut Main, cx: &mut Context<'_>) -> Option<Outcome> {
        loop {
            if main.returned.is_none() {
                main.running.set_left(main.left);
                let polled = self.entered(|| Pin::new(&mut main.running).poll(cx));
                main.left = main.running.left();
                match polled {
                    Poll::Ready(Ok(values)) => main.returned = Some(values),
                    Poll::Ready(Err(failure)) => return Some(Outcome::Failed(failure)),
                    Poll::Pending => {}
                }
            }
            if let Some(halted) = self.halted.take() {
                return Some(Outcome::Halted(halted));
            }
            // One that has ended may be what another waits for.
            let moved = match threads::poll(self, &mut main.left, cx) {
                Ok(moved) => moved,
                Err(failure) => return Some(Outcome::Failed(failure)),
            };
            if let Some(halted) = self.halted.take() {
                return Some(Outcome::Halted(halted));
            }
            if !moved {
                break;
            }
        }
        match self.threads.is_empty() {
            true => main.returned.take().map(Outcome::Returned),
            false => None,
        }
    }

    /// Code that has written an answer piece by piece and ends has answered.
    fn written(&mut self, outcome: Outcome) -> Outcome {
        let ended = matches!(
            outcome,
            Outcome::Returned(_) | Outcome::Halted(Halted::Quietly)
        );
        let answers = matches!(self.phase, Phase::Rewrite | Phase::Access | Phase::Response);
        match &mut self.request {
            Some(ctx) if ended && answers => match output::answer(ctx) {
                Some(answer) => Outcome::Halted(Halted::Answer(Box::new(answer))),
                None => outcome,
            },
            _ => outcome,
        }
    }

    /// The same in a phase that may not wait.
    pub fn run_now(
        &mut self,
        state: &Rc<State>,
        function: impl IntoLua,
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
        let _noted = Noted::new(self.plugin.number, self.phase);
        let here: *mut Call<'static> = ptr::from_mut(self).cast();
        let _back = Back(CURRENT.replace(NonNull::new(here)));
        run()
    }
}

/// The function of a call, which may return before its light threads do.
struct Main {
    running: Running,
    returned: Option<MultiValue>,
    /// CPU time that all of them may still use.
    left: Duration,
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
