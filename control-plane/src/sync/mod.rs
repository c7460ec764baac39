//! Brings the configuration to the data planes: who they are, what they run, what they get next.

mod enroll;
mod nodes;

pub use enroll::{NewToken, TokenStatus};
pub use nodes::{LastNack, NodeState, NodeStatus};

use crate::store::Store;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the hub is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: std::path::PathBuf,
    /// Where nodes connect; empty: off.
    pub sync_listen: Vec<SocketAddr>,
    /// Where nodes join; empty: off.
    pub enroll_listen: Vec<SocketAddr>,
}

/// The running side that nodes speak to; clones share it.
#[derive(Clone)]
pub struct Hub {}

/// Why the hub did not start.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("cannot listen on {address} ({setting}): {source}")]
    Bind {
        setting: &'static str,
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot use the certificates in '{path}': {reason}")]
    Pki { path: String, reason: String },
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// Where the hub listens, with the ports the system chose for 0.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    pub sync: Vec<SocketAddr>,
    pub enroll: Vec<SocketAddr>,
}

impl Hub {
    /// Opens the certificates and the listeners and starts publishing; ends with `shutdown`.
    pub async fn start(
        store: Store,
        settings: Settings,
        shutdown: CancellationToken,
    ) -> Result<Hub, HubError> {
        let _ = (store, settings, shutdown);
        todo!()
    }

    pub fn addresses(&self) -> Addresses {
        todo!()
    }

    /// Every node that has a record, in the order of their ids.
    pub async fn nodes(&self) -> Result<Vec<NodeStatus>, crate::store::StoreError> {
        todo!()
    }

    /// Makes a join token: one word.
    pub async fn create_token(&self, token: NewToken) -> Result<String, crate::store::StoreError> {
        let _ = token;
        todo!()
    }

    pub async fn tokens(&self) -> Result<Vec<TokenStatus>, crate::store::StoreError> {
        todo!()
    }

    /// Withdraws a node: its sessions end, it gets no configuration any more. False: there is no such node.
    pub async fn revoke(&self, node: Uuid) -> Result<bool, crate::store::StoreError> {
        let _ = node;
        todo!()
    }

    /// Why nothing newer is published: what the dry run found. `None`: published.
    pub fn publish_blocked(&self) -> Option<PublishBlocked> {
        todo!()
    }

    /// Waits until `how` many of the connected nodes run `revision`; what was reached when it did or time was up.
    pub async fn wait_applied(&self, revision: u64, how: Quorum, timeout: Duration) -> Applied {
        let _ = (revision, how, timeout);
        todo!()
    }
}

/// How many of the connected nodes (sync-protocol.md 3.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quorum {
    All,
    Percent(f64),
    Count(usize),
}

/// `Headgate-Applied: applied/connected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub applied: usize,
    pub connected: usize,
    pub reached: bool,
}

/// A revision that no node gets.
#[derive(Clone, Debug)]
pub struct PublishBlocked {
    pub revision: u64,
    pub issues: Vec<String>,
}

/// Labels of a node, given with its token.
pub type Labels = BTreeMap<String, String>;
