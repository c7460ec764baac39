//! Which route a request belongs to, and what follows from that for its path.
//!
//! Read [`normalise`] (what is matched), [`input`] and [`priority`] (which route comes first), [`build`] and
//! [`find`] (the index and its walk), then [`upstream_path`] and [`protocols`] (what happens after the match).
//! The rules are sections 2 to 5 of the design page on proxying and routing; the flavour is `traditional_compatible`.
//!
//! A [`Router`] is immutable: it is built once per configuration, away from traffic, and `find` reads it without
//! locks. It knows nothing of sockets, runtimes or plugins.

mod captures;
mod host;
mod input;
mod normalise;
mod protocols;
mod upstream_path;

pub use captures::Captures;
pub use host::split_host;
pub use input::{PathInput, RouteInput};
pub use normalise::{BadTarget, escape, normalise, split_target};
pub use protocols::{Facts, Protocols, Refusal, after_match};
pub use upstream_path::{stripped_prefix, upstream_path};

use http::HeaderMap;

/// What the router looks at in a request. Everything is borrowed from the request.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The method, compared case-sensitively.
    pub method: &'a str,
    /// The host without its port, from [`split_host`]; `None` for HTTP/1.0 without `Host`.
    pub host: Option<&'a str>,
    /// The destination port, from [`split_host`].
    pub port: u16,
    /// The normalised path, from [`normalise`].
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
    /// [`RouteInput::index`] of the matched route.
    pub index: u32,
    /// How many bytes of the normalised path the route's prefix or regex matched; `None` if the route has no paths.
    pub prefix: Option<usize>,
    /// The groups of a regex path; `None` for prefixes and for regexes without groups.
    pub captures: Option<Captures>,
}

/// An index over every route of one configuration.
#[derive(Debug, Default)]
pub struct Router {}

impl Router {
    /// Builds the index. What `previous` compiled (patterns, sets of patterns) is reused where it did not change.
    pub fn build<'a>(
        _routes: impl IntoIterator<Item = RouteInput<'a>>,
        _previous: Option<&Router>,
    ) -> Router {
        todo!()
    }

    /// The first route, in order of priority, that the request satisfies. Allocates nothing unless a regex with
    /// groups matches or the host has capital letters.
    pub fn find(&self, _query: &Query<'_>) -> Option<Found> {
        todo!()
    }
}
