//! The walk through the index.

use super::build::{Entry, PathRule, Router};
use super::captures::Captures;
use super::criteria::Methods;
use super::pattern::Pattern;
use super::tree::{Candidate, NONE};
use http::HeaderMap;

/// What the router looks at in a request. Everything is borrowed from the request.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The method, compared case-sensitively.
    pub method: &'a str,
    /// The host without its port, from [`super::split_host`]; `None` for HTTP/1.0 without `Host`.
    pub host: Option<&'a str>,
    /// The destination port, from [`super::split_host`].
    pub port: u16,
    /// The normalised path, from [`super::normalise()`].
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    /// The server name of the TLS handshake; looked at only when `https` is set.
    pub sni: Option<&'a str>,
    /// Whether the request came over TLS.
    pub https: bool,
}

/// The route that a request matched. Owned: it borrows neither the router nor the request, so a request's context
/// can keep it beside the path that its offsets point into.
#[derive(Clone, Debug)]
pub struct Found {
    /// [`super::RouteInput::index`] of the matched route.
    pub index: u32,
    /// How many bytes of the normalised path the route's prefix or regex matched; `None` if the route has no paths.
    pub prefix: Option<usize>,
    /// The groups of a regex path; `None` for prefixes and for regexes without groups.
    pub captures: Option<Captures>,
}

impl Router {
    /// The first route, in order of priority, that the request satisfies. Allocates nothing unless a regex with
    /// groups matches or the host has capital letters.
    pub fn find(&self, query: &Query<'_>) -> Option<Found> {
        let Search { best, matched, .. } = self.search(query);
        let entry = self.entries.get(best as usize)?;
        let captures = matched
            .pattern
            .filter(|pattern| pattern.groups)
            .and_then(|pattern| {
                let captures = pattern.regex.captures(query.path)?;
                Some(Captures::new(&pattern.regex, &captures))
            });
        Some(Found {
            index: entry.index,
            prefix: matched.prefix,
            captures,
        })
    }

    pub(super) fn search<'a>(&'a self, query: &'a Query<'a>) -> Search<'a> {
        let mut search = Search {
            router: self,
            query,
            method: Methods::of(query.method),
            best: NONE,
            matched: Matched::default(),
            steps: 0,
        };
        self.hosts.each(query.host, |root| search.walk(root, 0));
        search
    }
}

/// The state of one lookup.
pub(super) struct Search<'a> {
    router: &'a Router,
    query: &'a Query<'a>,
    method: Methods,
    /// The rank of the best entry so far.
    best: u32,
    matched: Matched<'a>,
    /// How many stops and candidates were looked at.
    pub(super) steps: u32,
}

/// How the path of the best entry matched.
#[derive(Clone, Copy, Default)]
struct Matched<'a> {
    prefix: Option<usize>,
    pattern: Option<&'a Pattern>,
}

impl<'a> Search<'a> {
    fn walk(&mut self, root: u32, start: usize) {
        let (router, query) = (self.router, self.query);
        for stop in router.forest.walk(root, query.path.as_bytes(), start) {
            self.steps += 1;
            if stop.best >= self.best {
                continue;
            }
            self.candidates(stop.candidates);
            // The depth is bounded: a key holds only so many wildcard segments.
            if let Some((root, start)) = stop.branch {
                self.walk(root, start);
            }
        }
    }

    fn candidates(&mut self, candidates: &[Candidate]) {
        let router = self.router;
        for candidate in candidates {
            if candidate.rank >= self.best {
                return;
            }
            self.steps += 1;
            let entry = &router.entries[candidate.rank as usize];
            if !self.accepts_port(candidate.port) || !self.accepts_criteria(entry) {
                continue;
            }
            if let Some(matched) = self.match_path(&entry.path) {
                self.matched = matched;
                self.best = candidate.rank;
                return;
            }
        }
    }

    fn accepts_port(&self, port: u32) -> bool {
        port == Candidate::ANY_PORT || port == u32::from(self.query.port)
    }

    fn accepts_criteria(&self, entry: &Entry) -> bool {
        let query = self.query;
        let Some(criteria) = &entry.criteria else {
            return entry.methods.is_empty() || entry.methods.overlaps(self.method);
        };
        let any_method = entry.methods.is_empty() && criteria.methods.is_empty();
        let takes_method = any_method
            || entry.methods.overlaps(self.method)
            || criteria
                .methods
                .iter()
                .any(|method| **method == *query.method);
        takes_method
            && criteria.takes_headers(query.headers)
            && criteria.takes_sni(query.sni, query.https)
    }

    fn match_path(&self, rule: &'a PathRule) -> Option<Matched<'a>> {
        match rule {
            PathRule::Any => Some(Matched::default()),
            PathRule::Prefix(length) => Some(Matched {
                prefix: Some(*length as usize),
                pattern: None,
            }),
            PathRule::Regexes(patterns) => patterns.iter().find_map(|pattern| {
                let end = pattern.regex.find(self.query.path)?.end();
                Some(Matched {
                    prefix: Some(end),
                    pattern: Some(&**pattern),
                })
            }),
        }
    }
}
