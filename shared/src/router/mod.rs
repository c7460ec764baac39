//! Which route a request belongs to, and what follows from that for its path.
//!
//! Read `normalise` (what is matched), `input` and `priority` (which route comes first), `build` and `find` (the
//! index and its walk), then `upstream_path` and `protocols` (what happens after the match).
//! The rules are sections 2 to 5 of the design page on proxying and routing; the flavour is `traditional_compatible`.
//!
//! `route` reads a route's document for it.
//!
//! A [`Router`] is immutable: it is built once per configuration, away from traffic, and `find` reads it without
//! locks. It knows nothing of sockets, runtimes or plugins. Nodes route by it, and the control plane foretells by it.

mod build;
mod captures;
mod criteria;
mod find;
mod host;
mod hosts;
mod input;
mod normalise;
mod pattern;
mod priority;
mod protocols;
mod route;
mod tree;
mod upstream_path;

pub use build::Router;
pub use captures::Captures;
pub use find::{Found, Query};
pub use host::split_host;
pub use input::{PathInput, RouteInput};
pub use normalise::{BadTarget, escape, normalise, split_target};
pub use protocols::{Facts, Protocols, Refusal, after_match};
pub use upstream_path::{stripped_prefix, upstream_path};

#[cfg(test)]
mod tests;
