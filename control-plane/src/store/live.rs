//! The newest committed state, in memory.
//!
//! The writer only notes what changed; the state is brought up to date when somebody asks for it, so that a burst
//! of commits costs one pass.

use super::load::Loaded;
use shared::sync::{Change, State, Version};
use std::sync::{Arc, Mutex};

pub(super) struct Live {
    inner: Mutex<Inner>,
}

struct Inner {
    state: Arc<State>,
    version: Version,
    epoch_start: u64,
    pending: Vec<Change>,
}

impl Live {
    pub(super) fn new(loaded: Loaded) -> Live {
        let Loaded {
            state,
            version,
            epoch_start,
        } = loaded;
        Live {
            inner: Mutex::new(Inner {
                state: Arc::new(state),
                version,
                epoch_start,
                pending: Vec::new(),
            }),
        }
    }

    /// Notes that another history begins here.
    pub(super) fn open_epoch(&self, version: Version) {
        let mut inner = self.lock();
        inner.version = version;
        inner.epoch_start = version.revision;
    }

    pub(super) fn epoch_start(&self) -> u64 {
        self.lock().epoch_start
    }

    /// Notes a commit.
    pub(super) fn advance(&self, changes: impl IntoIterator<Item = Change>, version: Version) {
        let mut inner = self.lock();
        inner.pending.extend(changes);
        inner.version = version;
    }

    pub(super) fn version(&self) -> Version {
        self.lock().version
    }

    /// The newest state with its version.
    pub(super) fn state(&self) -> (Arc<State>, Version) {
        let mut inner = self.lock();
        if !inner.pending.is_empty() {
            let pending = std::mem::take(&mut inner.pending);
            let next = inner
                .state
                .apply(&pending)
                .expect("committed changes apply to the committed state");
            inner.state = Arc::new(next);
        }
        (inner.state.clone(), inner.version)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
