//! Which requests go to another route.

use super::probe::{Probe, Wishes};
use super::{SHOWN, few, route as shown};
use serde_json::{Value, json};
use shared::entities::Route;
use shared::model::{Model, Table};
use shared::router::Router;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Requests that are compared at most: about a tenth of a second.
const PROBES: usize = 50_000;

/// How requests move between routes.
#[derive(Debug)]
pub struct Traffic<'m> {
    /// Requests that go elsewhere, in order.
    pub moved: Vec<Moved<'m>>,
    /// Routes that win or lose, by id.
    pub standings: BTreeMap<Uuid, Standing<'m>>,
    /// Requests that were compared.
    pub compared: usize,
    /// Changed routes for which not every criterion could be made into a request.
    pub unprobed: Vec<&'m Route>,
    /// Whether nothing was left out because there was too much of it.
    pub complete: bool,
}

/// A request that another route gets.
#[derive(Clone, Debug)]
pub struct Moved<'m> {
    pub probe: Probe,
    pub before: Option<&'m Route>,
    pub after: Option<&'m Route>,
}

/// What a route has of the requests that were compared.
#[derive(Debug)]
pub struct Standing<'m> {
    pub route: &'m Route,
    /// Whether the change made or changed it.
    changed: bool,
    pub won_before: usize,
    pub won_after: usize,
    /// Requests that it still matches and another route gets; places in [`Traffic::moved`].
    pub lost: Vec<usize>,
    /// Requests that it gets now; places in [`Traffic::moved`].
    pub gained: Vec<usize>,
    /// Requests made from its own criteria that it does not get, and which route does.
    beaten_by: BTreeMap<Uuid, &'m Route>,
}

/// The routes of a model in the order of their ids, and their router.
struct Side<'m> {
    routes: Vec<&'m Route>,
    router: Router,
}

impl<'m> Side<'m> {
    fn new(routes: impl Iterator<Item = &'m Arc<Route>>) -> Side<'m> {
        let mut routes: Vec<&Route> = routes.map(|route| &**route).collect();
        routes.sort_unstable_by_key(|route| route.id.uuid());
        let router = Router::of_routes(routes.iter().copied(), None);
        Side { routes, router }
    }

    fn winner(&self, probe: &Probe) -> Option<&'m Route> {
        let headers = probe.header_map();
        let found = self.router.find(&probe.query(&headers))?;
        self.routes.get(found.index as usize).copied()
    }
}

/// The routes that are not the same in both models; documents that did not change are shared.
fn changed<'m>(these: &'m Table<Route>, those: &Table<Route>) -> Vec<&'m Arc<Route>> {
    let same = |id: &Uuid, route: &Arc<Route>| {
        those.get(id).is_some_and(|other| Arc::ptr_eq(other, route))
    };
    let differing = these.iter().filter(|(id, route)| !same(id, route));
    differing.map(|(_, route)| route).collect()
}

pub fn compare<'m>(before: &'m Model, after: &'m Model) -> Traffic<'m> {
    let gone = changed(&before.routes, &after.routes);
    let come = changed(&after.routes, &before.routes);
    let mut traffic = Traffic {
        moved: Vec::new(),
        standings: BTreeMap::new(),
        compared: 0,
        unprobed: Vec::new(),
        complete: true,
    };
    if gone.is_empty() && come.is_empty() {
        return traffic;
    }
    // A request can only move if a route that changed takes it, as it was or as it will be.
    let concerned = [
        Side::new(gone.iter().copied()),
        Side::new(come.iter().copied()),
    ];
    let sides = [
        Side::new(before.routes.values()),
        Side::new(after.routes.values()),
    ];
    let probes = probes(&concerned, &sides, &mut traffic);
    let altered: HashSet<Uuid> = come.iter().map(|route| route.id.uuid()).collect();
    for route in come {
        let standing = Standing::new(route, true);
        traffic.standings.insert(route.id.uuid(), standing);
    }
    let mut alone = HashMap::new();
    for (probe, makers) in probes {
        let winners = [sides[0].winner(&probe), sides[1].winner(&probe)];
        traffic.note(winners, &altered);
        traffic.note_beaten(&makers, winners[1], &altered);
        if winners[0].map(|route| route.id.uuid()) != winners[1].map(|route| route.id.uuid()) {
            let stays =
                winners[0].is_some_and(|loser| still_takes(&mut alone, after, loser, &probe));
            traffic.note_move(probe, winners, stays);
        }
    }
    traffic.standings.retain(|_, standing| standing.is_news());
    traffic
}

/// The requests that may move, each with the routes from whose criteria it was made.
fn probes<'m>(
    concerned: &[Side<'m>; 2],
    sides: &[Side<'m>; 2],
    traffic: &mut Traffic<'m>,
) -> BTreeMap<Probe, Vec<Uuid>> {
    let mut found: BTreeMap<Probe, Vec<Uuid>> = BTreeMap::new();
    let touched = |probe: &Probe| concerned.iter().any(|side| side.winner(probe).is_some());
    let wishes = |side: &Side<'m>| -> Vec<(Uuid, Wishes<'m>)> {
        let routes = side.routes.iter();
        routes
            .filter_map(|route| Some((route.id.uuid(), Wishes::of(route)?)))
            .collect()
    };
    let [gone, come] = [wishes(&concerned[0]), wishes(&concerned[1])];
    let everywhere = [wishes(&sides[0]), wishes(&sides[1])];
    for (side, (_, wishes)) in concerned[1].routes.iter().zip(&come) {
        if wishes.partial {
            traffic.unprobed.push(side);
        }
    }
    // The routes that changed speak first, so that a limit cuts off what is less likely to matter.
    let own = gone
        .iter()
        .chain(&come)
        .chain(&everywhere[0])
        .chain(&everywhere[1]);
    for (id, wishes) in own {
        for probe in wishes.probes().filter(touched) {
            let makers = found.entry(probe).or_default();
            if !makers.contains(id) {
                makers.push(*id);
            }
        }
        if found.len() >= PROBES {
            traffic.complete = false;
            return found;
        }
    }
    for (changed, all) in [(&gone, &everywhere[0]), (&come, &everywhere[1])] {
        for (_, one) in changed {
            for (_, other) in all {
                if let Some(probe) = one.meeting(other).filter(touched) {
                    found.entry(probe).or_default();
                }
            }
            if found.len() >= PROBES {
                traffic.complete = false;
                return found;
            }
        }
    }
    found
}

/// Whether the route, as it will be, takes the request when it is the only one.
fn still_takes<'m>(
    alone: &mut HashMap<Uuid, Side<'m>>,
    after: &'m Model,
    route: &Route,
    probe: &Probe,
) -> bool {
    let id = route.id.uuid();
    let side = alone
        .entry(id)
        .or_insert_with(|| Side::new(after.routes.get(&id).into_iter()));
    side.winner(probe).is_some()
}

impl<'m> Traffic<'m> {
    fn standing(&mut self, route: &'m Route, altered: &HashSet<Uuid>) -> &mut Standing<'m> {
        let id = route.id.uuid();
        let changed = altered.contains(&id);
        self.standings
            .entry(id)
            .or_insert_with(|| Standing::new(route, changed))
    }

    fn note(&mut self, [before, after]: [Option<&'m Route>; 2], altered: &HashSet<Uuid>) {
        self.compared += 1;
        if let Some(route) = before {
            self.standing(route, altered).won_before += 1;
        }
        if let Some(route) = after {
            self.standing(route, altered).won_after += 1;
        }
    }

    /// Notes who gets what was made for a route that changed.
    fn note_beaten(&mut self, makers: &[Uuid], winner: Option<&'m Route>, altered: &HashSet<Uuid>) {
        let Some(winner) = winner else { return };
        for maker in makers.iter().filter(|maker| altered.contains(maker)) {
            if *maker != winner.id.uuid()
                && let Some(standing) = self.standings.get_mut(maker)
            {
                standing.beaten_by.insert(winner.id.uuid(), winner);
            }
        }
    }

    fn note_move(&mut self, probe: Probe, [before, after]: [Option<&'m Route>; 2], stays: bool) {
        let place = self.moved.len();
        if let Some(winner) = after.and_then(|route| self.standings.get_mut(&route.id.uuid())) {
            winner.gained.push(place);
        }
        if stays
            && after.is_some()
            && let Some(loser) = before.and_then(|route| self.standings.get_mut(&route.id.uuid()))
        {
            loser.lost.push(place);
        }
        self.moved.push(Moved {
            probe,
            before,
            after,
        });
    }
}

impl<'m> Standing<'m> {
    fn new(route: &'m Route, changed: bool) -> Standing<'m> {
        Standing {
            route,
            changed,
            won_before: 0,
            won_after: 0,
            lost: Vec::new(),
            gained: Vec::new(),
            beaten_by: BTreeMap::new(),
        }
    }

    /// Whether others take requests that the route matches: some that it had, or all that it asks for.
    pub fn is_shadowed(&self) -> bool {
        let never = self.changed && self.won_after == 0 && !self.beaten_by.is_empty();
        never || !self.lost.is_empty()
    }

    fn is_news(&self) -> bool {
        self.is_shadowed() || !self.gained.is_empty()
    }
}

impl Traffic<'_> {
    /// The requests that some route had and none has.
    fn unmatched(&self) -> Vec<&Moved<'_>> {
        self.moved
            .iter()
            .filter(|moved| moved.after.is_none())
            .collect()
    }

    pub fn render(&self) -> Value {
        let standings: Vec<&Standing<'_>> = self.standings.values().collect();
        let shadowed: Vec<&Standing<'_>> = filtered(&standings, |one| one.is_shadowed());
        let matching: Vec<&Standing<'_>> = filtered(&standings, |one| !one.gained.is_empty());
        let unmatched = self.unmatched();
        json!({
            "shadowed": few(&shadowed, |standing| self.shadow(standing)),
            "shadowed_total": shadowed.len(),
            "newly_matched": few(&matching, |standing| self.gain(standing)),
            "newly_matched_total": matching.len(),
            "unmatched": few(&unmatched, |moved| moved.render()),
            "unmatched_total": unmatched.len(),
            "moved": few(&self.moved, |moved| moved.render()),
            "moved_total": self.moved.len(),
            "compared": self.compared,
            "not_probed": few(&self.unprobed, |route| shown(route)),
            "complete": self.complete,
        })
    }

    fn shadow(&self, standing: &Standing<'_>) -> Value {
        let takers = standing
            .lost
            .iter()
            .filter_map(|place| self.moved[*place].after);
        let mut by: BTreeMap<Uuid, &Route> = takers.map(|route| (route.id.uuid(), route)).collect();
        if standing.won_after == 0 {
            by.extend(standing.beaten_by.iter().map(|(id, route)| (*id, *route)));
        }
        let by: Vec<&Route> = by.into_values().collect();
        json!({
            "route": shown(standing.route),
            "by": few(&by, |route| shown(route)),
            "won_before": standing.won_before,
            "won_after": standing.won_after,
            "requests": self.samples(&standing.lost),
        })
    }

    fn gain(&self, standing: &Standing<'_>) -> Value {
        json!({
            "route": shown(standing.route),
            "won_before": standing.won_before,
            "won_after": standing.won_after,
            "requests": self.samples(&standing.gained),
        })
    }

    fn samples(&self, places: &[usize]) -> Vec<Value> {
        /// Enough to understand what happens.
        const SAMPLES: usize = 5;
        let moved = places
            .iter()
            .take(SAMPLES.min(SHOWN))
            .map(|place| &self.moved[*place]);
        moved.map(Moved::render).collect()
    }
}

impl Moved<'_> {
    fn render(&self) -> Value {
        let mut rendered = self.probe.render();
        rendered["before"] = self.before.map_or(Value::Null, shown);
        rendered["after"] = self.after.map_or(Value::Null, shown);
        rendered
    }
}

fn filtered<'s, 'm>(
    all: &[&'s Standing<'m>],
    keep: impl Fn(&Standing<'m>) -> bool,
) -> Vec<&'s Standing<'m>> {
    all.iter()
        .copied()
        .filter(|standing| keep(standing))
        .collect()
}
