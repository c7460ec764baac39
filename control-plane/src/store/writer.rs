//! The one thread that writes: takes what is queued, commits it together, then answers all.

use super::live::Live;
use super::prepare::Operation;
use super::transaction::{self, Changed, Stop};
use super::{Author, Committed, StoreError, WriteError, audit, epoch, private, trim};
use rusqlite::{Connection, params};
use shared::sync::{Change, Digest, Version, leaf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};

/// Writes that one commit takes at most.
const GROUP: usize = 256;

pub(super) enum Job {
    Write(Batch),
    /// Removes a few of the log's revisions up to `target`; answers the new floor.
    Trim {
        target: u64,
        answer: oneshot::Sender<Result<u64, StoreError>>,
    },
    NewEpoch {
        author: Author,
        answer: oneshot::Sender<Result<Version, StoreError>>,
    },
}

/// A job that a commit cannot take along.
enum Aside {
    Trim(u64, oneshot::Sender<Result<u64, StoreError>>),
    NewEpoch(Author, oneshot::Sender<Result<Version, StoreError>>),
}

pub(super) struct Batch {
    pub(super) operations: Vec<Operation>,
    pub(super) author: Author,
    pub(super) answer: oneshot::Sender<Result<Committed, WriteError>>,
}

/// Where the writer leaves what it committed.
pub(super) struct Outlet {
    pub(super) live: Arc<Live>,
    pub(super) head: watch::Sender<u64>,
}

pub(super) fn start(
    connection: Connection,
    version: Version,
    outlet: Outlet,
) -> (Sender<Job>, JoinHandle<()>) {
    let (jobs, queue) = channel();
    let writer = Writer {
        connection,
        version,
        outlet,
    };
    let thread = std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run(&queue))
        .expect("the system has a thread for the store");
    (jobs, thread)
}

struct Writer {
    connection: Connection,
    version: Version,
    outlet: Outlet,
}

/// What one commit brought about.
struct Group {
    version: Version,
    changes: Vec<Change>,
    outcomes: Vec<Result<Committed, WriteError>>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Job>) {
        // Never waits for more: the commit before was the wait.
        while let Ok(first) = queue.recv() {
            let (mut group, mut aside) = (Vec::new(), Vec::new());
            for job in std::iter::once(first).chain(queue.try_iter().take(GROUP - 1)) {
                match job {
                    Job::Write(batch) => group.push(batch),
                    Job::Trim { target, answer } => aside.push(Aside::Trim(target, answer)),
                    Job::NewEpoch { author, answer } => {
                        aside.push(Aside::NewEpoch(author, answer));
                    }
                }
            }
            if !group.is_empty() {
                self.write(group);
            }
            aside.into_iter().for_each(|job| self.aside(job));
        }
    }

    fn aside(&mut self, job: Aside) {
        let failed = |error: rusqlite::Error| StoreError::Storage(error.to_string());
        match job {
            Aside::Trim(target, answer) => {
                let _ = answer.send(trim::step(&mut self.connection, target).map_err(failed));
            }
            Aside::NewEpoch(author, answer) => {
                let opened = epoch::open(&mut self.connection, self.version, &author);
                if let Ok(version) = opened {
                    self.version = version;
                    self.outlet.live.open_epoch(version);
                    self.outlet.head.send_replace(version.revision);
                }
                let _ = answer.send(opened.map_err(failed));
            }
        }
    }

    fn write(&mut self, group: Vec<Batch>) {
        let result = self.commit(&group);
        let outcomes = match result {
            Ok(done) => {
                if done.version.revision != self.version.revision {
                    self.version = done.version;
                    self.outlet.live.advance(done.changes, done.version);
                    self.outlet.head.send_replace(done.version.revision);
                }
                done.outcomes
            }
            Err(error) => {
                let error = StoreError::Storage(error.to_string());
                group
                    .iter()
                    .map(|_| Err(WriteError::Storage(error.clone())))
                    .collect()
            }
        };
        for (batch, outcome) in group.into_iter().zip(outcomes) {
            let _ = batch.answer.send(outcome); // a caller that left has its write all the same
        }
    }

    /// One transaction over the whole group, each batch in a savepoint of its own.
    fn commit(&self, group: &[Batch]) -> rusqlite::Result<Group> {
        let transaction = Begun::new(&self.connection)?;
        let mut done = Group {
            version: self.version,
            changes: Vec::new(),
            outcomes: Vec::new(),
        };
        let at = super::now_ms();
        for batch in group {
            let outcome = self.batch(&mut done, batch, at)?;
            done.outcomes.push(outcome);
        }
        if done.version != self.version {
            self.connection
                .prepare_cached("UPDATE meta SET head = ?1, digest = ?2")?
                .execute(params![
                    done.version.revision as i64,
                    done.version.digest.to_bytes()
                ])?;
        }
        transaction.commit()?;
        Ok(done)
    }

    /// The outer error ends the group, the inner one only this batch.
    fn batch(
        &self,
        done: &mut Group,
        batch: &Batch,
        at: i64,
    ) -> rusqlite::Result<Result<Committed, WriteError>> {
        let next = done.version.revision + 1;
        self.connection
            .prepare_cached("SAVEPOINT batch")?
            .execute([])?;
        let changed = match transaction::apply(&self.connection, next, &batch.operations) {
            Ok(changed) => changed,
            Err(Stop::Rejected { index, reason }) => {
                self.connection
                    .prepare_cached("ROLLBACK TO batch")?
                    .execute([])?;
                self.connection
                    .prepare_cached("RELEASE batch")?
                    .execute([])?;
                return Ok(Err(WriteError::Rejected { index, reason }));
            }
            Err(Stop::Sqlite(error)) => return Err(error),
        };
        let is_public = |change: &Changed| !private::is_private(&change.kind);
        let takes_revision = changed.iter().any(is_public);
        if takes_revision {
            done.version.revision = next;
        }
        if takes_revision || (batch.author.action.is_some() && !changed.is_empty()) {
            let revision = done.version.revision;
            audit::note(&self.connection, &batch.author, revision, &changed, at)?;
        }
        let public: Vec<Changed> = changed.into_iter().filter(is_public).collect();
        if takes_revision {
            fold(&mut done.version.digest, &public);
            let author = &batch.author.name;
            log(&self.connection, &done.version, &public, author, at)?;
            done.changes.extend(public.into_iter().map(|change| Change {
                kind: change.kind.into(),
                id: change.id,
                payload: change.after,
            }));
        }
        self.connection
            .prepare_cached("RELEASE batch")?
            .execute([])?;
        Ok(Ok(Committed {
            revision: done.version.revision,
        }))
    }
}

fn fold(digest: &mut Digest, changes: &[Changed]) {
    for Changed {
        kind,
        id,
        before,
        after,
    } in changes
    {
        if let Some(before) = before {
            digest.remove(leaf(kind, id, before));
        }
        if let Some(after) = after {
            digest.add(leaf(kind, id, after));
        }
    }
}

fn log(
    connection: &Connection,
    version: &Version,
    changes: &[Changed],
    actor: &str,
    at: i64,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO change_log (revision, seq, kind, id, before, after, digest, actor, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for (seq, change) in changes.iter().enumerate() {
        insert.execute(params![
            version.revision as i64,
            seq as i64,
            change.kind,
            change.id.as_bytes(),
            change.before.as_deref(),
            change.after.as_deref(),
            version.digest.to_bytes(),
            actor,
            at,
        ])?;
    }
    Ok(())
}

/// A transaction that is rolled back unless committed.
struct Begun<'c>(Option<&'c Connection>);

impl<'c> Begun<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Begun<'c>> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Begun(Some(connection)))
    }

    fn commit(mut self) -> rusqlite::Result<()> {
        let connection = self.0.expect("a transaction ends once");
        connection.prepare_cached("COMMIT")?.execute([])?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.filter(|connection| !connection.is_autocommit()) {
            let _ = connection.execute_batch("ROLLBACK"); // the commit has failed already; that error is reported
        }
    }
}
