//! Brings the configuration to the data planes: who they are, what they run, what they get next.
//!
//! A commit becomes a [`target`] in [`publish`], which tries it with the function that nodes use; [`rollout`] lets one
//! node of each software version have it first; one [`session`] per node, guided by [`plan`], sends what is missing.
//! [`accept`], [`tls`] and [`pki`] see to it that only nodes are spoken to, [`enroll`] that machines become nodes.

mod accept;
mod enroll;
mod nodes;
mod pki;
mod plan;
mod publish;
pub(crate) mod record;
mod rollout;
mod server;
mod session;
mod standing;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod upkeep;

pub use enroll::{NewToken, TokenError, TokenStatus};
pub use nodes::{LastNack, NodeState, NodeStatus};

use crate::store::{Author, Store, StoreError};
use nodes::Nodes;
use pki::Authority;
use rollout::{Event, Halt, Stage};
use shared::plugins::Catalog;
use shared::sync::Version;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use target::History;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// A lost history opens a new epoch, but not again and again.
const EPOCH_PAUSE: Duration = Duration::from_secs(3600);

/// What the hub is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugins of the settings, for the dry run.
    pub catalog: Arc<Catalog>,
    /// The certificates are in `pki` below it.
    pub data_dir: PathBuf,
    /// Where nodes connect; empty: off.
    pub sync_listen: Vec<SocketAddr>,
    /// Where nodes join; empty: off.
    pub enroll_listen: Vec<SocketAddr>,
}

/// The running side that nodes speak to; clones share it.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    authority: Arc<Authority>,
    addresses: Addresses,
    tasks: TaskTracker,
}

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
    Store(#[from] StoreError),
}

/// Where the hub listens, with the ports the system chose for 0.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    pub sync: Vec<SocketAddr>,
    pub enroll: Vec<SocketAddr>,
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

/// A revision that not every node gets, and why.
#[derive(Clone, Debug)]
pub struct PublishBlocked {
    pub revision: u64,
    pub issues: Vec<String>,
}

/// Labels of a node, given with its token.
pub type Labels = BTreeMap<String, String>;

/// What all sessions have in common.
struct Shared {
    store: Store,
    name: String,
    nodes: Arc<Nodes>,
    history: Arc<History>,
    stage: watch::Sender<Stage>,
    events: mpsc::UnboundedSender<Event>,
    blocked: watch::Receiver<Option<PublishBlocked>>,
    halt: Mutex<Option<Halt>>,
    /// Snapshots under way at a time.
    snapshots: Arc<Semaphore>,
    sessions: AtomicU64,
    new_epoch: Mutex<Option<Instant>>,
    began: Instant,
    shutdown: CancellationToken,
}

impl Hub {
    /// Opens the certificates and the listeners and starts publishing; ends with `shutdown`. Nobody is listened to
    /// before the newest state has passed its dry run or is known not to.
    pub async fn start(
        store: Store,
        settings: Settings,
        shutdown: CancellationToken,
    ) -> Result<Hub, HubError> {
        server::start(store, settings, shutdown).await
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// Every node that has a record, in the order of their ids.
    pub fn nodes(&self) -> Vec<NodeStatus> {
        self.shared.nodes.statuses(self.shared.store.head())
    }

    /// Makes a join token: one word.
    pub async fn create_token(
        &self,
        token: NewToken,
        author: Author,
    ) -> Result<String, TokenError> {
        let port = self.addresses.enroll.first().ok_or(TokenError::Off)?.port();
        let store = &self.shared.store;
        Ok(enroll::create_token(store, &self.authority, port, token, author).await?)
    }

    /// Every token that is or lately was good.
    pub async fn tokens(&self) -> Result<Vec<TokenStatus>, StoreError> {
        enroll::tokens(&self.shared.store).await
    }

    /// Withdraws a node: its sessions end, it gets no configuration any more. False: there is no such node.
    pub async fn revoke(&self, node: Uuid) -> Result<bool, StoreError> {
        self.shared.nodes.revoke(node).await
    }

    /// Why nothing newer is published: what the dry run or a probe found. `None`: published.
    pub fn publish_blocked(&self) -> Option<PublishBlocked> {
        let blocked = self.shared.blocked.borrow().clone();
        blocked.or_else(|| {
            let halt = lock(&self.shared.halt).clone()?;
            Some(PublishBlocked {
                revision: halt.version.revision,
                issues: vec![halt.reason],
            })
        })
    }

    /// The revision that every node may have; `None`: nothing has been published yet.
    pub fn released_revision(&self) -> Option<u64> {
        self.shared
            .stage
            .borrow()
            .released
            .as_ref()
            .map(|target| target.version.revision)
    }

    /// Waits until `how` many of the connected nodes run `revision`, time is up, or the revision is halted. With none
    /// connected it returns at once.
    pub async fn wait_applied(&self, revision: u64, how: Quorum, timeout: Duration) -> Applied {
        let mut moved = self.shared.nodes.moved();
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            moved.mark_unchanged();
            let epoch = self.shared.store.version().epoch;
            let (connected, applied) = self.shared.nodes.progress(epoch, revision);
            let reached = how.reached(applied, connected);
            let stuck = self
                .publish_blocked()
                .is_some_and(|blocked| blocked.revision >= revision);
            if reached
                || stuck
                || tokio::time::timeout_at(deadline, moved.changed())
                    .await
                    .is_err()
            {
                return Applied {
                    applied,
                    connected,
                    reached,
                };
            }
        }
    }

    /// Returns when everything that `shutdown` ended has ended.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

/// Makes a join token while no control plane runs: for the store of `data_dir`, which the caller has opened.
pub async fn create_token(
    store: &Store,
    data_dir: &Path,
    enroll_port: u16,
    token: NewToken,
    author: Author,
) -> Result<String, HubError> {
    let authority = Authority::open(&data_dir.join("pki"))?;
    Ok(enroll::create_token(store, &authority, enroll_port, token, author).await?)
}

impl Quorum {
    fn reached(self, applied: usize, connected: usize) -> bool {
        match self {
            _ if connected == 0 => true,
            Quorum::All => applied == connected,
            Quorum::Percent(share) => applied as f64 * 100.0 >= share * connected as f64,
            Quorum::Count(count) => applied >= count.min(connected),
        }
    }
}

impl Shared {
    fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event); // the rollout has ended with the hub
    }

    /// Milliseconds since the hub began.
    fn clock(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// From [0, 1), for jitter.
    fn random(&self) -> f64 {
        let mut bytes = [0; 4];
        // Without randomness sessions are in step, which is no fault.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }

    /// A node that runs, in this epoch, what this store never logged proves that acknowledged history is gone,
    /// usually by an old backup put back: what follows is another history (sync-protocol.md 3).
    async fn suspect_lost_history(&self, node: Uuid, running: Option<Version>) {
        let Some(running) = running else { return };
        match self.contradicts(&running).await {
            Ok(false) => {}
            Ok(true) => self.open_epoch(node, &running).await,
            Err(error) => {
                tracing::warn!(%node, %error, "cannot compare what the node runs with the log")
            }
        }
    }

    async fn contradicts(&self, running: &Version) -> Result<bool, StoreError> {
        let version = self.store.version();
        if running.epoch != version.epoch {
            return Ok(false);
        }
        if running.revision >= version.revision {
            return Ok(running.revision > version.revision || running.digest != version.digest);
        }
        let logged = self.store.digest_at(running.revision).await?;
        Ok(logged.is_some_and(|logged| logged != running.digest))
    }

    async fn open_epoch(&self, node: Uuid, running: &Version) {
        tracing::error!(%node, revision = running.revision, head = self.store.head(), "history_lost");
        {
            let mut last = lock(&self.new_epoch);
            if last.is_some_and(|last| last.elapsed() < EPOCH_PAUSE) {
                return;
            }
            *last = Some(Instant::now());
        }
        let lost = format!("new epoch: node {node} runs what was lost");
        let author = Author::new("control-plane").doing(lost);
        if let Err(error) = self.store.new_epoch(author).await {
            tracing::error!(%error, "cannot open a new epoch");
        }
    }
}

/// Who sent this request.
fn caller<T>(request: &tonic::Request<T>) -> Option<&accept::Caller> {
    request.extensions().get()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
