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

/// The place of a piece among all others: the greater one is tried first. The fields are compared in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    /// How many criteria other than methods are not empty.
    criteria: u8,
    /// Whether hosts are set, be it to an empty list, and none of them is a wildcard.
    plain_hosts: bool,
    methods: bool,
    /// Distinct names, 255 at most.
    headers: u8,
    regex: bool,
    /// Of regexes alone. The reference has 32 bits for it; what it makes of negative ones nobody knows.
    regex_priority: i64,
    /// Length of the prefixes in bytes, as far as 19 bits go; 0 for regexes.
    length: u32,
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
        let regex = matches!(paths, Paths::Regexes(_));
        Order {
            criteria: criteria.into_iter().map(u8::from).sum(),
            plain_hosts: hosts.is_some_and(|hosts| !hosts.iter().any(|host| host.contains('*'))),
            methods: !route.methods.is_empty(),
            headers: u8::try_from(route.headers.len()).unwrap_or(u8::MAX),
            regex,
            regex_priority: if regex { route.regex_priority } else { 0 },
            length: paths.length(),
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

    /// The length that counts for the order.
    fn length(&self) -> u32 {
        const LONGEST: usize = (1 << 19) - 1;
        match self {
            Paths::Prefixes(prefixes) => prefixes[0].len().min(LONGEST) as u32,
            Paths::Any | Paths::Regexes(_) => 0,
        }
    }
}

#[cfg(test)]
#[path = "priority_tests.rs"]
mod tests;
