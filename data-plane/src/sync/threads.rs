//! The two threads beside the link's tasks.

use std::sync::Arc;
use std::thread::JoinHandle;

use shared::sync::{State, Version};
use tokio::sync::mpsc::UnboundedSender;

use super::builder::{Builder, Note};
use super::cache::Cache;
use super::keeper::Keeper;
use super::link::Link;
use super::{Applied, Rejected};

/// The threads that build and keep.
pub(super) struct Threads {
    pub(super) builder: Builder,
    builder_thread: JoinHandle<()>,
    keeper: Keeper,
    keeper_thread: JoinHandle<()>,
}

impl Threads {
    pub(super) fn start(
        apply: impl FnMut(State, Version) -> Result<Applied, Rejected> + Send + 'static,
        max_state_bytes: u64,
        cache: &Arc<Cache>,
        link: &Link,
        notes: UnboundedSender<Note>,
    ) -> std::io::Result<Self> {
        let (keeper, keeper_thread) = Keeper::start(cache.clone(), link.clone(), notes.clone())?;
        let (cache, link) = (cache.clone(), link.clone());
        let (builder, builder_thread) =
            Builder::start(apply, max_state_bytes, cache, keeper.clone(), link, notes)?;
        Ok(Self {
            builder,
            builder_thread,
            keeper,
            keeper_thread,
        })
    }

    /// Ends both, the newest version written; a build that may never end is not waited for.
    pub(super) fn stop(self, idle: bool) {
        drop(self.builder);
        if idle {
            let _ = self.builder_thread.join();
        }
        self.keeper.stop();
        let _ = self.keeper_thread.join();
    }
}
