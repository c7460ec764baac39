//! What the rest of the node may know about its link: `/status`, readiness, metrics.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use shared::sync::{Digest, Version};
use tokio::sync::watch;

/// Where the running version came from at the start of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootedFrom {
    /// The last version kept on disk.
    Cache,
    /// The one before it: the last was damaged, refused or quarantined.
    Previous,
    /// The file given as a setting.
    Snapshot,
    /// A declarative file: there is no control plane.
    File,
    /// Nothing: waiting for the control plane.
    #[default]
    Empty,
}

impl BootedFrom {
    /// As Hello and `/status` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Previous => "previous",
            Self::Snapshot => "snapshot",
            Self::File => "file",
            Self::Empty => "empty",
        }
    }
}

/// How the running version came to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// From disk, at the start.
    Disk,
    /// As the changes to the version before it.
    Delta,
    /// Whole.
    Snapshot,
    /// From a declarative file.
    File,
}

impl Arrival {
    /// As `/status` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "cache",
            Self::Delta => "delta",
            Self::Snapshot => "snapshot",
            Self::File => "file",
        }
    }
}

/// The state of the link at one moment.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// The id in this node's certificate.
    pub node_id: Option<String>,
    /// When that certificate ends.
    pub certificate_expires: Option<SystemTime>,
    /// There is no control plane: this node's configuration is a file.
    pub alone: bool,
    /// Whether a session stands: Hello was answered with Welcome.
    pub connected: bool,
    /// The control plane's name, as it last said.
    pub control_plane: Option<String>,
    /// When `connected` last changed; at first, when the process started.
    pub since: Instant,
    /// Where the first running version came from.
    pub booted_from: BootedFrom,
    /// What was wrong with the cache at the start.
    pub cache_error: Option<String>,
    /// What serves.
    pub running: Option<Version>,
    /// How it arrived.
    pub last_update: Option<Arrival>,
    /// Whether what serves is empty on purpose.
    pub explicit_empty: bool,
    /// When it began to.
    pub applied_at: Option<SystemTime>,
    /// How long its build took.
    pub build: Duration,
    /// What a restart would boot.
    pub durable: Option<Version>,
    /// The newest revision that the control plane told.
    pub head: u64,
    /// Whether this process was at the control plane's target at least once.
    pub synced: bool,
    /// Why there is no link, or why the last update was refused.
    pub last_error: Option<String>,
    /// Something that an operator must look at.
    pub needs_attention: Option<String>,
    /// Content that crashed this node twice and is not booted.
    pub quarantined: Option<Digest>,
    /// Whether the last write of the cache failed.
    pub cache_degraded: bool,
    /// How many writes of the cache failed.
    pub persist_failures: u64,
}

impl LinkStatus {
    /// Whether what serves may be old, because nobody can say otherwise.
    pub fn stale(&self) -> bool {
        !self.connected && !self.alone
    }

    /// For how long nobody could say; zero while connected.
    pub fn age(&self) -> Duration {
        if self.stale() {
            self.since.elapsed()
        } else {
            Duration::ZERO
        }
    }
}

/// A handle on the link's state; clones share it.
#[derive(Clone)]
pub struct Link(Arc<watch::Sender<LinkStatus>>);

impl Link {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(LinkStatus {
            node_id: None,
            certificate_expires: None,
            alone: false,
            connected: false,
            control_plane: None,
            since: Instant::now(),
            booted_from: BootedFrom::Empty,
            cache_error: None,
            running: None,
            last_update: None,
            explicit_empty: false,
            applied_at: None,
            build: Duration::ZERO,
            durable: None,
            head: 0,
            synced: false,
            last_error: None,
            needs_attention: None,
            quarantined: None,
            cache_degraded: false,
            persist_failures: 0,
        })))
    }

    /// Of a node that has no control plane: nobody knows better, and an empty file is meant.
    pub(super) fn alone() -> Self {
        let link = Self::new();
        link.update(|status| {
            status.alone = true;
            status.synced = true;
            status.explicit_empty = true;
        });
        link
    }

    /// The state now.
    pub fn status(&self) -> LinkStatus {
        self.0.borrow().clone()
    }

    /// To wait for changes.
    pub fn subscribe(&self) -> watch::Receiver<LinkStatus> {
        self.0.subscribe()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut LinkStatus)) {
        self.0.send_modify(change);
    }

    pub(super) fn connected(&self, connected: bool) {
        self.update(|status| {
            if status.connected != connected {
                status.connected = connected;
                status.since = Instant::now();
            }
        });
    }
}
