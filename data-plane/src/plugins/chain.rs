//! The configurations of one revision, compiled, and the access phase through a route's chain.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use shared::chain::{Chain, Chosen, Scope, Scopes, Step};
use uuid::Uuid;

use super::{Ctx, Flow, Hello, PhaseSet, Phases, Wants};
use crate::proxy::error::Halt;
use crate::runtime::Runtime;

/// One configuration, compiled.
pub struct Instance {
    /// The plugin entity's id.
    pub id: Uuid,
    /// The plugin's name.
    pub name: Arc<str>,
    /// What logs call it: its name, and for one that arrived as source its version and digest.
    pub label: Arc<str>,
    /// Which phases it uses.
    pub phases: PhaseSet,
    /// What runs; `None` for a plugin this software does not know, which fails closed.
    pub handler: Option<Arc<dyn Phases>>,
}

/// Every configuration of one revision.
#[derive(Default)]
pub struct Plugins {
    /// Compiled configurations.
    pub instances: Vec<Instance>,
    by_id: HashMap<Uuid, Chosen, RandomState>,
    scopes: Scopes,
}

impl Plugins {
    /// Takes in one configuration.
    pub fn add(&mut self, priority: i32, scope: Scope, instance: Instance) {
        let place = self.instances.len() as Chosen;
        self.by_id.insert(instance.id, place);
        self.scopes.add(priority, &instance.name, scope, place);
        self.instances.push(instance);
    }

    /// The handler that was compiled for a plugin entity.
    pub fn handler(&self, id: &Uuid) -> Option<Arc<dyn Phases>> {
        self.instances
            .get(*self.by_id.get(id)? as usize)?
            .handler
            .clone()
    }

    /// The configurations of a chain that need no consumer and have a phase, in their order.
    pub fn global(&self, chain: &Chain, has: impl Fn(&PhaseSet) -> bool) -> Vec<Chosen> {
        let steps = chain.steps().iter().filter_map(Step::base);
        steps
            .filter(|chosen| has(&self.instances[*chosen as usize].phases))
            .collect()
    }

    /// Puts the plugins in the order in which they run.
    pub fn sort(&mut self) {
        self.scopes.sort();
    }

    /// The chain of a route and its service; of neither, for requests that match no route.
    pub fn chain(&self, route: Option<Uuid>, service: Option<Uuid>) -> Chain {
        self.scopes.chain(route, service)
    }
}

/// The configuration of a step for this request, with the consumer known by now.
fn choose(step: &Step, ctx: &Ctx, runtime: &Runtime) -> Option<Chosen> {
    let consumer = ctx.consumer.as_ref().map(|consumer| consumer.id.uuid());
    step.choose(&runtime.plugins.scopes, consumer, || ctx.scope(runtime))
}

/// Runs the certificate phase, of the global configurations. What they want of the rest of the handshake.
///
/// # Errors
/// Why there shall be no handshake, for the log.
pub async fn certificate(runtime: &Runtime, hello: Hello) -> Result<Wants, String> {
    let hello = Rc::new(hello);
    for &chosen in &runtime.handshaking {
        let instance = &runtime.plugins.instances[chosen as usize];
        let Some(handler) = &instance.handler else {
            continue;
        };
        match handler.certificate(&hello).await {
            Flow::Continue => {}
            Flow::Fail(error) => {
                tracing::error!(peer = %hello.peer, "[{}] {error}", instance.label);
                return Err(error);
            }
            _ => return Err(format!("[{}] ended the handshake", instance.label)),
        }
    }
    Ok(hello.wants.get())
}

/// Runs the rewrite phase: that of the global configurations, since nothing else is known yet.
pub async fn rewrite(ctx: &mut Ctx) -> Result<(), Halt> {
    if ctx.runtime.rewriting.is_empty() {
        return Ok(());
    }
    let runtime = ctx.runtime.clone();
    for &chosen in &runtime.rewriting {
        let instance = &runtime.plugins.instances[chosen as usize];
        let Some(handler) = &instance.handler else {
            continue;
        };
        if let Some(halt) = stop(handler.rewrite(ctx).await, &instance.label) {
            return Err(halt);
        }
    }
    Ok(())
}

/// Runs the response phase of the configurations that were chosen in access.
pub async fn response(ctx: &mut Ctx) -> Result<(), Halt> {
    let runtime = ctx.runtime.clone();
    for place in 0..ctx.chosen.len() {
        let instance = &runtime.plugins.instances[ctx.chosen[place] as usize];
        if let Some(handler) = instance
            .handler
            .as_ref()
            .filter(|_| instance.phases.response)
            && let Some(halt) = stop(handler.response(ctx).await, &instance.label)
        {
            return Err(halt);
        }
    }
    Ok(())
}

/// Runs the access phase: each plugin's configuration is chosen when its turn comes.
///
/// After a plugin has answered, later ones are still chosen, since their filters run on that answer.
pub async fn access(ctx: &mut Ctx) -> Result<(), Halt> {
    let runtime = ctx.runtime.clone();
    let chain = ctx.chain(&runtime);
    ctx.accessed = true;
    let mut halted = None;
    for step in chain.steps() {
        let Some(chosen) = choose(step, ctx, &runtime) else {
            continue;
        };
        ctx.chosen.push(chosen);
        let instance = &runtime.plugins.instances[chosen as usize];
        if halted.is_some() || !instance.phases.access {
            continue;
        }
        let Some(handler) = &instance.handler else {
            halted = Some(Halt::UnknownPlugin(instance.name.to_string()));
            continue;
        };
        halted = match handler.access(ctx) {
            Flow::Continue => None,
            Flow::Wait => stop(handler.access_wait(ctx).await, &instance.label),
            flow => stop(flow, &instance.label),
        };
    }
    halted.map_or(Ok(()), Err)
}

fn stop(flow: Flow, name: &str) -> Option<Halt> {
    match flow {
        Flow::Continue => None,
        Flow::Respond(answer) => Some(Halt::Answer(answer)),
        Flow::Fail(error) => Some(Halt::Plugin(format!("[{name}] {error}"))),
        Flow::Unread(error) => Some(Halt::Body(error)),
        Flow::Wait => Some(Halt::Plugin(format!("[{name}] waited twice"))),
    }
}

/// Chooses the global configurations for a request whose access phase never began (10.1).
pub fn choose_global(ctx: &mut Ctx) {
    let runtime = ctx.runtime.clone();
    let steps = runtime.global.steps().iter();
    ctx.chosen.extend(steps.filter_map(Step::base));
}
