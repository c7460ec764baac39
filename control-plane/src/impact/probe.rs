//! Requests that are made up from what routes ask for.

use super::sample;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use shared::entities::Route;
use shared::router::{Protocols, Query, normalise, split_host};
use shared::types::{HeaderMatch, HostPattern, PathPattern, Protocol, Wildcard};

/// Where the route does not care. No route can ask for this host but by a wildcard.
const HOST: &str = "probe.invalid";
const LABEL: &str = "probe";
const METHOD: &str = "GET";
const PATH: &str = "/";

/// The ports that a request without one in its host came in by.
const PLAIN: u16 = 8000;
const SECURE: u16 = 8443;

/// Requests that are made for one route at most.
const PER_ROUTE: usize = 64;

/// A request, as far as routes are concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Probe {
    pub method: String,
    /// The value of `Host`.
    pub host: String,
    /// Normalised.
    pub path: String,
    /// Name and value.
    pub headers: Vec<(String, String)>,
    pub sni: Option<String>,
    pub https: bool,
}

/// What a route asks for, as values that satisfy it; an empty list is a criterion that it does not have.
#[derive(Debug)]
pub struct Wishes<'r> {
    route: &'r Route,
    methods: Vec<String>,
    hosts: Vec<String>,
    paths: Vec<String>,
    /// Sets of headers that together hold each value of each name once.
    headers: Vec<Vec<(String, String)>>,
    snis: Vec<String>,
    secure: bool,
    /// Whether a criterion is there that no value could be made up for.
    pub partial: bool,
}

impl<'r> Wishes<'r> {
    /// `None` for a route that HTTP requests cannot reach.
    pub fn of(route: &'r Route) -> Option<Wishes<'r>> {
        if !Protocols::of(route).any() {
            return None;
        }
        let asked = route.paths.iter().flatten().count();
        let paths: Vec<String> = route.paths.iter().flatten().filter_map(path).collect();
        let headers = headers(route);
        let partial = paths.len() < asked || headers.is_none();
        let plain = |protocol: &Protocol| matches!(protocol, Protocol::Http | Protocol::Grpc);
        let snis = route.snis.iter().flatten().map(|sni| wildcard(&sni.0));
        let snis: Vec<String> = snis.collect();
        Some(Wishes {
            route,
            methods: texts(route.methods.iter().flatten().map(|method| &**method)),
            hosts: route.hosts.iter().flatten().map(host).collect(),
            paths,
            headers: headers.unwrap_or_default(),
            secure: !snis.is_empty() || !route.protocols.iter().any(plain),
            snis,
            partial,
        })
    }

    /// Whether requests can be made up that the route takes.
    fn is_possible(&self) -> bool {
        let asks = |list: &Option<Vec<PathPattern>>| list.iter().flatten().next().is_some();
        let pathless = self.paths.is_empty() && asks(&self.route.paths);
        let headless =
            self.headers.is_empty() && self.route.headers.iter().flatten().next().is_some();
        !pathless && !headless
    }

    /// Requests that the route takes: each value of each criterion with each of the others, up to a limit.
    pub fn probes(&self) -> impl Iterator<Item = Probe> {
        let counts = [
            self.paths.len(),
            self.hosts.len(),
            self.methods.len(),
            self.headers.len(),
            self.snis.len(),
        ];
        let all: usize = counts.iter().map(|count| count.max(&1)).product();
        let most = if self.is_possible() { PER_ROUTE } else { 0 };
        (0..all.min(most)).map(move |number| {
            let mut rest = number;
            let places = counts.map(|count| {
                let place = rest % count.max(1);
                rest /= count.max(1);
                place
            });
            self.probe(places)
        })
    }

    fn probe(&self, [path, host, method, headers, sni]: [usize; 5]) -> Probe {
        let or = |list: &[String], place: usize, otherwise: &str| {
            list.get(place).map_or(otherwise, String::as_str).to_owned()
        };
        Probe {
            method: or(&self.methods, method, METHOD),
            host: or(&self.hosts, host, HOST),
            path: or(&self.paths, path, PATH),
            headers: self.headers.get(headers).cloned().unwrap_or_default(),
            sni: self.snis.get(sni).cloned(),
            https: self.secure,
        }
    }

    /// A request that both routes may take: what one leaves open is as the other asks for it, the narrower of both where
    /// both ask. `None` where that is a request that one of them alone would give.
    pub fn meeting(&self, other: &Wishes<'_>) -> Option<Probe> {
        if !self.is_possible() || !other.is_possible() {
            return None;
        }
        let mut headers = self.headers.first().cloned().unwrap_or_default();
        for (name, value) in other.headers.first().into_iter().flatten() {
            if !headers
                .iter()
                .any(|(own, _)| own.eq_ignore_ascii_case(name))
            {
                headers.push((name.clone(), value.clone()));
            }
        }
        let first = |own: &[String], others: &[String]| own.first().or(others.first()).cloned();
        let probe = Probe {
            method: first(&self.methods, &other.methods).unwrap_or_else(|| METHOD.to_owned()),
            host: self.meeting_host(other),
            path: self.meeting_path(other),
            headers,
            sni: first(&self.snis, &other.snis),
            https: self.secure || other.secure,
        };
        Some(probe)
    }

    fn meeting_host(&self, other: &Wishes<'_>) -> String {
        let takes = |wishes: &Wishes<'_>, host: &str| {
            let (name, port) = split_host(host, PLAIN);
            let patterns = wishes.route.hosts.iter().flatten();
            let fits =
                |p: &HostPattern| p.name.is_match(name) && p.port.is_none_or(|own| own == port);
            wishes.hosts.is_empty() || patterns.into_iter().any(fits)
        };
        let both = |host: &&String| takes(self, host) && takes(other, host);
        let hosts = || other.hosts.iter().chain(&self.hosts);
        let found = hosts().find(both).or_else(|| hosts().next_back());
        found.map_or(HOST, String::as_str).to_owned()
    }

    fn meeting_path(&self, other: &Wishes<'_>) -> String {
        let takes = |wishes: &Wishes<'_>, path: &str| {
            let mut patterns = wishes.route.paths.iter().flatten();
            wishes.paths.is_empty()
                || patterns.any(|pattern| match pattern {
                    PathPattern::Prefix(prefix) => path.starts_with(prefix.as_str()),
                    PathPattern::Regex(regex) => regex.regex.is_match(path),
                })
        };
        let both = |path: &&String| takes(self, path) && takes(other, path);
        let paths = || other.paths.iter().chain(&self.paths);
        let found = paths().find(both).or_else(|| paths().next_back());
        found.map_or(PATH, String::as_str).to_owned()
    }
}

impl Probe {
    /// Its headers as the router reads them.
    pub fn header_map(&self) -> HeaderMap {
        let header = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        self.headers.iter().filter_map(header).collect()
    }

    /// What the router is asked.
    pub fn query<'p>(&'p self, headers: &'p HeaderMap) -> Query<'p> {
        let listening = if self.https { SECURE } else { PLAIN };
        let (host, port) = split_host(&self.host, listening);
        Query {
            method: &self.method,
            host: Some(host),
            port,
            path: &self.path,
            headers,
            sni: self.sni.as_deref(),
            https: self.https,
        }
    }

    /// As answers show it.
    pub fn render(&self) -> Value {
        let headers = self.headers.iter();
        let headers: serde_json::Map<String, Value> = headers
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({
            "method": self.method, "host": self.host, "path": self.path,
            "headers": headers, "sni": self.sni, "https": self.https,
        })
    }
}

fn texts<'t>(list: impl Iterator<Item = &'t str>) -> Vec<String> {
    list.map(str::to_owned).collect()
}

fn host(pattern: &HostPattern) -> String {
    let name = wildcard(&pattern.name);
    // An address of version 6 is written in brackets in a header.
    let name = match name.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("[{name}]"),
        Err(_) => name,
    };
    pattern
        .port
        .map_or(name.clone(), |port| format!("{name}:{port}"))
}

fn wildcard(name: &Wildcard) -> String {
    match name {
        Wildcard::Exact(name) => name.clone(),
        Wildcard::Suffix(suffix) => format!("{LABEL}{suffix}"),
        Wildcard::Prefix(prefix) => format!("{prefix}{LABEL}"),
    }
}

/// A path as a node would see it: one that changes when it is normalised never arrives.
fn path(pattern: &PathPattern) -> Option<String> {
    let path = match pattern {
        PathPattern::Prefix(prefix) => prefix.clone(),
        PathPattern::Regex(regex) => sample::of(&regex.source, &regex.regex)?,
    };
    let arrives = normalise(&path).is_ok_and(|normal| *normal == path);
    arrives.then_some(path)
}

/// `None`: a header is asked for that no value could be made up for.
fn headers(route: &Route) -> Option<Vec<Vec<(String, String)>>> {
    let asked = route.headers.iter().flatten();
    let asked = asked.filter(|(_, values)| !values.is_empty());
    let each: Vec<(String, Vec<String>)> = asked
        .map(|(name, values)| {
            let values: Vec<String> = values.iter().filter_map(header_value).collect();
            (name.to_string(), values)
        })
        .collect();
    if each.iter().any(|(_, values)| values.is_empty()) {
        return None;
    }
    let most = each.iter().map(|(_, values)| values.len()).max();
    let set = |number: usize| {
        let pair = |(name, values): &(String, Vec<String>)| {
            (name.clone(), values[number % values.len()].clone())
        };
        each.iter().map(pair).collect()
    };
    Some((0..most.unwrap_or(0)).map(set).collect())
}

fn header_value(wanted: &HeaderMatch) -> Option<String> {
    let value = match wanted {
        HeaderMatch::Exact(text) => text.clone(),
        HeaderMatch::Regex(regex) => sample::of(regex.as_str(), regex)?,
    };
    HeaderValue::from_str(&value).is_ok().then_some(value)
}
