//! Writes that are tried: judged and applied by the code of real ones, on a snapshot that nobody else sees.
//!
//! A connection of its own holds the file's last commit in a read transaction and shadows the tables with what is new
//! and what is gone (`stage.sql`), so nothing waits for a stage and a stage waits for nobody, however long it takes.
//! What it found can then be written for real ([`super::Store::commit_staged`]), where the writer judges it again.

use super::prepare::{Mode, Operation};
use super::transaction::{self, Changed, Stop};
use super::{Author, Committed, Store, StoreError, WriteError, private, sqlite};
use rusqlite::Connection;
use shared::sync::{State, Version};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

/// A snapshot with the writes that were tried on it.
pub(super) struct Stage {
    /// The newest revision that the snapshot holds.
    base: u64,
    /// The documents of that revision.
    state: Arc<State>,
    version: Version,
    tried: Mutex<Tried>,
    _permit: OwnedSemaphorePermit,
}

struct Tried {
    connection: Connection,
    operations: Vec<Operation>,
    changes: Vec<Changed>,
    touched: HashSet<(&'static str, Uuid)>,
}

/// What tried writes bring about.
#[derive(Clone, Debug)]
pub struct Effects {
    /// The revision that they were tried on.
    pub base: u64,
    /// Each document that is another afterwards, by kind and id; those that end as they began are left out.
    pub effects: Vec<Effect>,
}

/// A document before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    pub kind: String,
    pub id: Uuid,
    /// `None`: it is created.
    pub before: Option<bytes::Bytes>,
    /// `None`: it is deleted.
    pub after: Option<bytes::Bytes>,
    /// Deleted because a document that it refers to is.
    pub cascade: bool,
}

/// A connection that holds a snapshot of the last commit behind shadowed tables, and its revision. Blocks.
fn open(file: &Path) -> rusqlite::Result<(Connection, u64)> {
    let connection = sqlite::open_reader(file)?;
    connection.execute_batch(include_str!("stage.sql"))?;
    connection.execute_batch("BEGIN")?;
    // The first read is what fixes the snapshot.
    let head: i64 = connection.query_row("SELECT head FROM meta", [], |row| row.get(0))?;
    Ok((connection, head as u64))
}

impl Store {
    /// A handle whose writes of documents are only tried, on a snapshot of the newest commit: it reads what it wrote,
    /// nobody else does, and its writes wait for nobody.
    pub async fn stage(&self) -> Result<Store, StoreError> {
        let stages = self.inner.stages.clone();
        let permit = stages.acquire_owned().await.expect("never closed");
        let readers = self.inner.readers.clone();
        let opened = tokio::task::spawn_blocking(move || open(readers.file())).await;
        let (connection, base) = opened
            .map_err(|_| StoreError::Closed)?
            .map_err(|error| StoreError::Storage(error.to_string()))?;
        // A commit is in the file a moment before it is in memory.
        let mut head = self.subscribe();
        let reached = head.wait_for(|head| *head >= base).await;
        reached.map_err(|_| StoreError::Closed)?;
        let state = self.state_at(base).await?;
        let (state, version) = state.ok_or_else(|| {
            StoreError::Storage(format!("revision {base} was trimmed while it was read"))
        })?;
        let stage = Stage {
            base,
            state,
            version,
            tried: Mutex::new(Tried {
                connection,
                operations: Vec::new(),
                changes: Vec::new(),
                touched: HashSet::new(),
            }),
            _permit: permit,
        };
        Ok(Store {
            inner: self.inner.clone(),
            stage: Some(Arc::new(stage)),
        })
    }

    /// What the writes that were tried through this handle bring about; `None` unless it came from [`Store::stage`].
    pub fn effects(&self) -> Option<Effects> {
        self.stage.as_ref().map(|stage| stage.effects())
    }

    /// Writes for real, as one revision, what was tried through this handle; nothing if nothing was.
    ///
    /// # Errors
    /// What the newest state refuses; documents that were read for a change may have changed meanwhile.
    pub async fn commit_staged(&self, author: impl Into<Author>) -> Result<Committed, WriteError> {
        let operations = match &self.stage {
            Some(stage) => std::mem::take(&mut stage.lock().operations),
            None => Vec::new(),
        };
        let real = Store {
            inner: self.inner.clone(),
            stage: None,
        };
        real.submit_operations(operations, author.into()).await
    }
}

impl Stage {
    pub(super) fn state(&self) -> (Arc<State>, Version) {
        (self.state.clone(), self.version)
    }

    /// Reads the snapshot with what was tried. Runs on a thread that may wait.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stage = self.clone();
        let work = move || read(&stage.lock().connection);
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(|error| StoreError::Storage(error.to_string())),
            Err(_) => Err(StoreError::Closed),
        }
    }

    /// Tries the operations together: all of them, or none.
    pub(super) async fn write(
        self: &Arc<Self>,
        operations: Vec<Operation>,
    ) -> Result<Committed, WriteError> {
        let stage = self.clone();
        let work = move || stage.lock().apply(stage.base, operations);
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(_) => Err(WriteError::Storage(StoreError::Closed)),
        }
    }

    fn effects(&self) -> Effects {
        let tried = self.lock();
        let asked: HashSet<(&str, Uuid)> = tried
            .operations
            .iter()
            .filter_map(|operation| match operation {
                Operation::Delete { kind, id, .. } => Some((*kind, *id)),
                Operation::Put { .. } => None,
            })
            .collect();
        let mut effects = net(&tried.changes);
        for effect in &mut effects {
            let place = (effect.kind.as_str(), effect.id);
            effect.cascade = effect.after.is_none() && !asked.contains(&place);
        }
        Effects {
            base: self.base,
            effects,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tried> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tried {
    fn apply(
        &mut self,
        base: u64,
        mut operations: Vec<Operation>,
    ) -> Result<Committed, WriteError> {
        let failed = |error: rusqlite::Error| StoreError::Storage(error.to_string());
        let run = |sql: &str| self.connection.execute_batch(sql).map_err(failed);
        run("SAVEPOINT tried")?;
        let applied = transaction::apply(&self.connection, base + 1, &operations);
        if applied.is_err() {
            run("ROLLBACK TO tried")?;
        }
        run("RELEASE tried")?;
        let changes = match applied {
            Ok(changes) => changes,
            Err(Stop::Rejected { index, reason }) => {
                return Err(WriteError::Rejected { index, reason });
            }
            Err(Stop::Sqlite(error)) => return Err(failed(error).into()),
        };
        let public = |change: &&Changed| !private::is_private(&change.kind);
        let moves = changes.iter().any(|change| public(&change));
        operations.iter_mut().for_each(|one| self.detach(one));
        self.operations.extend(operations);
        self.changes
            .extend(changes.into_iter().filter(|change| public(&change)));
        Ok(Committed {
            revision: base + u64::from(moves),
        })
    }

    /// A document that was tried before is of no revision that the writer will know.
    fn detach(&mut self, operation: &mut Operation) {
        let (place, expected) = match operation {
            Operation::Put { mode, row } => {
                let expected = match mode {
                    Mode::Update { expected } => Some(expected),
                    _ => None,
                };
                ((row.kind, row.id), expected)
            }
            Operation::Delete { kind, id, expected } => ((*kind, *id), Some(expected)),
        };
        if !self.touched.insert(place)
            && let Some(expected) = expected
        {
            *expected = None;
        }
    }
}

/// First and last state of each document that changed, by kind and id.
fn net(changes: &[Changed]) -> Vec<Effect> {
    let mut places: Vec<(&str, Uuid, usize)> = changes
        .iter()
        .enumerate()
        .map(|(at, change)| (change.kind.as_str(), change.id, at))
        .collect();
    places.sort_unstable();
    let of_document = places.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let effect = |group: &[(&str, Uuid, usize)]| {
        let (first, last) = (group.first()?.2, group.last()?.2);
        let (before, after) = (changes[first].before.clone(), changes[last].after.clone());
        (before != after).then(|| Effect {
            kind: changes[first].kind.clone(),
            id: changes[first].id,
            before,
            after,
            cascade: false,
        })
    };
    of_document.filter_map(effect).collect()
}
