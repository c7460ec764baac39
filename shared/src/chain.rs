//! Which configurations run for a request, and in which order (proxy-and-routing.md 10.1, 10.2).
//!
//! A node asks at each plugin's turn, when it knows the consumer or not yet; the control plane asks to foretell what a
//! change does. A configuration is a number here: the caller's own place for it.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::entities;

/// The caller's place for a configuration.
pub type Chosen = u32;

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

/// Every configuration of one revision by plugin and scope.
#[derive(Debug, Default)]
pub struct Scopes {
    /// By plugin, in the order plugins run once they are sorted.
    named: Vec<Named>,
}

/// The configurations of one plugin.
#[derive(Debug)]
struct Named {
    priority: i32,
    name: Arc<str>,
    scopes: HashMap<Scope, Chosen, RandomState>,
    consumers: bool,
}

/// The plugins that may run on one route, in order.
#[derive(Debug, Default)]
pub struct Chain {
    steps: Vec<Step>,
}

/// One plugin's turn.
#[derive(Debug)]
pub struct Step {
    /// The best configuration that needs no consumer.
    base: Option<Chosen>,
    /// Whether that is for this route and service together, which beats a consumer alone.
    base_is_both: bool,
    /// Place in [`Scopes::named`] when consumers have configurations of their own.
    consumers: Option<u32>,
}

impl Scope {
    /// Where a plugin's document says that it applies.
    pub fn of(document: &entities::Plugin) -> Scope {
        Scope {
            route: document.route.as_ref().map(|route| route.uuid()),
            service: document.service.as_ref().map(|service| service.uuid()),
            consumer: document.consumer.as_ref().map(|consumer| consumer.uuid()),
        }
    }
}

impl Scopes {
    /// Takes in the configuration at `place`.
    pub fn add(&mut self, priority: i32, name: &Arc<str>, scope: Scope, place: Chosen) {
        let named = match self.named.iter_mut().find(|named| named.name == *name) {
            Some(named) => named,
            None => {
                self.named.push(Named {
                    priority,
                    name: name.clone(),
                    scopes: HashMap::default(),
                    consumers: false,
                });
                self.named.last_mut().expect("pushed just now")
            }
        };
        named.consumers |= scope.consumer.is_some();
        named.scopes.insert(scope, place);
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

impl Chain {
    /// The turns, in their order.
    #[inline]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl Step {
    /// The configuration that needs no consumer.
    #[inline]
    pub fn base(&self) -> Option<Chosen> {
        self.base
    }

    /// The configuration for a request with this consumer, if it is known by now. `scope` gives the route and the
    /// service that the chain was made for; it is asked only if it matters.
    #[inline]
    pub fn choose(
        &self,
        scopes: &Scopes,
        consumer: Option<Uuid>,
        scope: impl FnOnce() -> (Option<Uuid>, Option<Uuid>),
    ) -> Option<Chosen> {
        let (Some(place), Some(consumer)) = (self.consumers, consumer) else {
            return self.base;
        };
        let named = scopes.named.get(place as usize)?;
        let (route, service) = scope();
        let [narrow, alone] = named.of_consumer(route, service, consumer);
        narrow
            .or(if self.base_is_both { self.base } else { None })
            .or(alone)
            .or(self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Uuid = Uuid::from_u128(1);
    const SERVICE: Uuid = Uuid::from_u128(2);
    const CONSUMER: Uuid = Uuid::from_u128(3);

    fn scopes(given: &[(&str, i32, [u8; 3])]) -> Scopes {
        let mut scopes = Scopes::default();
        for (place, (name, priority, [route, service, consumer])) in (0..).zip(given) {
            let scope = Scope {
                route: (*route == 1).then_some(ROUTE),
                service: (*service == 1).then_some(SERVICE),
                consumer: (*consumer == 1).then_some(CONSUMER),
            };
            scopes.add(*priority, &Arc::from(*name), scope, place);
        }
        scopes.sort();
        scopes
    }

    fn chosen(scopes: &Scopes, consumer: bool) -> Option<Chosen> {
        let (route, service) = (Some(ROUTE), Some(SERVICE));
        let chain = scopes.chain(route, service);
        let consumer = consumer.then_some(CONSUMER);
        chain
            .steps()
            .first()?
            .choose(scopes, consumer, || (route, service))
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
            let given: Vec<_> = levels[from..]
                .iter()
                .map(|level| ("acl", 950, *level))
                .collect();
            assert_eq!(chosen(&scopes(&given), true), Some(0), "levels from {from}");
        }
    }

    #[test]
    fn consumer_configurations_wait_for_a_consumer() {
        let all = scopes(&[("acl", 950, [0, 0, 1]), ("acl", 950, [0, 0, 0])]);
        assert_eq!(chosen(&all, false), Some(1));
        assert_eq!(chosen(&scopes(&[("acl", 950, [0, 0, 1])]), false), None);
    }

    #[test]
    fn plugins_run_by_descending_priority_and_descending_name() {
        let all = scopes(&[("a", 5, [0; 3]), ("b", 9, [0; 3]), ("c", 5, [0; 3])]);
        let order: Vec<&str> = all.named.iter().map(|n| &*n.name).collect();
        assert_eq!(order, ["b", "c", "a"]);
    }
}
