//! What nodes should run, and the frames that bring them there: encoded once per base, shared by all sessions, gone
//! with the target.

use crate::store::Store;
use shared::sync::frame::{self, Frame};
use shared::sync::{Change, State, Version};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// A delta may always weigh that much, whatever the snapshot does.
const SMALL: usize = 64 << 10;
/// Versions whose states stay in memory: nearly every base is among them, the log has the others. Not more, for in a burst of
/// writes each version has its own copy of what the burst touched: 256 of them weighed more than the documents.
const RECENT: usize = 16;

/// One published version.
pub(super) struct Target {
    pub(super) version: Version,
    pub(super) state: Arc<State>,
    /// It is empty because this history deleted everything, not because something was lost.
    pub(super) explicit_empty: bool,
    snapshot: OnceCell<Arc<Frame>>,
    deltas: Mutex<HashMap<Version, Delta>>,
}

/// Encoded at most once; `None`: a snapshot is better.
type Delta = Arc<OnceCell<Option<Arc<Frame>>>>;

/// How a node gets to a target.
#[derive(Clone)]
pub(super) struct Way {
    /// What the frame changes; `None`: a snapshot.
    pub(super) base: Option<Version>,
    pub(super) frame: Arc<Frame>,
}

impl Target {
    pub(super) fn new(version: Version, state: Arc<State>, explicit_empty: bool) -> Target {
        Target {
            version,
            state,
            explicit_empty,
            snapshot: OnceCell::new(),
            deltas: Mutex::default(),
        }
    }

    /// The frame for a node that runs `base`: a delta if one is legal and worth it, else the snapshot.
    pub(super) async fn way_from(&self, base: Option<Version>, history: &History) -> Way {
        if let Some(base) = base
            && let Some(frame) = self.delta(base, history).await
        {
            return Way {
                base: Some(base),
                frame,
            };
        }
        Way {
            base: None,
            frame: self.snapshot().await,
        }
    }

    async fn snapshot(&self) -> Arc<Frame> {
        let encode = async || {
            let state = self.state.clone();
            off_thread(move || Arc::new(frame::encode_state(&state))).await
        };
        self.snapshot.get_or_init(encode).await.clone()
    }

    async fn delta(&self, base: Version, history: &History) -> Option<Arc<Frame>> {
        let cell = lock(&self.deltas).entry(base).or_default().clone();
        cell.get_or_init(async || self.encode_delta(base, history).await)
            .await
            .clone()
    }

    async fn encode_delta(&self, base: Version, history: &History) -> Option<Arc<Frame>> {
        let changes = history.changes(base, self).await?;
        let frame = off_thread(move || frame::encode(&changes)).await;
        // Against the last snapshot's size where there was one, else against the state it would hold.
        let whole = self
            .snapshot
            .get()
            .map_or(self.state.bytes() / 6, |snapshot| {
                snapshot.data.len() as u64
            });
        (frame.data.len() <= SMALL || frame.data.len() as u64 <= whole / 4).then(|| Arc::new(frame))
    }
}

/// Where deltas come from: the states of recent versions, and the change log behind them.
pub(super) struct History {
    store: Store,
    recent: Mutex<VecDeque<(Version, Arc<State>)>>,
}

impl History {
    pub(super) fn new(store: Store) -> History {
        History {
            store,
            recent: Mutex::default(),
        }
    }

    /// Remembers a published version.
    pub(super) fn remember(&self, version: Version, state: Arc<State>) {
        let mut recent = lock(&self.recent);
        recent.push_back((version, state));
        if recent.len() > RECENT {
            recent.pop_front();
        }
    }

    /// What leads from `base` to the target; `None` if nobody can tell for certain.
    async fn changes(&self, base: Version, target: &Target) -> Option<Vec<Change>> {
        if base.digest == target.version.digest {
            return Some(Vec::new()); // a revert, or another history of the same content
        }
        let known = lock(&self.recent)
            .iter()
            .rev()
            .find(|(version, _)| *version == base)
            .map(|(_, state)| state.clone());
        if let Some(state) = known {
            let target = target.state.clone();
            return Some(off_thread(move || state.diff(&target)).await);
        }
        if base.epoch != target.version.epoch || base.revision > target.version.revision {
            return None;
        }
        match self.logged(base, target).await {
            Ok(changes) => changes,
            Err(error) => {
                tracing::warn!(%error, "the change log cannot be read, sending a snapshot instead");
                None
            }
        }
    }

    async fn logged(
        &self,
        base: Version,
        target: &Target,
    ) -> Result<Option<Vec<Change>>, crate::store::StoreError> {
        if self.store.digest_at(base.revision).await? != Some(base.digest) {
            return Ok(None);
        }
        self.store
            .changes_between(base.revision, target.version.revision)
            .await
    }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("encoding does not panic")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
