//! From commit to target: waits out a burst, tries the state with the function that nodes use, and hands it to the
//! rollout.

use super::PublishBlocked;
use super::rollout::Event;
use super::target::{History, Target};
use crate::store::{Store, StoreError};
use shared::model::Model;
use shared::plugins::Catalog;
use shared::sync::{State, Version};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// The window after a publish: the least, and the most (sync-protocol.md 6).
const WINDOW: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Issues that a blocked publish lists.
const ISSUES: usize = 20;

pub(super) struct Publisher {
    pub(super) store: Store,
    pub(super) history: Arc<History>,
    pub(super) blocked: watch::Sender<Option<PublishBlocked>>,
    catalog: Arc<Catalog>,
    previous: Option<(Arc<State>, Arc<Model>)>,
}

impl Publisher {
    pub(super) fn new(store: Store, history: Arc<History>, catalog: Arc<Catalog>) -> Publisher {
        let blocked = watch::Sender::new(None);
        Publisher {
            store,
            history,
            blocked,
            catalog,
            previous: None,
        }
    }

    /// The newest state as a target, if it passes the dry run.
    pub(super) async fn newest(&mut self) -> Option<Arc<Target>> {
        let (state, version) = self.store.state();
        match self.try_out(state, version).await {
            Ok(target) => {
                self.blocked.send_replace(None);
                Some(target)
            }
            Err(blocked) => {
                tracing::error!(revision = blocked.revision, issues = ?blocked.issues, "publish_blocked");
                self.blocked.send_replace(Some(blocked));
                None
            }
        }
    }

    /// An older state as a target: what was released before the newest failed.
    pub(super) async fn older(&mut self, revision: u64) -> Result<Option<Arc<Target>>, StoreError> {
        let Some((state, version)) = self.store.state_at(revision).await? else {
            return Ok(None);
        };
        Ok(self.try_out(state, version).await.ok())
    }

    async fn try_out(
        &mut self,
        state: Arc<State>,
        version: Version,
    ) -> Result<Arc<Target>, PublishBlocked> {
        let model = dry_run(state.clone(), self.previous.clone(), self.catalog.clone()).await;
        let model = model.map_err(|issues| PublishBlocked {
            revision: version.revision,
            issues,
        })?;
        self.previous = Some((state.clone(), Arc::new(model)));
        self.history.remember(version, state.clone());
        // What is empty since this history began was emptied by somebody; what began empty may have been lost.
        let explicit_empty = state.is_empty() && version.revision > self.store.epoch_start();
        Ok(Arc::new(Target::new(version, state, explicit_empty)))
    }

    /// Publishes what is committed after `published`, until `shutdown`.
    pub(super) async fn run(
        mut self,
        mut published: Version,
        events: mpsc::UnboundedSender<Event>,
        shutdown: CancellationToken,
    ) {
        let mut head = self.store.subscribe();
        let publishing = async {
            loop {
                // Compared, not only awaited: a commit may have come between the first publish and this task.
                if self.store.version() == published && head.changed().await.is_err() {
                    return;
                }
                head.mark_unchanged();
                published = self.store.version();
                let began = Instant::now();
                if let Some(target) = self.newest().await {
                    published = target.version;
                    let _ = events.send(Event::Published(target)); // the rollout ends with us
                }
                let took = began.elapsed();
                tokio::time::sleep((2 * took).clamp(WINDOW.0, WINDOW.1)).await;
            }
        };
        shutdown.run_until_cancelled(publishing).await;
    }
}

/// `Model::build` off the I/O threads; a panic is an issue like any other.
async fn dry_run(
    state: Arc<State>,
    previous: Option<(Arc<State>, Arc<Model>)>,
    catalog: Arc<Catalog>,
) -> Result<Model, Vec<String>> {
    let work = move || {
        let previous = previous.as_ref().map(|(state, model)| (&**state, &**model));
        Model::build(&state, previous, &catalog)
    };
    let result =
        tokio::task::spawn_blocking(|| std::panic::catch_unwind(AssertUnwindSafe(work))).await;
    match result {
        Ok(Ok(built)) => built.map_err(|issues| {
            issues
                .iter()
                .take(ISSUES)
                .map(ToString::to_string)
                .collect()
        }),
        Ok(Err(_)) | Err(_) => Err(vec!["building the model panicked".to_owned()]),
    }
}
