//! From routes to the index.

use super::criteria::{Criteria, Methods};
use super::hosts::{HostKey, Hosts};
use super::input::RouteInput;
use super::pattern::{Compiler, Pattern, Patterns};
use super::priority::{Order, Paths, Piece, pieces};
use super::tree::{Candidate, Forest, Item};
use foldhash::fast::RandomState;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// An index over every route of one configuration.
#[derive(Debug, Default)]
pub struct Router {
    /// In order of priority: an entry's place is its rank.
    pub(super) entries: Vec<Entry>,
    pub(super) hosts: Hosts,
    pub(super) forest: Forest,
    patterns: Patterns,
}

/// A piece of a route, as `find` reads it.
#[derive(Debug)]
pub(super) struct Entry {
    pub index: u32,
    pub methods: Methods,
    pub path: PathRule,
    /// Shared by the pieces of a route.
    pub criteria: Option<Arc<Criteria>>,
}

/// What is left to check of a path once the tree has led to the entry.
#[derive(Debug)]
pub(super) enum PathRule {
    /// Nothing: the route has no paths.
    Any,
    /// Nothing: this many bytes have matched.
    Prefix(u32),
    /// One of these must match; the first that does counts.
    Regexes(Box<[Arc<Pattern>]>),
}

impl Router {
    /// Builds the index. What `previous` compiled is taken over where the text of a pattern is the same. A pattern
    /// that does not compile, which the model has ruled out, matches nothing.
    pub fn build<'a>(
        routes: impl IntoIterator<Item = RouteInput<'a>>,
        previous: Option<&Router>,
    ) -> Router {
        let mut compiler = Compiler::new(previous.map(|router| &router.patterns));
        let routes: Vec<RouteInput<'a>> = routes.into_iter().collect();
        let mut drafts = Vec::with_capacity(routes.len());
        for route in &routes {
            draft(route, &mut compiler, &mut drafts);
        }
        let drafts = in_order(drafts);
        let (hosts, forest) = plant(&drafts);
        let entries = drafts.into_iter().map(|draft| draft.entry).collect();
        Router {
            entries,
            hosts,
            forest,
            patterns: compiler.finish(),
        }
    }
}

/// Sorts by priority, the first to be tried first. The drafts move once, however often their orders are compared.
fn in_order(drafts: Vec<Draft<'_>>) -> Vec<Draft<'_>> {
    let mut orders: Vec<_> = drafts
        .iter()
        .enumerate()
        .map(|(place, draft)| (Reverse(draft.order), place))
        .collect();
    orders.sort_unstable();
    let mut drafts: Vec<_> = drafts.into_iter().map(Some).collect();
    orders
        .into_iter()
        .filter_map(|(_, place)| drafts[place].take())
        .collect()
}

/// An entry before it has a rank.
struct Draft<'a> {
    order: Order,
    hosts: Option<&'a [&'a str]>,
    /// The literal prefixes; those of regexes are in the entry.
    prefixes: Vec<&'a str>,
    entry: Entry,
}

fn draft<'a>(route: &'a RouteInput<'_>, compiler: &mut Compiler<'_>, drafts: &mut Vec<Draft<'a>>) {
    let (methods, criteria) = Criteria::of(route, compiler);
    let criteria = criteria.map(Arc::new);
    for Piece { order, paths } in pieces(route) {
        let (path, prefixes) = match paths {
            Paths::Any => (PathRule::Any, Vec::new()),
            Paths::Prefixes(prefixes) => (PathRule::Prefix(prefixes[0].len() as u32), prefixes),
            Paths::Regexes(regexes) => {
                let patterns = regexes
                    .into_iter()
                    .filter_map(|(text, regex)| compiler.path(text, regex));
                (PathRule::Regexes(patterns.collect()), Vec::new())
            }
        };
        let entry = Entry {
            index: route.index,
            methods,
            path,
            criteria: criteria.clone(),
        };
        let hosts = route.hosts.as_deref().filter(|hosts| !hosts.is_empty());
        drafts.push(Draft {
            order,
            hosts,
            prefixes,
            entry,
        });
    }
}

impl Draft<'_> {
    /// Where in a tree the entry becomes a candidate.
    fn each_key<'k>(&'k self, mut visit: impl FnMut(&'k [u8])) {
        match &self.entry.path {
            PathRule::Any => visit(b""),
            PathRule::Prefix(_) => self
                .prefixes
                .iter()
                .for_each(|prefix| visit(prefix.as_bytes())),
            PathRule::Regexes(patterns) => patterns.iter().for_each(|pattern| visit(&pattern.key)),
        }
    }
}

/// A tree for every set of routes that some host leads to: hosts with the same routes share one.
fn plant(drafts: &[Draft<'_>]) -> (Hosts, Forest) {
    let (mut hosts, mut forest) = (Hosts::default(), Forest::default());
    let mut planted: HashMap<Vec<Candidate>, u32, RandomState> = HashMap::default();
    let mut items = Vec::new();
    for (host, candidates) in by_host(drafts) {
        let root = match planted.get(&candidates) {
            Some(&root) => root,
            None => {
                items.clear();
                for &candidate in &candidates {
                    drafts[candidate.rank as usize]
                        .each_key(|key| items.push(Item { key, candidate }));
                }
                let root = forest.plant(&mut items);
                planted.insert(candidates, root);
                root
            }
        };
        hosts.insert(host, root);
    }
    forest.shrink_to_fit();
    hosts.shrink_to_fit();
    (hosts, forest)
}

/// The candidates of every host, in order of rank.
type ByHost<'a> = HashMap<HostKey<'a>, Vec<Candidate>, RandomState>;

fn by_host<'a>(drafts: &[Draft<'a>]) -> ByHost<'a> {
    let mut members = ByHost::default();
    for (rank, draft) in (0..).zip(drafts) {
        let Some(hosts) = draft.hosts else {
            members.entry(HostKey::Any).or_default().push(Candidate {
                rank,
                port: Candidate::ANY_PORT,
            });
            continue;
        };
        for host in hosts {
            let (key, port) = HostKey::parse(host);
            let port = port.map_or(Candidate::ANY_PORT, u32::from);
            members
                .entry(key)
                .or_default()
                .push(Candidate { rank, port });
        }
    }
    members
}
