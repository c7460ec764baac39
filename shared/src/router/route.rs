//! From a route's document to what the router wants to hear of it.

use super::{PathInput, Protocols, RouteInput, Router};
use crate::entities::Route;
use crate::types::{HeaderMatch, HostPattern, PathPattern, Wildcard};

impl Router {
    /// The router of these routes; [`super::Found::index`] is the place of a route among them. A route that only takes
    /// raw streams has a place and is never found. `previous` lends what was compiled.
    pub fn of_routes<'r>(
        routes: impl IntoIterator<Item = &'r Route>,
        previous: Option<&Router>,
    ) -> Router {
        let texts: Vec<(u32, Texts<'r>)> = (0..)
            .zip(routes)
            .filter(|(_, route)| Protocols::of(route).any())
            .map(|(index, route)| (index, Texts::of(route)))
            .collect();
        let inputs = texts.iter().map(|(index, texts)| texts.input(*index));
        Router::build(inputs, previous)
    }
}

impl Protocols {
    /// The protocols of a route.
    pub fn of(route: &Route) -> Protocols {
        Protocols::new(route.protocols.iter().map(|protocol| protocol.as_str()))
    }
}

/// The texts of a route's criteria, as the router takes them.
pub(super) struct Texts<'r> {
    route: &'r Route,
    hosts: Option<Vec<String>>,
    headers: Vec<(String, Vec<String>)>,
    snis: Vec<String>,
}

impl<'r> Texts<'r> {
    pub(super) fn of(route: &'r Route) -> Self {
        let headers = route
            .headers
            .iter()
            .flatten()
            .map(|(name, values)| (name.to_string(), values.iter().map(header_text).collect()));
        Self {
            route,
            hosts: route
                .hosts
                .as_ref()
                .map(|hosts| hosts.iter().map(host_text).collect()),
            headers: headers.collect(),
            snis: route
                .snis
                .iter()
                .flatten()
                .map(|sni| wildcard_text(&sni.0))
                .collect(),
        }
    }

    pub(super) fn input(&self, index: u32) -> RouteInput<'_> {
        fn texts(list: &[String]) -> Vec<&str> {
            list.iter().map(String::as_str).collect()
        }
        let route = self.route;
        RouteInput {
            index,
            id: route.id.uuid(),
            methods: route
                .methods
                .iter()
                .flatten()
                .map(|method| &**method)
                .collect(),
            hosts: self.hosts.as_deref().map(texts),
            paths: route.paths.iter().flatten().map(path_input).collect(),
            headers: self
                .headers
                .iter()
                .map(|(name, values)| (name.as_str(), texts(values)))
                .collect(),
            snis: texts(&self.snis),
            regex_priority: route.regex_priority.unwrap_or(0),
        }
    }
}

fn host_text(host: &HostPattern) -> String {
    let name = wildcard_text(&host.name);
    host.port
        .map_or(name.clone(), |port| format!("{name}:{port}"))
}

fn wildcard_text(wildcard: &Wildcard) -> String {
    match wildcard {
        Wildcard::Exact(text) => text.clone(),
        Wildcard::Suffix(text) => format!("*{text}"),
        Wildcard::Prefix(text) => format!("{text}*"),
    }
}

fn header_text(value: &HeaderMatch) -> String {
    match value {
        HeaderMatch::Exact(text) => text.clone(),
        HeaderMatch::Regex(regex) => format!("~*{}", regex.as_str()),
    }
}

fn path_input(path: &PathPattern) -> PathInput<'_> {
    match path {
        PathPattern::Prefix(prefix) => PathInput::Prefix(prefix),
        PathPattern::Regex(regex) => PathInput::Regex(&regex.source, Some(&regex.regex)),
    }
}
