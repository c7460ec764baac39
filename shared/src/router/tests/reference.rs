//! The index against a matcher that tries every piece of every route, one after the other.

use super::*;
use crate::router::priority::{Paths, Piece, pieces};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, prop, prop_assert_eq, prop_oneof, proptest,
};
use proptest::sample::{select, subsequence};
use regex::Regex;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Index of the route and length of the matched path.
fn slow(samples: &[Sample], request: &Request) -> Option<(u32, Option<usize>)> {
    let inputs: Vec<_> = (0..)
        .zip(samples)
        .map(|(index, sample)| sample.input(index))
        .collect();
    let mut all: Vec<(&RouteInput<'_>, Piece<'_>)> = inputs
        .iter()
        .flat_map(|input| pieces(input).into_iter().map(move |piece| (input, piece)))
        .collect();
    all.sort_by_key(|(_, piece)| Reverse(piece.order));
    all.iter().find_map(|(route, piece)| {
        let others = takes_method(route, request)
            && takes_host(route, request)
            && takes_headers(route, request)
            && takes_sni(route, request);
        let path = takes_path(&piece.paths, &request.path);
        path.filter(|_| others).map(|length| (route.index, length))
    })
}

/// Compiling takes most of the time otherwise.
fn compiled(pattern: &str) -> Regex {
    thread_local!(static KNOWN: RefCell<HashMap<String, Regex>> = RefCell::default());
    KNOWN.with_borrow_mut(|known| {
        known
            .entry(pattern.to_string())
            .or_insert_with(|| Regex::new(pattern).expect("compiles"))
            .clone()
    })
}

fn takes_method(route: &RouteInput<'_>, request: &Request) -> bool {
    route.methods.is_empty() || route.methods.contains(&request.method)
}

fn takes_host(route: &RouteInput<'_>, request: &Request) -> bool {
    let entries = route.hosts.as_deref().unwrap_or_default();
    let query = request.query();
    let Some(host) = query.host else {
        return entries.is_empty();
    };
    let host = host.to_lowercase();
    entries.is_empty()
        || entries.iter().any(|entry| {
            let (name, port) = match entry.split_once(':') {
                Some((name, port)) => (name, port.parse().ok()),
                None => (*entry, None),
            };
            let name = name.to_lowercase();
            let fits = match (name.strip_prefix('*'), name.strip_suffix('*')) {
                (Some(end), _) => host.ends_with(end),
                (_, Some(start)) => host.starts_with(start),
                _ => host == name,
            };
            fits && port.is_none_or(|port: u16| port == query.port)
        })
}

fn takes_headers(route: &RouteInput<'_>, request: &Request) -> bool {
    route
        .headers
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .all(|(name, values)| {
            let fold = |name: &str| name.to_lowercase().replace('_', "-");
            request
                .headers
                .iter()
                .filter(|(sent, _)| fold(sent.as_str()) == fold(name))
                .any(|(_, sent)| {
                    let Ok(sent) = std::str::from_utf8(sent.as_bytes()) else {
                        return false;
                    };
                    values.iter().any(|value| match value.strip_prefix("~*") {
                        Some(pattern) => compiled(&format!("(?i){pattern}")).is_match(sent),
                        None => value.eq_ignore_ascii_case(sent),
                    })
                })
        })
}

fn takes_sni(route: &RouteInput<'_>, request: &Request) -> bool {
    !request.https
        || route.snis.is_empty()
        || request
            .sni
            .as_deref()
            .is_some_and(|sni| route.snis.contains(&sni))
}

/// Whether the path matches, and how much of it if the piece asks for a path at all.
fn takes_path(paths: &Paths<'_>, path: &str) -> Option<Option<usize>> {
    match paths {
        Paths::Any => Some(None),
        Paths::Prefixes(prefixes) => prefixes
            .iter()
            .find(|prefix| path.starts_with(**prefix))
            .map(|prefix| Some(prefix.len())),
        Paths::Regexes(regexes) => regexes.iter().find_map(|(pattern, _)| {
            compiled(&format!("^(?:{pattern})"))
                .find(path)
                .map(|found| Some(found.end()))
        }),
    }
}

const METHODS: [&str; 4] = ["GET", "POST", "PURGE", "LINK"];
const HOSTS: [&str; 14] = [
    "a.test",
    "b.test",
    "x.a.test",
    "*.test",
    "*.a.test",
    "*.x.a.test",
    "a.*",
    "x.*",
    "x.a.*",
    "a.test:81",
    "*.test:81",
    "x.*:82",
    "b.test:8000",
    "A.test",
];
const SENT_HOSTS: [&str; 10] = [
    "a.test",
    "a.test:81",
    "b.test",
    "b.test:82",
    "x.a.test",
    "x.a.test:82",
    "y.x.a.test",
    "A.TEST",
    "x.org",
    "c.org:81",
];
const PATHS: [&str; 30] = [
    "/",
    "/a",
    "/ab",
    "/abc",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/b",
    "/b/c",
    "/é",
    "/ê",
    "/a/é",
    "~/a",
    "~/a/b$",
    "~/[ab]",
    r"~/a/\w+/c",
    "~/[^/]+/b",
    "~/[^/]*/[^/]*/c",
    "~/(a|b)/(?<rest>.*)",
    "~.*",
    "~.*/c$",
    "~(?i)/A/B",
    "~/a|/b",
    "~/a?b",
    "~/ab?/c",
    "~/a/b?/?c",
    "~/é+",
    "~/[é]/",
    r"~/a\b",
    "~/b*/c",
];
const SENT_PATHS: [&str; 22] = [
    "/", "/a", "/ab", "/abc", "/abcd", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/bb/c", "/a/b/c/d",
    "/b", "/b/c", "/b/b", "/é", "/éé/b", "/a/é/c", "/A/B", "/c", "//c", "/bb/c", "",
];

fn some(of: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    subsequence(of, 0..=most)
        .prop_shuffle()
        .prop_map(|texts| owned(&texts))
}

fn sample() -> impl Strategy<Value = Sample> {
    let headers = subsequence(
        &[("x-a", "1"), ("x_b", "~*^v[0-9]"), ("X-C", "2")][..],
        0..=2,
    );
    let headers = headers.prop_map(|headers| {
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), owned(&[value])))
            .collect()
    });
    (
        any_id(),
        prop_oneof![3 => Just(Vec::new()), 1 => some(&METHODS, 2)],
        prop::option::weighted(0.6, some(&HOSTS, 3)),
        some(&PATHS, 4),
        prop_oneof![3 => Just(Vec::new()), 1 => headers],
        prop_oneof![4 => Just(Vec::new()), 1 => some(&["s.test", "t.test"], 1)],
        prop_oneof![3 => Just(0), 1 => -2_i64..5],
    )
        .prop_map(
            |(id, methods, hosts, paths, headers, snis, regex_priority)| Sample {
                id,
                methods,
                hosts,
                paths,
                headers,
                snis,
                regex_priority,
            },
        )
}

fn any_id() -> impl Strategy<Value = u128> {
    proptest::num::u128::ANY
}

fn request() -> impl Strategy<Value = Request> {
    let headers = subsequence(
        &[
            ("x-a", "1"),
            ("x_a", "2"),
            ("x-b", "V7"),
            ("x_c", "2"),
            ("x-c", "3"),
        ][..],
        0..=3,
    );
    (
        select(&METHODS[..]),
        prop::option::weighted(0.9, select(&SENT_HOSTS[..])),
        select(&SENT_PATHS[..]),
        headers,
        select(&["", "s.test", "t.test"][..]),
        proptest::bool::ANY,
    )
        .prop_map(|(method, host, path, headers, sni, https)| {
            let mut request = get(path).method(method);
            request.host = host.map(str::to_string);
            (request.https, request.sni) = (https, (!sni.is_empty()).then(|| sni.to_string()));
            headers.iter().fold(request, |request, (name, value)| {
                request.header(name, value.as_bytes())
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_agrees_with_trying_every_route(
        samples in prop::collection::vec(sample(), 0..25),
        requests in prop::collection::vec(request(), 1..20),
    ) {
        let router = router(&samples);
        for request in &requests {
            let fast = router.find(&request.query()).map(|found| (found.index, found.prefix));
            prop_assert_eq!(fast, slow(&samples, request), "{:?}", request);
        }
    }
}

#[test]
fn a_router_built_after_another_agrees_too() {
    let samples: Vec<Sample> = (0..)
        .zip(PATHS)
        .map(|(id, path)| any().id(id).paths(&[path]))
        .collect();
    let before = router(&samples);
    let fewer: Vec<Sample> = samples.into_iter().step_by(2).collect();
    let after = Router::build(
        (0..).zip(&fewer).map(|(index, sample)| sample.input(index)),
        Some(&before),
    );
    for path in SENT_PATHS {
        let fast = after
            .find(&get(path).query())
            .map(|found| (found.index, found.prefix));
        assert_eq!(fast, slow(&fewer, &get(path)), "{path}");
    }
}
