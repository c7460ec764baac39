//! A route as the router wants to hear of it.

use regex::Regex;
use uuid::Uuid;

/// What the router needs to know of one route. Everything is borrowed from the route's document.
#[derive(Clone, Debug, Default)]
pub struct RouteInput<'a> {
    /// Handed back by `find`: the caller's own place for the route.
    pub index: u32,
    pub id: Uuid,
    pub methods: Vec<&'a str>,
    /// Entries as configured: `a.test`, `*.a.test:8443`, `a.*`. `None` when the route says nothing of hosts; an
    /// empty list is a different thing to the priority rule.
    pub hosts: Option<Vec<&'a str>>,
    pub paths: Vec<PathInput<'a>>,
    /// Name and values; a value beginning `~*` is a regex.
    pub headers: Vec<(&'a str, Vec<&'a str>)>,
    pub snis: Vec<&'a str>,
    pub regex_priority: i64,
}

/// One of a route's paths.
#[derive(Clone, Debug)]
pub enum PathInput<'a> {
    Prefix(&'a str),
    /// The pattern without its `~`, and its compiled form if there is one already. That must be anchored at the start.
    Regex(&'a str, Option<&'a Regex>),
}

impl<'a> PathInput<'a> {
    /// Reads an entry of `paths`: a regex begins with `~`.
    pub fn new(path: &'a str) -> PathInput<'a> {
        match path.strip_prefix('~') {
            Some(pattern) => PathInput::Regex(pattern, None),
            None => PathInput::Prefix(path),
        }
    }
}
