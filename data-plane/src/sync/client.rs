//! The life of the link.

use shared::sync::{State, Version};
use tokio_util::sync::CancellationToken;

use super::{Applied, Link, Rejected, Settings, SyncError};

/// A node's side of the link, with what it booted already running.
pub struct Client {
    link: Link,
}

impl Client {
    /// Opens the cache, starts the build thread and runs what was kept, all before any network exists. Blocks until the
    /// kept version serves, at most for its load and build.
    pub fn boot(
        settings: Settings,
        apply: impl FnMut(State, Version) -> Result<Applied, Rejected> + Send + 'static,
    ) -> Result<Self, SyncError> {
        let _ = (settings, apply);
        todo!()
    }

    /// What everybody else may know.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Joins where needed, connects, and stays connected until `shutdown`; then writes what is not on disk yet. Ends
    /// with an error only if the control plane refuses to let the node in and nothing is being served.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), SyncError> {
        let _ = shutdown;
        todo!()
    }
}
