//! Where the configuration lives: documents, unique keys, references and the change log, in one SQLite file.
//!
//! A write is decided, logged and given its revision in one transaction, by one thread that commits whatever
//! has queued up meanwhile together; the answer comes after the commit is on the disk. Reads go to connections
//! of their own, off the I/O threads. Read [`mod@write`] and `transaction` for the rules, `writer` for group commit,
//! `history` for the change log, `audit` for who wrote, `stage` for writes that are only tried, `backup` for copies of
//! it all.

mod audit;
mod author;
mod backup;
mod directory;
mod epoch;
mod error;
mod history;
mod live;
mod load;
mod prepare;
mod private;
mod query;
mod readers;
mod sqlite;
mod stage;
#[cfg(test)]
mod tests;
mod transaction;
mod trim;
mod write;
mod writer;

pub use audit::{AuditChange, AuditPage, AuditRow};
pub use author::Author;
pub use backup::{Backup, BackupError, Restored, back_up, restore};
pub use directory::write_private;
pub use error::{Rejection, StoreError, WriteError};
pub use history::LogRow;
pub use query::{Filter, Listing, Page, Search, Stored, TagPage, TagRow};
pub use stage::{Effect, Effects};
pub use write::{Committed, Write};

use live::Live;
use prepare::Operation;
use readers::Readers;
use shared::sync::{Change, Digest, State, Version};
use stage::Stage;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, oneshot, watch};
use uuid::Uuid;
use writer::{Batch, Job, Outlet};

/// So many writes of one batch are prepared on all cores, off the I/O threads.
const MANY: usize = 512;

/// Expired documents that one revision deletes at most.
const PURGE: usize = 1000;

/// Writes that are tried at the same time; more wait.
const STAGES: usize = 4;

/// A handle on the store of one control plane; clones share it. The last one to go closes the file.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    /// Where reads and writes of documents go instead, if they are only tried.
    stage: Option<Arc<Stage>>,
}

struct Inner {
    jobs: Option<Sender<Job>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Readers,
    live: Arc<Live>,
    head: watch::Receiver<u64>,
    stages: Arc<Semaphore>,
    /// The log is not trimmed above this revision.
    released: AtomicU64,
    /// Dropped last: the folder stays ours until the writer has ended.
    _directory: directory::Directory,
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            let _ = writer.join(); // it ends with its queue
        }
    }
}

impl Store {
    /// Opens or creates the store under `data_dir`, migrates and verifies it. Blocks: call it before serving.
    pub fn open(data_dir: &Path) -> Result<Store, StoreError> {
        let directory = directory::Directory::claim(data_dir)?;
        let connection = sqlite::open(&directory)?;
        let loaded = load::load(&connection, data_dir)?;
        let version = loaded.version;
        let live = Arc::new(Live::new(loaded));
        let (sender, head) = watch::channel(version.revision);
        let file = directory.path().join(directory::DATABASE);
        let (jobs, writer) = writer::start(
            connection,
            version,
            Outlet {
                live: live.clone(),
                head: sender,
            },
        );
        let inner = Inner {
            jobs: Some(jobs),
            writer: Mutex::new(Some(writer)),
            readers: Readers::new(file),
            live,
            head,
            stages: Arc::new(Semaphore::new(STAGES)),
            released: AtomicU64::new(u64::MAX),
            _directory: directory,
        };
        Ok(Store {
            inner: Arc::new(inner),
            stage: None,
        })
    }

    /// The document of that id.
    pub async fn get(&self, kind: &str, id: Uuid) -> Result<Option<Stored>, StoreError> {
        let kind = kind.to_owned();
        self.read(move |connection| query::get(connection, &kind, id))
            .await
    }

    /// The document that has that unique key: `field` and `value` as [`shared::entities::Entity::unique_keys`]
    /// gives them.
    pub async fn find(
        &self,
        kind: &str,
        field: &str,
        value: &str,
    ) -> Result<Option<Stored>, StoreError> {
        let (kind, field, value) = (kind.to_owned(), field.to_owned(), value.to_owned());
        self.read(move |connection| query::find(connection, &kind, &field, &value))
            .await
    }

    /// Values of a unique key that stand in the alphabet beside one which nothing has, up to `limit` on each side.
    pub async fn neighbours(
        &self,
        kind: &str,
        field: &str,
        value: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let (kind, field, value) = (kind.to_owned(), field.to_owned(), value.to_owned());
        self.read(move |connection| query::neighbours(connection, &kind, &field, &value, limit))
            .await
    }

    /// One page of documents, ascending by id; the cost does not grow with the distance from the start.
    pub async fn list(&self, kind: &str, page: Page) -> Result<Listing, StoreError> {
        let kind = kind.to_owned();
        self.read(move |connection| query::list(connection, &kind, &page))
            .await
    }

    /// The documents of a kind that refer by `field` to one of these, in the order of those and then of ids.
    pub async fn referring(
        &self,
        kind: &'static str,
        field: &'static str,
        to_kind: &'static str,
        to_ids: Vec<Uuid>,
    ) -> Result<Vec<Stored>, StoreError> {
        self.inner
            .readers
            .run(move |connection| query::referring(connection, kind, field, to_kind, &to_ids))
            .await
    }

    /// Every document of a kind, ascending by id. For kinds that stay small.
    pub async fn all(&self, kind: &str) -> Result<Vec<Stored>, StoreError> {
        let kind = kind.to_owned();
        self.read(move |connection| query::all(connection, &kind))
            .await
    }

    /// One page of (tag, kind, id) rows, of one tag or of all.
    pub async fn tags(
        &self,
        tag: Option<String>,
        page: TagPage,
    ) -> Result<Vec<TagRow>, StoreError> {
        self.read(move |connection| query::tags(connection, tag.as_deref(), &page))
            .await
    }

    /// Commits the writes as one revision, or none of them. The author goes into the change log and the audit.
    pub async fn write(
        &self,
        writes: Vec<Write>,
        author: impl Into<Author>,
    ) -> Result<Committed, WriteError> {
        let author = author.into();
        if writes.len() < MANY {
            return self.submit(&writes, author).await;
        }
        let prepare = || shared::parallel::map(writes, |write| Operation::from_write(&write));
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let operations = prepared.map_err(|error| StoreError::Storage(error.to_string()))?;
        self.submit_operations(operations, author).await
    }

    /// As [`Store::write`]; the writes have their place in the queue when this returns, before the answer is awaited.
    pub fn submit(
        &self,
        writes: &[Write],
        author: Author,
    ) -> impl Future<Output = Result<Committed, WriteError>> + Send + use<> {
        let operations = writes.iter().map(Operation::from_write).collect();
        self.submit_operations(operations, author)
    }

    fn submit_operations(
        &self,
        operations: Vec<Operation>,
        author: Author,
    ) -> impl Future<Output = Result<Committed, WriteError>> + Send + use<> {
        let place = match &self.stage {
            Some(stage) => Place::Stage(stage.clone(), operations),
            None => {
                let (answer, answered) = oneshot::channel();
                let queued = self.queue(Job::Write(Batch {
                    operations,
                    author,
                    answer,
                }));
                Place::Queue(queued, answered)
            }
        };
        async move {
            match place {
                Place::Stage(stage, operations) => stage.write(operations).await,
                Place::Queue(queued, answered) => {
                    queued?;
                    answered
                        .await
                        .unwrap_or(Err(WriteError::Storage(StoreError::Closed)))
                }
            }
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.stage {
            Some(stage) => stage.read(read).await,
            None => self.inner.readers.run(read).await,
        }
    }

    /// Deletes a bounded number of documents whose end of life has come, as one revision; how many there were.
    pub async fn purge_expired(&self) -> Result<usize, WriteError> {
        let now = (now_ms() / 1000) as u64;
        let expired = self
            .inner
            .readers
            .run(move |connection| query::expired(connection, now, PURGE))
            .await?;
        // Unless it was given a longer life meanwhile.
        let delete = |(kind, id, revision): (String, Uuid, u64)| {
            let kind = shared::entities::find(&kind)?.kind;
            Some(Operation::Delete {
                kind,
                id,
                expected: Some(revision),
            })
        };
        let operations: Vec<Operation> = expired.into_iter().filter_map(delete).collect();
        let count = operations.len();
        if count > 0 {
            self.submit_operations(operations, Author::from("expiry"))
                .await?;
        }
        Ok(count)
    }

    /// The newest committed revision.
    pub fn head(&self) -> u64 {
        *self.inner.head.borrow()
    }

    /// Follows the newest committed revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.inner.head.clone()
    }

    /// The newest committed version.
    pub fn version(&self) -> Version {
        self.inner.live.version()
    }

    /// The newest committed state with its version; of a stage the one that it began with.
    pub fn state(&self) -> (Arc<State>, Version) {
        match &self.stage {
            Some(stage) => stage.state(),
            None => self.inner.live.state(),
        }
    }

    /// What leads from `base` to `target`, documents that end as they began left out; `None` if the log does not
    /// reach back to `base`.
    pub async fn changes_between(
        &self,
        base: u64,
        target: u64,
    ) -> Result<Option<Vec<Change>>, StoreError> {
        self.inner
            .readers
            .run(move |connection| history::between(connection, base, target))
            .await
    }

    /// The logged digest of that revision; `None` if it is unknown or trimmed.
    pub async fn digest_at(&self, revision: u64) -> Result<Option<Digest>, StoreError> {
        self.inner
            .readers
            .run(move |connection| history::digest_at(connection, revision))
            .await
    }

    /// The state at an older revision: the newest one with later changes undone. `None` if the log does not reach
    /// back so far.
    pub async fn state_at(
        &self,
        revision: u64,
    ) -> Result<Option<(Arc<State>, Version)>, StoreError> {
        let (state, version) = self.state();
        if revision >= version.revision {
            return Ok((revision == version.revision).then_some((state, version)));
        }
        let undone = self
            .inner
            .readers
            .run(move |connection| history::undo(connection, version.revision, revision));
        let Some(changes) = undone.await? else {
            return Ok(None);
        };
        let state = state
            .apply(&changes)
            .map_err(|error| StoreError::Storage(error.to_string()))?;
        let version = Version {
            revision,
            digest: state.digest(),
            ..version
        };
        Ok(Some((Arc::new(state), version)))
    }

    /// The change log of one revision, in order; empty if it is unknown or trimmed.
    pub async fn log_of(&self, revision: u64) -> Result<Vec<LogRow>, StoreError> {
        self.inner
            .readers
            .run(move |connection| history::rows_of(connection, revision))
            .await
    }

    /// Who wrote what, newest first.
    pub async fn audit(&self, page: AuditPage) -> Result<Vec<AuditRow>, StoreError> {
        self.inner
            .readers
            .run(move |connection| audit::list(connection, &page))
            .await
    }

    /// Says which revision nodes may still be at: the log is kept from there on.
    pub fn keep_log_from(&self, revision: u64) {
        self.inner.released.store(revision, Ordering::Relaxed);
    }

    /// Begins another history with the documents of this one: versions of it are above all versions before.
    pub async fn new_epoch(&self, author: Author) -> Result<Version, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue(Job::NewEpoch { author, answer })?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// The revision at which the present epoch began.
    pub fn epoch_start(&self) -> u64 {
        self.inner.live.epoch_start()
    }

    /// Brings the change log within its limits, a few hundred revisions at a time between writes.
    pub async fn trim_log(&self) -> Result<(), StoreError> {
        self.trim_log_to(trim::LIMITS).await
    }

    async fn trim_log_to(&self, limits: trim::Limits) -> Result<(), StoreError> {
        let excess = self
            .inner
            .readers
            .run(move |connection| trim::excess(connection, limits, now_ms()))
            .await?;
        let target = excess.min(self.inner.released.load(Ordering::Relaxed));
        loop {
            let (answer, answered) = oneshot::channel();
            self.queue(Job::Trim { target, answer })?;
            if answered.await.map_err(|_| StoreError::Closed)?? >= target {
                return Ok(());
            }
        }
    }

    fn queue(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self
            .inner
            .jobs
            .as_ref()
            .expect("present until the last handle is dropped");
        jobs.send(job).map_err(|_| StoreError::Closed)
    }
}

/// Where a write is decided.
enum Place {
    Stage(Arc<Stage>, Vec<Operation>),
    Queue(
        Result<(), StoreError>,
        oneshot::Receiver<Result<Committed, WriteError>>,
    ),
}

/// Unix milliseconds.
fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
