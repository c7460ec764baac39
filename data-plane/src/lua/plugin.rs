//! A configured Lua plugin (custom-plugins.md 2.3): its handler's methods are the phases of a plugin.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use lua::mlua::{self, Table};
use lua::pdk::Phase;
use lua::plugin::{HANDLER, Handler};
use lua::{Failure, Script, State, Stored};
use shared::entities;
use shared::plugins::custom::{CustomPlugin, LuaConfig, OnError};

use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::call::{About, Call, Chunk, Halted, Identity, Limits, Outcome, WAITS};
use super::{health, pdk, weight, worker};
use crate::plugins::{BodyUse, Filter, Flow, Hello, PhaseSet, Phases};
use crate::proxy::ctx::Ctx;
use crate::proxy::request_id::RequestId;
use crate::runtime::vaults::{self, Vaults};
use crate::runtime::{Runtime, secrets};
use shared::plugins::Config;

/// The code of one version of a plugin, compiled once for all workers.
#[derive(Debug)]
pub struct Code {
    number: u64,
    alive: Arc<()>,
    /// Cancels with the last who could begin a call of it.
    replaced: DropGuard,
    script: Script,
    plugin: Arc<CustomPlugin>,
    label: Arc<str>,
}

/// One configuration of a Lua plugin.
pub struct LuaPlugin {
    number: u64,
    alive: Arc<()>,
    code: Arc<Code>,
    document: Arc<entities::Plugin>,
    config: Arc<LuaConfig>,
    phases: PhaseSet,
}

/// The code in one machine.
pub(super) struct Loaded {
    /// That of its [`Code`].
    pub(super) number: u64,
    state: Rc<State>,
    pub(super) identity: Rc<Identity>,
    pub(super) handler: Handler,
    /// Whether `init_worker` has been called.
    started: Cell<bool>,
}

/// A configuration in one machine.
pub(super) struct Instance {
    pub(super) code: Rc<Loaded>,
    identity: Rc<Identity>,
    /// The same table for every call, until the configuration changes.
    conf: Stored,
}

impl Code {
    /// Compiles the handler of a plugin.
    ///
    /// # Errors
    /// What the compiler says. A model was built of it, so it compiled once.
    pub fn new(plugin: &Arc<CustomPlugin>) -> Result<Self, Failure> {
        let sha = plugin.sha256.get(..8).unwrap_or_default();
        Ok(Self {
            number: worker::next_number(),
            alive: Arc::new(()),
            replaced: CancellationToken::new().drop_guard(),
            script: Script::module(HANDLER, &plugin.handler)?,
            label: format!("{}@{} {sha}", plugin.name, plugin.version).into(),
            plugin: plugin.clone(),
        })
    }

    /// What tells it from all other code, and from other versions of the same plugin.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// As logs name it: `name@1.0.0 0a1b2c3d`.
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The plugin.
    pub fn plugin(&self) -> &Arc<CustomPlugin> {
        &self.plugin
    }

    /// The handler in this thread's machine; loaded, and the body of its file run, the first time.
    fn loaded(&self) -> Result<Rc<Loaded>, Failure> {
        let alive: Weak<()> = Arc::downgrade(&self.alive);
        worker::made(self.number, &alive, |state| {
            if let Some(failure) = weight::suspension(self.number, Instant::now()) {
                return Err(failure);
            }
            let (name, folder) = (&self.plugin.name, self.plugin.folder.as_deref());
            let handler = state.load_handler(&self.script, name, self.plugin.trusted, folder)?;
            let identity = Rc::new(self.identity(Uuid::nil()));
            identity.health().suspend(false);
            Ok(Loaded {
                number: self.number,
                state: state.clone(),
                identity,
                handler,
                started: Cell::new(false),
            })
        })
    }

    /// As whom it runs with a configuration.
    fn identity(&self, id: Uuid) -> Identity {
        Identity::new(
            self.plugin.name.as_ref().into(),
            self.label.clone(),
            self.plugin.trusted,
            id,
        )
        .until(self.replaced.token().clone())
    }

    /// Loads it into this thread's machine.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn load(&self) -> Result<(), Failure> {
        self.loaded().map(drop)
    }

    /// A worker begins to serve a revision that has this code.
    pub(super) fn adopt(&self, runtime: &Runtime) {
        let loaded = match self.loaded() {
            Ok(loaded) => loaded,
            Err(failure) => {
                // It loaded when the revision was built. Each request that needs it tries again, and fails like this.
                tracing::error!("[{}] cannot be loaded: {failure}", self.label);
                return;
            }
        };
        let mut calls = Vec::new();
        if !loaded.started.replace(true) && loaded.handler.has(Phase::InitWorker) {
            calls.push((Phase::InitWorker, None));
        }
        if loaded.handler.has(Phase::Configure) {
            match self.configurations(runtime, &loaded.state) {
                Ok(configs) => calls.push((Phase::Configure, configs)),
                Err(failure) => tracing::error!("[{}] configure: {failure}", self.label),
            }
        }
        if calls.is_empty() {
            return;
        }
        let label = self.label.clone();
        tokio::task::spawn_local(async move {
            let lua = loaded.state.lua();
            for (phase, configs) in calls {
                let Some((method, table)) = loaded.handler.method(phase) else {
                    continue;
                };
                let mut call = Call::new(phase, loaded.identity.clone(), None);
                let configs = configs.and_then(|configs| configs.get::<Table>(lua));
                let (arguments, limits) = ((table, configs), Limits::of(phase));
                let outcome = call.run(&loaded.state, method, arguments, limits).await;
                if let Some(failure) = outcome.failure() {
                    tracing::error!("[{label}] {}: {failure}", phase.name());
                }
            }
        });
    }

    /// Its enabled configurations, in the order of their ids; nil if there is none.
    fn configurations(&self, runtime: &Runtime, state: &State) -> Result<Option<Stored>, Failure> {
        let said = |error: mlua::Error| Failure::Raised(error.to_string());
        let list = state.lua().create_table().map_err(said)?;
        let vaults = Vaults::new(&runtime.model, &vaults::environment);
        for (_, plugin) in runtime.model.plugins.iter() {
            let same = plugin
                .custom()
                .is_some_and(|custom| Arc::ptr_eq(custom, &self.plugin));
            let config = plugin
                .config
                .as_ref()
                .and_then(Config::downcast::<LuaConfig>);
            let schema = plugin.schema.as_ref().filter(|_| same);
            if let Some((config, schema)) = config.zip(schema) {
                let config = secrets::resolved(&schema.config, config, &plugin.document, &vaults);
                let conf = pdk::conf::table(state.lua(), &plugin.document, &config);
                list.raw_push(conf.map_err(said)?).map_err(said)?;
            }
        }
        let some = list.raw_len() > 0;
        some.then(|| Stored::new(state.lua(), list))
            .transpose()
            .map_err(said)
    }
}

impl LuaPlugin {
    /// A plugin with one of its configurations.
    pub fn new(code: Arc<Code>, document: Arc<entities::Plugin>, config: Arc<LuaConfig>) -> Self {
        let has = |phase: Phase| code.plugin.phases.contains(&phase.name());
        Self {
            number: worker::next_number(),
            alive: Arc::new(()),
            phases: PhaseSet {
                rewrite: has(Phase::Rewrite),
                access: has(Phase::Access),
                response: has(Phase::Response),
                header_filter: has(Phase::HeaderFilter),
                chunks: has(Phase::BodyFilter),
                log: has(Phase::Log),
                certificate: has(Phase::Certificate),
                looks_back: [
                    Phase::Response,
                    Phase::HeaderFilter,
                    Phase::BodyFilter,
                    Phase::Log,
                ]
                .into_iter()
                .any(has),
            },
            code,
            document,
            config,
        }
    }

    fn instance(&self) -> Result<Rc<Instance>, Failure> {
        let alive: Weak<()> = Arc::downgrade(&self.alive);
        worker::made(self.number, &alive, |_| {
            // In the machine of the code: to load that may have brought a new one.
            let code = self.code.loaded()?;
            let lua = code.state.lua();
            let conf = pdk::conf::table(lua, &self.document, &self.config)
                .and_then(|conf| Stored::new(lua, conf))
                .map_err(|error| Failure::Raised(error.to_string()))?;
            Ok(Instance {
                code,
                identity: Rc::new(self.code.identity(self.document.id.uuid())),
                conf,
            })
        })
    }

    /// Calls the method of a phase that may wait.
    async fn call(&self, phase: Phase, about: About<'_>) -> Flow {
        let request = about.request_id();
        let flow = self.run(phase, about, None).await;
        self.excused(flow, request)
    }

    /// The same where nothing may wait.
    fn call_now(&self, phase: Phase, ctx: &mut Ctx, chunk: Option<&mut Chunk>) -> Flow {
        let request = Some(ctx.id);
        let ran = self.run(phase, About::Request(ctx), chunk).now_or_never();
        let flow = ran.unwrap_or_else(|| Flow::Fail(complaint(phase, WAITS)));
        self.excused(flow, request)
    }

    /// A failure of a plugin that may be left out (`on_error`) is logged, and the request goes on.
    fn excused(&self, flow: Flow, request: Option<RequestId>) -> Flow {
        let Flow::Fail(error) = flow else {
            return flow;
        };
        if self.code.plugin.on_error == OnError::Fail {
            return Flow::Fail(error);
        }
        let (label, id) = (&self.code.label, request.map(tracing::field::display));
        tracing::error!(request_id = id, "[{label}] skipped (on_error): {error}");
        Flow::Continue
    }

    /// Calls the method of a phase, if there is one.
    async fn run(&self, phase: Phase, about: About<'_>, chunk: Option<&mut Chunk>) -> Flow {
        let instance = match self.instance() {
            Ok(instance) => instance,
            Err(failure) => return self.unloaded(phase, &failure),
        };
        let code = &instance.code;
        let Some((method, table)) = code.handler.method(phase) else {
            return Flow::Continue;
        };
        let mut call = about.call(phase, instance.identity.clone());
        call.chunk = chunk.as_deref().cloned();
        let arguments = (table, &instance.conf);
        let outcome = call
            .run(&code.state, method, arguments, Limits::of(phase))
            .await;
        if let (Some(place), Some(left)) = (chunk, call.chunk.take()) {
            *place = left;
        }
        self.flow(phase, outcome)
    }

    /// It cannot be called: that counts as a call that failed.
    fn unloaded(&self, phase: Phase, failure: &Failure) -> Flow {
        let failure = failure.to_string();
        let shard = health::shard(&self.code.plugin.name);
        shard.ended(phase, Duration::ZERO, Some(&failure));
        Flow::Fail(complaint(phase, &failure))
    }

    fn flow(&self, phase: Phase, outcome: Outcome) -> Flow {
        match outcome {
            Outcome::Halted(Halted::Answer(answer)) => Flow::Respond(answer),
            outcome => match outcome.failure() {
                Some(failure) => Flow::Fail(complaint(phase, &failure)),
                None => Flow::Continue,
            },
        }
    }
}

/// What a call's failure says in the log.
fn complaint(phase: Phase, failure: &str) -> String {
    format!("{}: {failure}", phase.name())
}

impl Phases for LuaPlugin {
    fn phases(&self) -> PhaseSet {
        self.phases
    }

    fn certificate<'a>(&'a self, hello: &'a Rc<Hello>) -> LocalBoxFuture<'a, Flow> {
        Box::pin(self.call(Phase::Certificate, About::Hello(hello)))
    }

    fn rewrite<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(self.call(Phase::Rewrite, About::Request(ctx)))
    }

    fn access(&self, _: &mut Ctx) -> Flow {
        Flow::Wait
    }

    fn access_wait<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(self.call(Phase::Access, About::Request(ctx)))
    }

    fn response<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(self.call(Phase::Response, About::Request(ctx)))
    }

    fn header_filter(&self, ctx: &mut Ctx) -> Filter {
        match self.call_now(Phase::HeaderFilter, ctx, None) {
            Flow::Respond(answer) => Filter::Respond(answer),
            Flow::Fail(error) => Filter::Fail(error),
            _ => Filter::Body(BodyUse::Stream),
        }
    }

    fn chunk(&self, ctx: &mut Ctx, data: Bytes, last: bool) -> Result<Bytes, String> {
        let mut chunk = Chunk {
            data: Some(data),
            last,
        };
        let id = self.document.id.uuid();
        if ctx.lua.as_ref().is_some_and(|kept| kept.has_ended(id)) {
            return Ok(Bytes::new());
        }
        let flow = self.call_now(Phase::BodyFilter, ctx, Some(&mut chunk));
        if chunk.last && !last {
            ctx.lua.get_or_insert_default().body(id).ended = true;
        }
        match flow {
            Flow::Fail(error) => Err(error),
            _ => Ok(chunk.data.unwrap_or_default()),
        }
    }

    fn log(&self, ctx: &mut Ctx) {
        if let Flow::Fail(error) = self.call_now(Phase::Log, ctx, None) {
            tracing::error!(request_id = %ctx.id, "[{}] {error}", self.code.label);
        }
    }
}
