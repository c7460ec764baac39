//! `pre-function`, `post-function`: chunks of Lua in the configuration (custom-plugins.md 8).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use lua::mlua::{Function, Value};
use lua::pdk::Phase;
use lua::{Failure, Script, State, Stored};
use shared::plugins::{Functions, PluginConfig};
use uuid::Uuid;

use super::{BodyUse, Filter, Flow, Hello, PhaseSet, Phases, Plugin};
use crate::lua::call::{About, Call, Chunk, Halted, Identity, Limits, Outcome, WAITS};
use crate::lua::worker;
use crate::proxy::ctx::Ctx;

/// The phases that have chunks, in the order of [`Functions::chunks`].
const PHASES: [Phase; 6] = [
    Phase::Certificate,
    Phase::Rewrite,
    Phase::Access,
    Phase::HeaderFilter,
    Phase::BodyFilter,
    Phase::Log,
];

/// One configuration: its chunks, compiled.
pub struct Handler<C> {
    number: u64,
    alive: Arc<()>,
    name: Arc<str>,
    id: Uuid,
    scripts: [Vec<Script>; 6],
    config: std::marker::PhantomData<fn() -> C>,
}

/// The same in one machine.
struct Loaded {
    state: Rc<State>,
    identity: Rc<Identity>,
    chunks: [Vec<RefCell<Stored>>; 6],
}

impl<C: Functions> Plugin for Handler<C> {
    type Config = C;

    fn new(config: &C) -> Self {
        let compile = |sources: Vec<&str>| {
            let scripts = sources.into_iter().map(Script::chunk);
            // What does not compile was refused by the model.
            scripts.filter_map(Result::ok).collect()
        };
        Self {
            number: worker::next_number(),
            alive: Arc::new(()),
            name: Arc::from(C::NAME),
            id: Uuid::new_v4(),
            scripts: config.chunks().map(compile),
            config: std::marker::PhantomData,
        }
    }
}

fn place(phase: Phase) -> usize {
    let place = PHASES.iter().position(|of| *of == phase);
    place.unwrap_or_default()
}

impl<C: PluginConfig> Handler<C> {
    fn loaded(&self) -> Result<Rc<Loaded>, Failure> {
        let alive: Weak<()> = Arc::downgrade(&self.alive);
        worker::made(self.number, &alive, |state| {
            let mut chunks: [Vec<_>; 6] = Default::default();
            for (chunks, scripts) in chunks.iter_mut().zip(&self.scripts) {
                for script in scripts {
                    let chunk = kept(state, state.load_chunk(script)?)?;
                    chunks.push(RefCell::new(chunk));
                }
            }
            let identity = Identity::new(self.name.clone(), self.name.clone(), false, self.id);
            Ok(Loaded {
                state: state.clone(),
                identity: Rc::new(identity),
                chunks,
            })
        })
    }

    /// Runs the chunks of a phase, in their order, until one ends it.
    async fn run(&self, phase: Phase, about: About<'_>, piece: Option<&mut Chunk>) -> Flow {
        let loaded = match self.loaded() {
            Ok(loaded) => loaded,
            Err(failure) => return Flow::Fail(failure.to_string()),
        };
        let mut call = about.call(phase, loaded.identity.clone());
        call.chunk = piece.as_deref().cloned();
        let mut flow = Flow::Continue;
        for chunk in &loaded.chunks[place(phase)] {
            let outcome = one(&mut call, &loaded.state, chunk).await;
            flow = match outcome {
                Outcome::Returned(_) => continue,
                Outcome::Halted(Halted::Answer(answer)) => Flow::Respond(answer),
                outcome => outcome.failure().map_or(Flow::Continue, Flow::Fail),
            };
            break;
        }
        if let (Some(piece), Some(left)) = (piece, call.chunk.take()) {
            *piece = left;
        }
        flow
    }

    /// The same in a phase that may not wait.
    fn run_now(&self, phase: Phase, ctx: &mut Ctx, piece: Option<&mut Chunk>) -> Flow {
        let ran = self.run(phase, About::Request(ctx), piece).now_or_never();
        ran.unwrap_or_else(|| Flow::Fail(WAITS.to_owned()))
    }
}

fn kept(state: &State, function: Function) -> Result<Stored, Failure> {
    Stored::new(state.lua(), function).map_err(|error| Failure::Raised(error.to_string()))
}

/// Runs one chunk. If it returns a function, that is the chunk from then on, and called at once.
async fn one(call: &mut Call<'_>, state: &Rc<State>, chunk: &RefCell<Stored>) -> Outcome {
    let Some(function) = chunk.borrow().get::<Function>(state.lua()) else {
        return Outcome::Failed(Failure::Raised("its machine is gone".to_owned()));
    };
    let limits = Limits::of(call.phase);
    let mut values = match call.run(state, function, (), limits).await {
        Outcome::Returned(values) => values,
        outcome => return outcome,
    };
    let Some(Value::Function(returned)) = values.pop_front() else {
        return Outcome::Returned(values);
    };
    match kept(state, returned.clone()) {
        Ok(kept) => drop(chunk.replace(kept)),
        Err(failure) => return Outcome::Failed(failure),
    }
    call.run(state, returned, (), limits).await
}

impl<C: PluginConfig> Phases for Handler<C> {
    fn phases(&self) -> PhaseSet {
        let has = |phase: Phase| !self.scripts[place(phase)].is_empty();
        PhaseSet {
            certificate: has(Phase::Certificate),
            rewrite: has(Phase::Rewrite),
            access: has(Phase::Access),
            response: false,
            header_filter: has(Phase::HeaderFilter),
            chunks: has(Phase::BodyFilter),
            looks_back: has(Phase::HeaderFilter) || has(Phase::BodyFilter) || has(Phase::Log),
            log: has(Phase::Log),
        }
    }

    fn certificate<'a>(&'a self, hello: &'a Rc<Hello>) -> LocalBoxFuture<'a, Flow> {
        Box::pin(self.run(Phase::Certificate, About::Hello(hello), None))
    }

    fn rewrite<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(self.run(Phase::Rewrite, About::Request(ctx), None))
    }

    fn access(&self, _: &mut Ctx) -> Flow {
        Flow::Wait
    }

    fn access_wait<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(self.run(Phase::Access, About::Request(ctx), None))
    }

    fn header_filter(&self, ctx: &mut Ctx) -> Filter {
        match self.run_now(Phase::HeaderFilter, ctx, None) {
            Flow::Respond(answer) => Filter::Respond(answer),
            Flow::Fail(error) => Filter::Fail(error),
            _ => Filter::Body(BodyUse::Stream),
        }
    }

    fn chunk(&self, ctx: &mut Ctx, data: Bytes, last: bool) -> Result<Bytes, String> {
        let mut piece = Chunk {
            data: Some(data),
            last,
        };
        match self.run_now(Phase::BodyFilter, ctx, Some(&mut piece)) {
            Flow::Fail(error) => Err(error),
            _ => Ok(piece.data.unwrap_or_default()),
        }
    }

    fn log(&self, ctx: &mut Ctx) {
        if let Flow::Fail(error) = self.run_now(Phase::Log, ctx, None) {
            tracing::error!(request_id = %ctx.id, "[{}] {error}", self.name);
        }
    }
}
