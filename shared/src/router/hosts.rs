//! Which trees a request's host leads to.

use super::host;
use foldhash::fast::RandomState;
use std::borrow::Cow;
use std::collections::HashMap;

/// An entry of a route's `hosts`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum HostKey<'a> {
    /// The route says nothing of hosts.
    Any,
    Exact(Cow<'a, str>),
    /// `*.x`: ends in `.x`.
    Suffix(Cow<'a, str>),
    /// `x.*`: begins with `x.`.
    Prefix(Cow<'a, str>),
}

impl<'a> HostKey<'a> {
    /// Reads an entry such as `a.test`, `*.a.test:8443` or `::1`; the port is `None` if any will do. Case does not
    /// matter in names, so there is only lower case here.
    pub(super) fn parse(entry: &'a str) -> (HostKey<'a>, Option<u16>) {
        if entry.parse::<std::net::Ipv6Addr>().is_ok() {
            return (
                HostKey::Exact(Cow::Owned(format!("[{}]", entry.to_ascii_lowercase()))),
                None,
            );
        }
        let (name, port) = match host::split_port(entry) {
            Some((name, port)) => (name, Some(port)),
            None => (entry, None),
        };
        let key = if name.starts_with("*.") {
            HostKey::Suffix(lower(&name[1..]))
        } else if name.ends_with(".*") {
            HostKey::Prefix(lower(&name[..name.len() - 1]))
        } else {
            HostKey::Exact(lower(name))
        };
        (key, port)
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// The roots of the trees, by host.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    any: Option<u32>,
    exact: Names,
    suffixes: Wildcards,
    prefixes: Wildcards,
}

type Names = HashMap<Box<str>, u32, RandomState>;

/// Wildcards by their fixed part.
#[derive(Debug, Default)]
struct Wildcards {
    names: Names,
    /// The longest of them: a client's host may have any number of dots, and only so much of it is worth hashing.
    longest: usize,
}

impl Hosts {
    pub(super) fn insert(&mut self, key: HostKey<'_>, root: u32) {
        match key {
            HostKey::Any => self.any = Some(root),
            HostKey::Exact(name) => drop(self.exact.insert(Box::from(name), root)),
            HostKey::Suffix(suffix) => self.suffixes.insert(Box::from(suffix), root),
            HostKey::Prefix(prefix) => self.prefixes.insert(Box::from(prefix), root),
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.exact.shrink_to_fit();
        self.suffixes.names.shrink_to_fit();
        self.prefixes.names.shrink_to_fit();
    }

    /// Calls `visit` with the root of every tree in which routes for `host` can be.
    pub(super) fn each(&self, host: Option<&str>, mut visit: impl FnMut(u32)) {
        if let Some(host) = host.filter(|_| !self.is_empty()) {
            self.named(&lower(host), &mut visit);
        }
        if let Some(root) = self.any {
            visit(root);
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.suffixes.names.is_empty() && self.prefixes.names.is_empty()
    }

    fn named(&self, host: &str, visit: &mut impl FnMut(u32)) {
        if let Some(&root) = self.exact.get(host) {
            visit(root);
        }
        if !self.suffixes.names.is_empty() {
            let suffixes = host.rmatch_indices('.').map(|(dot, _)| &host[dot..]);
            self.suffixes.each(suffixes, visit);
        }
        if !self.prefixes.names.is_empty() {
            let prefixes = host.match_indices('.').map(|(dot, _)| &host[..=dot]);
            self.prefixes.each(prefixes, visit);
        }
    }
}

impl Wildcards {
    fn insert(&mut self, name: Box<str>, root: u32) {
        self.longest = self.longest.max(name.len());
        self.names.insert(name, root);
    }

    /// Looks up parts of a host, the shortest first.
    fn each<'h>(&self, parts: impl Iterator<Item = &'h str>, visit: &mut impl FnMut(u32)) {
        for part in parts.take_while(|part| part.len() <= self.longest) {
            if let Some(&root) = self.names.get(part) {
                visit(root);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_hosts_is_a_name_or_a_wildcard_and_perhaps_a_port() {
        let exact = |name: &'static str| HostKey::Exact(Cow::Borrowed(name));
        let suffix = |name: &'static str| HostKey::Suffix(Cow::Borrowed(name));
        let prefix = |name: &'static str| HostKey::Prefix(Cow::Borrowed(name));
        for (entry, key, port) in [
            ("a.test", exact("a.test"), None),
            ("A.Test", exact("a.test"), None),
            ("a.test:80", exact("a.test"), Some(80)),
            ("*.a.test", suffix(".a.test"), None),
            ("*.A.test:443", suffix(".a.test"), Some(443)),
            ("a.*", prefix("a."), None),
            ("a.*:81", prefix("a."), Some(81)),
            ("127.0.0.1", exact("127.0.0.1"), None),
            ("[::1]:80", exact("[::1]"), Some(80)),
            ("[::1]", exact("[::1]"), None),
            ("::1", exact("[::1]"), None),
        ] {
            assert_eq!(HostKey::parse(entry), (key, port), "{entry}");
        }
    }

    #[test]
    fn a_host_leads_to_every_tree_that_may_know_it() {
        let mut hosts = Hosts::default();
        for (root, entry) in [
            "a.b.test",
            "*.b.test",
            "*.test",
            "a.*",
            "a.b.*",
            "*.x.a.b.test",
        ]
        .iter()
        .enumerate()
        {
            hosts.insert(HostKey::parse(entry).0, root as u32);
        }
        hosts.insert(HostKey::Any, 9);
        let of = |host| {
            let mut roots = Vec::new();
            hosts.each(host, |root| roots.push(root));
            roots.sort_unstable();
            roots
        };
        assert_eq!(of(Some("a.b.test")), [0, 1, 2, 3, 4, 9]);
        assert_eq!(of(Some("A.B.TEST")), [0, 1, 2, 3, 4, 9]);
        assert_eq!(of(Some("b.test")), [2, 9]);
        assert_eq!(of(Some("xb.test")), [2, 9]);
        assert_eq!(of(Some("y.x.a.b.test")), [1, 2, 5, 9]);
        assert_eq!(of(Some("a.b")), [3, 9]);
        assert_eq!(of(Some("a")), [9]);
        assert_eq!(of(None), [9]);
    }
}
