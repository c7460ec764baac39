//! What connects a node to its control plane, and what lets it live without one.
//!
//! ```text
//! receive → verify → Model::build → Runtime aside → swap pointer → Ack(APPLIED) → persist → Ack(DURABLE)
//!              └──────────┴─────────────┴──── Nack, old runtime untouched
//! ```
//! [`Client::boot`] starts what was kept on disk, before any network exists; [`Client::run`] then holds the link. Read
//! `session` for what is decided (pure), `builder` for the thread that builds, `cache` and `keeper` for the disk,
//! `enrol` and `identity` for how a node is let in, `file` for a node that has no control plane. What runs is the caller's: it hands in one function, which builds a
//! version aside, and gets told nothing else. [`Link`] is what everybody else may know.

mod builder;
mod cache;
mod client;
mod connect;
mod enrol;
mod file;
mod identity;
mod keeper;
mod link;
mod memory;
mod pace;
mod session;
mod stream;
mod threads;
mod trial;
mod verify;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use shared::model::{Issue, Issues};
use shared::settings::Endpoint;

pub use cache::CacheError;
pub use client::Client;
pub use enrol::JoinError;
pub use file::{ConfigFile, FileError};
pub use identity::{IdentityError, has_joined};
pub use link::{Arrival, BootedFrom, Link, LinkStatus};

/// What the link needs to know of a node's settings.
#[derive(Clone)]
pub struct Settings {
    /// Where identity and cache are kept.
    pub data_dir: PathBuf,
    /// Where control planes are; empty: where this node joined.
    pub control_plane: Vec<Endpoint>,
    /// The join token, needed once.
    pub join: Option<String>,
    /// A snapshot to start from where the cache has none.
    pub snapshot: Option<PathBuf>,
    /// The largest configuration taken, as [`shared::sync::State::bytes`] counts.
    pub max_state_bytes: u64,
    /// This release, as the control plane shows it.
    pub software: String,
    /// This machine, as the control plane shows it.
    pub hostname: String,
    /// The plugins this node can run.
    pub plugins: Vec<String>,
    /// The kinds and whatever else this node knows.
    pub features: Vec<String>,
}

/// A version that was built aside and waits for its turn.
pub struct Applied {
    pub(crate) swap: Box<dyn FnOnce() + Send>,
    pub(crate) warnings: Vec<Issue>,
}

impl Applied {
    /// `swap` makes the built version the one that serves. It is called at most once, after the version was marked as on
    /// trial and only if the build met its deadline; it must not fail.
    pub fn new(swap: impl FnOnce() + Send + 'static) -> Self {
        Self {
            swap: Box::new(swap),
            warnings: Vec::new(),
        }
    }

    /// With what the control plane should show beside the success.
    pub fn with_warnings(mut self, warnings: Vec<Issue>) -> Self {
        self.warnings = warnings;
        self
    }
}

/// Why a version cannot be run; either is final for its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The documents are wrong: what [`shared::model::Model::build`] found.
    Invalid(Issues),
    /// The documents are right and the runtime could not be built.
    Build(Issues),
}

/// Why the link cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The cache's folder cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The stored identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// First start, no token.
    #[error(
        "this node has not joined a control plane yet: give it `control_plane` and the word that \
         `headgate-cp token create` prints as `join`"
    )]
    NotJoined,
    /// A token and nowhere to go with it.
    #[error(
        "there is a join token but no control plane to join: set `control_plane` to its host:port"
    )]
    NoControlPlane,
    /// The token is no token.
    #[error(transparent)]
    Token(#[from] shared::sync::token::TokenError),
    /// The control plane said no, and there is nothing else to serve.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A thread could not be started.
    #[error("cannot start a thread for the configuration: {0}")]
    Thread(#[source] std::io::Error),
}

/// A number from [0, 1): jitter, never a secret.
fn random() -> f64 {
    let mut bytes = [0; 8];
    // Without randomness a fixed jitter still works.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    (u64::from_be_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
}
