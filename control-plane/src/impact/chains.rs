//! Which plugins run, before and after.

use super::{consumer as shown_consumer, few, route as shown_route};
use serde_json::{Value, json};
use shared::chain::{Chosen, Scope, Scopes};
use shared::entities::{Consumer, Route};
use shared::model::{Model, Plugin};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// Pairs of route and consumer that are compared at most: about a tenth of a second.
const PAIRS: usize = 100_000;

/// The chains that change.
#[derive(Debug)]
pub struct Chains<'m> {
    /// Those that change in the same way are together.
    pub shifts: Vec<Shift<'m>>,
    /// Whether nothing was left out because there was too much of it.
    pub complete: bool,
}

/// A chain before and after, and for which requests.
#[derive(Debug)]
pub struct Shift<'m> {
    /// Requests of this consumer; `None`: of nobody, or of anybody who has no configurations of their own.
    pub consumer: Option<&'m Consumer>,
    /// Requests on these routes, by id.
    pub routes: Vec<&'m Route>,
    /// Requests that match no route as well.
    pub without_route: bool,
    /// `None`: the routes are new.
    pub before: Option<Vec<Turn<'m>>>,
    pub after: Vec<Turn<'m>>,
}

/// One configuration's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn<'m> {
    pub id: Uuid,
    pub name: &'m str,
    /// Whether it is there on both sides and told something else.
    pub changed: bool,
}

/// The configurations of a model.
struct Side<'m> {
    model: &'m Model,
    plugins: Vec<(Uuid, &'m Plugin)>,
    scopes: Scopes,
}

impl<'m> Side<'m> {
    fn new(model: &'m Model) -> Side<'m> {
        let listed = model.plugins.iter().map(|(id, plugin)| (*id, &**plugin));
        let plugins: Vec<(Uuid, &Plugin)> = listed.collect();
        let mut scopes = Scopes::default();
        for (place, (_, plugin)) in (0..).zip(&plugins) {
            let document = &plugin.document;
            let name = Arc::from(document.name.as_str());
            scopes.add(plugin.priority(), &name, Scope::of(document), place);
        }
        scopes.sort();
        Side {
            model,
            plugins,
            scopes,
        }
    }

    /// The chain of requests on a route of a consumer, who is known from the beginning.
    fn turns(
        &self,
        route: Option<&Route>,
        consumer: Option<Uuid>,
        changed: &BTreeSet<Uuid>,
    ) -> Vec<Turn<'m>> {
        let service = route.and_then(service_of);
        let service = service.filter(|id| self.model.services.contains_key(id));
        let scope = (route.map(|route| route.id.uuid()), service);
        let chain = self.scopes.chain(scope.0, scope.1);
        let steps = chain.steps().iter();
        let chosen = steps.filter_map(|step| step.choose(&self.scopes, consumer, || scope));
        chosen.map(|place| self.turn(place, changed)).collect()
    }

    fn turn(&self, place: Chosen, changed: &BTreeSet<Uuid>) -> Turn<'m> {
        let (id, plugin) = self.plugins[place as usize];
        Turn {
            id,
            name: &plugin.document.name,
            changed: changed.contains(&id),
        }
    }
}

fn service_of(route: &Route) -> Option<Uuid> {
    route.service.as_ref().map(|service| service.uuid())
}

/// What the change touches.
struct Touched {
    /// Configurations that are there on both sides and told something else.
    reconfigured: BTreeSet<Uuid>,
    /// Where configurations came, went or changed.
    scopes: Vec<Scope>,
    /// Routes that are new or go to another service.
    rerouted: BTreeSet<Uuid>,
}

impl Touched {
    fn between(before: &Model, after: &Model) -> Touched {
        let mut touched = Touched {
            reconfigured: BTreeSet::new(),
            scopes: Vec::new(),
            rerouted: BTreeSet::new(),
        };
        for (id, plugin) in before.plugins.iter() {
            match after.plugins.get(id) {
                None => touched.note(plugin),
                Some(other) if !is_told_the_same(plugin, other) => {
                    touched.note(plugin);
                    touched.note(other);
                    touched.reconfigured.insert(*id);
                }
                Some(_) => {}
            }
        }
        let come = after.plugins.iter();
        let come = come.filter(|(id, _)| !before.plugins.contains_key(*id));
        come.for_each(|(_, plugin)| touched.note(plugin));
        let rerouted = after.routes.iter().filter(|(id, route)| {
            let old = before.routes.get(*id);
            old.is_none_or(|old| service_of(old) != service_of(route))
        });
        touched.rerouted = rerouted.map(|(id, _)| *id).collect();
        touched
    }

    fn note(&mut self, plugin: &Plugin) {
        self.scopes.push(Scope::of(&plugin.document));
    }

    /// The routes of `after` on which something may change.
    fn routes<'m>(&self, after: &'m Model) -> Vec<&'m Route> {
        let everywhere = |scope: &Scope| scope.route.is_none() && scope.service.is_none();
        let all = self.scopes.iter().any(everywhere);
        let by_route: BTreeSet<Uuid> = self.scopes.iter().filter_map(|scope| scope.route).collect();
        let by_service: BTreeSet<Uuid> = self
            .scopes
            .iter()
            .filter_map(|scope| scope.service)
            .collect();
        let concerned = |route: &&Route| {
            let id = route.id.uuid();
            let service = service_of(route);
            all || self.rerouted.contains(&id)
                || by_route.contains(&id)
                || service.is_some_and(|service| by_service.contains(&service))
        };
        let routes = after.routes.values().map(|route| &**route);
        let mut routes: Vec<&Route> = routes.filter(concerned).collect();
        routes.sort_unstable_by_key(|route| route.id.uuid());
        routes
    }
}

/// The consumers who have configurations of their own, on either side.
fn consumers(sides: &[Side<'_>; 2]) -> BTreeSet<Uuid> {
    let plugins = sides.iter().flat_map(|side| &side.plugins);
    let scopes = plugins.map(|(_, plugin)| Scope::of(&plugin.document));
    scopes.filter_map(|scope| scope.consumer).collect()
}

/// Whether nothing changed that a request could notice.
fn is_told_the_same(one: &Plugin, other: &Plugin) -> bool {
    let (a, b) = (&one.document, &other.document);
    Arc::ptr_eq(a, b)
        || a.name == b.name
            && Scope::of(a) == Scope::of(b)
            && a.config.get() == b.config.get()
            && a.protocols == b.protocols
}

/// Consumer, chain before, chain after.
type Kind<'m> = (Option<Uuid>, Option<Vec<Turn<'m>>>, Vec<Turn<'m>>);

pub fn compare<'m>(before: &'m Model, after: &'m Model) -> Chains<'m> {
    let touched = Touched::between(before, after);
    let sides = [Side::new(before), Side::new(after)];
    let mut consumers = vec![None];
    consumers.extend(self::consumers(&sides).into_iter().map(Some));
    let mut routes: Vec<Option<&Route>> = Vec::new();
    if !touched.scopes.is_empty() {
        routes.push(None);
    }
    routes.extend(touched.routes(after).into_iter().map(Some));
    let complete = routes.len() * consumers.len() <= PAIRS;
    let mut found: BTreeMap<Kind<'m>, Vec<Option<&'m Route>>> = BTreeMap::new();
    let pairs = consumers
        .iter()
        .flat_map(|consumer| routes.iter().map(move |route| (*consumer, *route)));
    for (consumer, route) in pairs.take(PAIRS) {
        let old_route = route.map(|route| before.routes.get(&route.id.uuid()));
        let old = match old_route {
            Some(None) => None,
            Some(Some(old)) => Some(sides[0].turns(Some(old), consumer, &touched.reconfigured)),
            None => Some(sides[0].turns(None, consumer, &touched.reconfigured)),
        };
        let new = sides[1].turns(route, consumer, &touched.reconfigured);
        let differs = match &old {
            Some(old) => *old != new || new.iter().any(|turn| turn.changed),
            None => !new.is_empty(),
        };
        if differs {
            let places = found.entry((consumer, old, new)).or_default();
            places.push(route);
        }
    }
    let known: HashMap<Uuid, &Consumer> = [before, after]
        .into_iter()
        .flat_map(|model| model.consumers.iter())
        .map(|(id, consumer)| (*id, &**consumer))
        .collect();
    let shift = |((consumer, before, after), places): (Kind<'m>, Vec<Option<&'m Route>>)| Shift {
        consumer: consumer.and_then(|id| known.get(&id).copied()),
        without_route: places.iter().any(Option::is_none),
        routes: places.into_iter().flatten().collect(),
        before,
        after,
    };
    Chains {
        shifts: found.into_iter().map(shift).collect(),
        complete,
    }
}

impl Chains<'_> {
    pub fn render(&self) -> Value {
        json!({
            "chains": few(&self.shifts, Shift::render),
            "chains_total": self.shifts.len(),
            "complete": self.complete,
        })
    }
}

impl Shift<'_> {
    fn render(&self) -> Value {
        let turns = |turns: &Vec<Turn<'_>>| turns.iter().map(Turn::render).collect::<Value>();
        json!({
            "consumer": self.consumer.map(shown_consumer),
            "routes": few(&self.routes, |route| shown_route(route)),
            "routes_total": self.routes.len(),
            "without_route": self.without_route,
            "before": self.before.as_ref().map(turns),
            "after": turns(&self.after),
        })
    }
}

impl Turn<'_> {
    fn render(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "changed": self.changed })
    }
}
