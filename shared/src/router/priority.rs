//! Which route comes first: the splitting of a route by its paths and the exact order of the pieces (sections 3.1
//! and 3.2 of the design page).
//!
//! In one point a recorded answer overrules the page's table: there, method and path together lose to a plain host
//! (`routing/priority-two-attributes-vs-one`), though they are two criteria and it is one. So methods are not counted
//! with the others but come after plain hosts, still before everything that is only better and not more.

use super::input::{PathInput, RouteInput};
use regex::Regex;
use uuid::Uuid;

/// The namespace of the ids by which the pieces of a split route break ties.
const PIECES: Uuid = Uuid::from_u128(0x7f145bf9_0dce_4f91_98eb_debbce4b9f6b);

/// A piece of a route that competes with a priority of its own.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub order: Order,
    pub paths: Paths<'a>,
}

/// The paths of a piece: of one kind, and prefixes of one length.
#[derive(Debug)]
pub(super) enum Paths<'a> {
    /// The route has no paths: any will do.
    Any,
    Prefixes(Vec<&'a str>),
    Regexes(Vec<(&'a str, Option<&'a Regex>)>),
}

/// The place of a piece among all others: the greater one is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    /// From the top: 3 bits the number of criteria other than methods, 1 whether hosts are set and none of them is a
    /// wildcard, 1 whether there are methods, 8 the number of header names, 1 whether the paths are regexes, and 50
    /// the `regex_priority` of those or else the length of the prefixes. The page's bits but for the methods, and but
    /// for a place for negative priorities, which the reference lacks.
    priority: u64,
    /// A UUID, byte by byte.
    id: u128,
}

/// Splits a route: its regexes are one piece, its prefixes one piece for each length, in order of appearance.
pub(super) fn pieces<'a>(route: &RouteInput<'a>) -> Vec<Piece<'a>> {
    let mut groups: Vec<Paths<'a>> = Vec::with_capacity(1);
    for path in &route.paths {
        match groups.iter_mut().find(|group| group.takes(path)) {
            Some(group) => group.add(path),
            None => groups.push(Paths::new(path)),
        }
    }
    if groups.is_empty() {
        groups.push(Paths::Any);
    }
    let split = groups.len() > 1;
    let numbered = groups.into_iter().zip(1..);
    numbered
        .map(|(paths, number)| {
            let id = if split {
                piece_id(route.id, number)
            } else {
                route.id
            };
            Piece {
                order: Order::new(route, &paths, id),
                paths,
            }
        })
        .collect()
}

fn piece_id(route: Uuid, number: u32) -> Uuid {
    Uuid::new_v5(
        &PIECES,
        format!("{}#{number}", route.hyphenated()).as_bytes(),
    )
}

impl Order {
    fn new(route: &RouteInput<'_>, paths: &Paths<'_>, id: Uuid) -> Order {
        let hosts = route.hosts.as_deref();
        // Sources and destinations belong to stream routes, which never come here.
        let criteria = [
            hosts.is_some_and(|hosts| !hosts.is_empty()),
            !route.headers.is_empty(),
            !route.snis.is_empty(),
            !route.paths.is_empty(),
        ];
        let count: u64 = criteria.into_iter().map(u64::from).sum();
        // An empty list of hosts counts as set.
        let plain_hosts = hosts.is_some_and(|hosts| !hosts.iter().any(|host| host.contains('*')));
        let headers = route.headers.len().min(255) as u64;
        let priority = count << 61
            | u64::from(plain_hosts) << 60
            | u64::from(!route.methods.is_empty()) << 59
            | headers << 51
            | paths.bits(route.regex_priority);
        Order {
            priority,
            id: id.as_u128(),
        }
    }
}

impl<'a> Paths<'a> {
    fn new(path: &PathInput<'a>) -> Paths<'a> {
        match *path {
            PathInput::Prefix(prefix) => Paths::Prefixes(vec![prefix]),
            PathInput::Regex(pattern, compiled) => Paths::Regexes(vec![(pattern, compiled)]),
        }
    }

    fn takes(&self, path: &PathInput<'a>) -> bool {
        match (self, path) {
            (Paths::Prefixes(prefixes), PathInput::Prefix(prefix)) => {
                prefixes[0].len() == prefix.len()
            }
            (Paths::Regexes(_), PathInput::Regex(..)) => true,
            _ => false,
        }
    }

    fn add(&mut self, path: &PathInput<'a>) {
        match (self, path) {
            (Paths::Prefixes(prefixes), &PathInput::Prefix(prefix)) => prefixes.push(prefix),
            (Paths::Regexes(regexes), &PathInput::Regex(pattern, compiled)) => {
                regexes.push((pattern, compiled))
            }
            _ => {}
        }
    }

    /// The low 51 bits of the order.
    fn bits(&self, regex_priority: i64) -> u64 {
        const LONGEST: usize = (1 << 19) - 1;
        const MIDDLE: i64 = 1 << 49;
        match self {
            Paths::Any => 0,
            Paths::Prefixes(prefixes) => prefixes[0].len().min(LONGEST) as u64,
            Paths::Regexes(_) => {
                1 << 50 | (regex_priority.clamp(-MIDDLE, MIDDLE - 1) + MIDDLE) as u64
            }
        }
    }
}

#[cfg(test)]
#[path = "priority_tests.rs"]
mod tests;
