//! Which configurations run for a request, and in which order (proxy-and-routing.md 10.1, 10.2).

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use uuid::Uuid;

use super::{Ctx, Flow, PhaseSet, Phases};
use crate::proxy::error::Halt;
use crate::runtime::Runtime;

/// A place in [`Plugins::instances`]: a configuration that was chosen for a request.
pub type Chosen = u32;

/// One configuration, compiled.
pub struct Instance {
    /// The plugin entity's id.
    pub id: Uuid,
    /// The plugin's name.
    pub name: Arc<str>,
    /// Which phases it uses.
    pub phases: PhaseSet,
    /// What runs; `None` for a plugin this software does not know, which fails closed.
    pub handler: Option<Arc<dyn Phases>>,
}

/// Where a configuration applies; an absent part means everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Only for this route.
    pub route: Option<Uuid>,
    /// Only for this service.
    pub service: Option<Uuid>,
    /// Only for this consumer.
    pub consumer: Option<Uuid>,
}

/// Every configuration of one revision.
#[derive(Default)]
pub struct Plugins {
    /// Compiled configurations.
    pub instances: Vec<Instance>,
    by_id: HashMap<Uuid, Chosen, RandomState>,
    /// By plugin, in the order plugins run.
    named: Vec<Named>,
}

/// The configurations of one plugin.
struct Named {
    priority: i32,
    name: Arc<str>,
    scopes: HashMap<Scope, Chosen, RandomState>,
    consumers: bool,
}

/// The plugins that may run on one route, in order.
#[derive(Default)]
pub struct Chain {
    steps: Vec<Step>,
}

/// One plugin's turn.
struct Step {
    /// The best configuration that needs no consumer.
    base: Option<Chosen>,
    /// Whether that is for this route and service together, which beats a consumer alone.
    base_is_both: bool,
    /// Place in [`Plugins::named`] when consumers have configurations of their own.
    consumers: Option<u32>,
}

impl Plugins {
    /// Takes in one configuration.
    pub fn add(&mut self, priority: i32, scope: Scope, instance: Instance) {
        let place = self.instances.len() as Chosen;
        let name = instance.name.clone();
        self.by_id.insert(instance.id, place);
        self.instances.push(instance);
        let named = match self.named.iter_mut().find(|named| named.name == name) {
            Some(named) => named,
            None => {
                self.named.push(Named {
                    priority,
                    name,
                    scopes: HashMap::default(),
                    consumers: false,
                });
                self.named.last_mut().expect("pushed just now")
            }
        };
        named.consumers |= scope.consumer.is_some();
        named.scopes.insert(scope, place);
    }

    /// The handler that was compiled for a plugin entity.
    pub fn handler(&self, id: &Uuid) -> Option<Arc<dyn Phases>> {
        self.instances
            .get(*self.by_id.get(id)? as usize)?
            .handler
            .clone()
    }

    /// Puts the plugins in their order: descending priority, equal ones by descending name.
    pub fn sort(&mut self) {
        self.named.sort_by(|a, b| {
            b.priority
                .cmp(&a.priority)
                .then_with(|| b.name.cmp(&a.name))
        });
    }

    /// The chain of a route and its service; of neither, for requests that match no route.
    pub fn chain(&self, route: Option<Uuid>, service: Option<Uuid>) -> Chain {
        let steps = self.named.iter().enumerate().filter_map(|(place, named)| {
            let (base, base_is_both) = named.base(route, service);
            let consumers = named.consumers.then_some(place as u32);
            (base.is_some() || consumers.is_some()).then_some(Step {
                base,
                base_is_both,
                consumers,
            })
        });
        Chain {
            steps: steps.collect(),
        }
    }
}

impl Named {
    /// The most specific configuration without a consumer, and whether it is for route and service together.
    fn base(&self, route: Option<Uuid>, service: Option<Uuid>) -> (Option<Chosen>, bool) {
        let at = |route, service| {
            self.scopes
                .get(&Scope {
                    route,
                    service,
                    consumer: None,
                })
                .copied()
        };
        if route.is_some()
            && service.is_some()
            && let Some(both) = at(route, service)
        {
            return (Some(both), true);
        }
        let found = route
            .and_then(|_| at(route, None))
            .or_else(|| service.and_then(|_| at(None, service)));
        (found.or_else(|| at(None, None)), false)
    }

    /// The most specific configuration of this consumer: with route and service, with either, alone.
    fn of_consumer(
        &self,
        route: Option<Uuid>,
        service: Option<Uuid>,
        consumer: Uuid,
    ) -> [Option<Chosen>; 2] {
        let at = |route, service| {
            self.scopes
                .get(&Scope {
                    route,
                    service,
                    consumer: Some(consumer),
                })
                .copied()
        };
        let mut narrow = None;
        if route.is_some() && service.is_some() {
            narrow = at(route, service);
        }
        narrow = narrow
            .or_else(|| route.and_then(|_| at(route, None)))
            .or_else(|| service.and_then(|_| at(None, service)));
        [narrow, at(None, None)]
    }
}

impl Step {
    /// The configuration of this plugin for this request, with the consumer known by now.
    fn choose(&self, ctx: &Ctx, runtime: &Runtime) -> Option<Chosen> {
        let (Some(place), Some(consumer)) = (self.consumers, &ctx.consumer) else {
            return self.base;
        };
        let named = runtime.plugins.named.get(place as usize)?;
        let (route, service) = ctx.scope(runtime);
        let [narrow, alone] = named.of_consumer(route, service, consumer.id.uuid());
        narrow
            .or(if self.base_is_both { self.base } else { None })
            .or(alone)
            .or(self.base)
    }
}

/// Runs the access phase: each plugin's configuration is chosen when its turn comes.
///
/// After a plugin has answered, later ones are still chosen, since their filters run on that answer.
pub async fn access(ctx: &mut Ctx) -> Result<(), Halt> {
    let runtime = ctx.runtime.clone();
    let chain = ctx.chain(&runtime);
    let mut halted = None;
    for step in &chain.steps {
        let Some(chosen) = step.choose(ctx, &runtime) else {
            continue;
        };
        ctx.chosen.push(chosen);
        let instance = &runtime.plugins.instances[chosen as usize];
        if halted.is_some() || !instance.phases.access {
            continue;
        }
        halted = match &instance.handler {
            Some(handler) => turn(handler.as_ref(), &instance.name, ctx).await,
            None => Some(Halt::UnknownPlugin(instance.name.to_string())),
        };
    }
    halted.map_or(Ok(()), Err)
}

async fn turn(handler: &dyn Phases, name: &str, ctx: &mut Ctx) -> Option<Halt> {
    let flow = match handler.access(ctx) {
        Flow::Wait => handler.access_wait(ctx).await,
        flow => flow,
    };
    match flow {
        Flow::Continue => None,
        Flow::Respond(answer) => Some(Halt::Answer(answer)),
        Flow::Fail(error) => Some(Halt::Plugin(format!("[{name}] {error}"))),
        Flow::Wait => Some(Halt::Plugin(format!("[{name}] waited twice"))),
    }
}

/// Chooses the global configurations for a request whose access phase never began (10.1).
pub fn choose_global(ctx: &mut Ctx) {
    let runtime = ctx.runtime.clone();
    ctx.chosen
        .extend(runtime.global.steps.iter().filter_map(|step| step.base));
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Uuid = Uuid::from_u128(1);
    const SERVICE: Uuid = Uuid::from_u128(2);
    const CONSUMER: Uuid = Uuid::from_u128(3);

    fn plugins(scopes: &[(&str, i32, [u8; 3])]) -> Plugins {
        let mut plugins = Plugins::default();
        for (place, (name, priority, [route, service, consumer])) in scopes.iter().enumerate() {
            let scope = Scope {
                route: (*route == 1).then_some(ROUTE),
                service: (*service == 1).then_some(SERVICE),
                consumer: (*consumer == 1).then_some(CONSUMER),
            };
            let id = Uuid::from_u128(place as u128);
            let instance = Instance {
                id,
                name: Arc::from(*name),
                phases: PhaseSet::default(),
                handler: None,
            };
            plugins.add(*priority, scope, instance);
        }
        plugins.sort();
        plugins
    }

    /// What `Step::choose` decides, without a request.
    fn chosen(plugins: &Plugins, consumer: bool) -> Option<Chosen> {
        let chain = plugins.chain(Some(ROUTE), Some(SERVICE));
        let step = chain.steps.first()?;
        if !consumer || step.consumers.is_none() {
            return step.base;
        }
        let [narrow, alone] = plugins.named[0].of_consumer(Some(ROUTE), Some(SERVICE), CONSUMER);
        narrow
            .or(if step.base_is_both { step.base } else { None })
            .or(alone)
            .or(step.base)
    }

    #[test]
    fn the_most_specific_of_eight_scopes_wins() {
        // In the order of precedence: route, service, consumer.
        let levels: [[u8; 3]; 8] = [
            [1, 1, 1],
            [1, 0, 1],
            [0, 1, 1],
            [1, 1, 0],
            [0, 0, 1],
            [1, 0, 0],
            [0, 1, 0],
            [0, 0, 0],
        ];
        for from in 0..levels.len() {
            let scopes: Vec<_> = levels[from..]
                .iter()
                .map(|level| ("acl", 950, *level))
                .collect();
            assert_eq!(
                chosen(&plugins(&scopes), true),
                Some(0),
                "levels from {from}"
            );
        }
    }

    #[test]
    fn consumer_configurations_wait_for_a_consumer() {
        let all = plugins(&[("acl", 950, [0, 0, 1]), ("acl", 950, [0, 0, 0])]);
        assert_eq!(chosen(&all, false), Some(1));
        assert_eq!(chosen(&plugins(&[("acl", 950, [0, 0, 1])]), false), None);
    }

    #[test]
    fn plugins_run_by_descending_priority_and_descending_name() {
        let all = plugins(&[("a", 5, [0; 3]), ("b", 9, [0; 3]), ("c", 5, [0; 3])]);
        let order: Vec<&str> = all.named.iter().map(|n| &*n.name).collect();
        assert_eq!(order, ["b", "c", "a"]);
    }
}
