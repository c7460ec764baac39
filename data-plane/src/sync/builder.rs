//! The build thread: decoding, hashing, building and freeing happen here, at a low priority and never on a thread that
//! serves requests.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use shared::sync::proto::nack::Code;
use shared::sync::snapshot_file::Snapshot;
use shared::sync::{Digest, State, Version, frame};
use tokio::sync::mpsc::UnboundedSender;

use super::cache::Cache;
use super::keeper::Keeper;
use super::link::{Arrival, Link};
use super::session::{BUILD_WITHIN, Built, Failure, Order, Outcome};
use super::{Applied, Rejected};

/// What threads of the link tell the session.
#[derive(Debug)]
pub(super) enum Note {
    /// A build ended.
    Built(Outcome),
    /// A version is on disk.
    Persisted(Version),
    /// Content has run healthy for 60 s.
    Proven(Digest),
}

/// Whether a build may still begin to serve; whoever comes first, the swap or the one who gives up, decides.
#[derive(Clone, Default)]
pub(super) struct Permit(Arc<AtomicU8>);

const OPEN: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Permit {
    pub(super) fn withdraw(&self) {
        let _ = self.settle(WITHDRAWN);
    }

    fn take(&self) -> bool {
        self.settle(TAKEN)
    }

    fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) == OPEN
    }

    fn settle(&self, to: u8) -> bool {
        let settled = self
            .0
            .compare_exchange(OPEN, to, Ordering::AcqRel, Ordering::Acquire);
        settled.is_ok()
    }
}

/// A handle on the thread; it ends when the last handle is gone.
#[derive(Clone)]
pub(super) struct Builder(Sender<Job>);

enum Job {
    Update(Order, Permit),
    /// With whether it has to be written to the cache.
    Boot(Snapshot, bool, SyncSender<Result<Built, Failure>>),
}

impl Builder {
    pub(super) fn start(
        apply: impl FnMut(State, Version) -> Result<Applied, Rejected> + Send + 'static,
        max_state_bytes: u64,
        cache: Arc<Cache>,
        keeper: Keeper,
        link: Link,
        notes: UnboundedSender<Note>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, jobs) = channel();
        let mut worker = Worker {
            apply,
            max_state_bytes,
            cache,
            keeper,
            link,
            running: None,
        };
        let thread = std::thread::Builder::new().name("headgate-build".to_owned());
        let handle = thread.spawn(move || {
            lower_priority();
            worker.run(&jobs, &notes);
        })?;
        Ok((Self(sender), handle))
    }

    /// Verifies and builds an update; the outcome comes as a note.
    pub(super) fn build(&self, order: Order, permit: Permit) {
        // The thread lives as long as this handle.
        let _ = self.0.send(Job::Update(order, permit));
    }

    /// Builds what was read from disk, and waits for it. `keep`: it is not in the cache yet.
    pub(super) fn boot(&self, snapshot: Snapshot, keep: bool) -> Result<Built, Failure> {
        let (reply, outcome) = sync_channel(1);
        let _ = self.0.send(Job::Boot(snapshot, keep, reply));
        let gone = || Failure::new(Code::Build, "the build thread is gone");
        outcome.recv().unwrap_or_else(|_| Err(gone()))
    }
}

struct Worker<F> {
    apply: F,
    max_state_bytes: u64,
    cache: Arc<Cache>,
    keeper: Keeper,
    link: Link,
    running: Option<Snapshot>,
}

impl<F: FnMut(State, Version) -> Result<Applied, Rejected>> Worker<F> {
    fn run(&mut self, jobs: &Receiver<Job>, notes: &UnboundedSender<Note>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Update(order, permit) => {
                    let number = order.order;
                    let result = self.update(order, &permit);
                    let serves = self.running.clone().filter(|_| result.is_ok());
                    // The outcome first: it must not come after the word that it is on disk.
                    let _ = notes.send(Note::Built(Outcome {
                        order: number,
                        result,
                    }));
                    if let Some(snapshot) = serves {
                        self.keeper.keep(snapshot);
                    }
                }
                Job::Boot(snapshot, keep, reply) => {
                    let version = snapshot.version;
                    let kept = keep.then(|| snapshot.clone());
                    let result = self.serve(snapshot, Arrival::Disk, &Permit::default());
                    match (&result, kept) {
                        (Ok(_), Some(snapshot)) => self.keeper.keep(snapshot),
                        (Ok(_), None) => self.keeper.watch(version),
                        (Err(_), _) => {}
                    }
                    let _ = reply.send(result);
                }
            }
        }
    }

    /// Checks what the first part could not tell: content, base, digest, size, emptiness. Then it builds.
    fn update(&mut self, order: Order, permit: &Permit) -> Result<Built, Failure> {
        let state = self.result_of(&order)?;
        let limit = self.max_state_bytes;
        if state.bytes() > limit {
            let message = format!(
                "{} bytes of configuration are more than max_state_bytes allows ({limit})",
                state.bytes()
            );
            return Err(Failure::new(Code::Limit, message));
        }
        let replaces = self
            .running
            .as_ref()
            .is_some_and(|running| !running.state.is_empty());
        if state.is_empty() && replaces && !order.explicit_empty {
            let message =
                "an empty configuration may not replace this one unless it says that it is meant";
            return Err(Failure::new(Code::Empty, message));
        }
        let snapshot = Snapshot {
            version: order.target,
            explicit_empty: order.explicit_empty && state.is_empty(),
            state,
        };
        let arrival = match order.base {
            Some(_) => Arrival::Delta,
            None => Arrival::Snapshot,
        };
        self.serve(snapshot, arrival, permit)
    }

    fn result_of(&self, order: &Order) -> Result<State, Failure> {
        let changes = frame::decode(&order.data, order.raw_bytes)
            .map_err(|error| Failure::new(Code::Decode, error.to_string()))?;
        let base = match (&order.base, &self.running) {
            (None, _) => &State::new(),
            (Some(base), Some(running)) if *base == running.version => &running.state,
            _ => {
                return Err(Failure::new(
                    Code::Base,
                    "the update builds on a version that does not run here",
                ));
            }
        };
        let state = base
            .apply(&changes)
            .map_err(|error| Failure::new(Code::Digest, error.to_string()))?;
        if state.digest() != order.target.digest {
            let message = format!("the result does not have the digest of {}", order.target);
            return Err(Failure::new(Code::Digest, message));
        }
        Ok(state)
    }

    /// Builds aside, marks the version as on trial, and swaps if that is still wanted.
    fn serve(
        &mut self,
        snapshot: Snapshot,
        arrival: Arrival,
        permit: &Permit,
    ) -> Result<Built, Failure> {
        let version = snapshot.version;
        if !permit.is_open() {
            return Err(late());
        }
        // Also the build is on trial: it may end the process as well as what it makes.
        let before = self.cache.begin(version.digest);
        let started = Instant::now();
        let apply = AssertUnwindSafe(|| (self.apply)(snapshot.state.clone(), version));
        let result = catch_unwind(apply).unwrap_or_else(|panic| Err(panicked(&*panic)));
        let took = started.elapsed();
        let result = match result {
            Ok(_) if took > BUILD_WITHIN || !permit.take() => Err(late()),
            Ok(applied) => Ok(applied),
            Err(Rejected::Invalid(issues)) => Err(Failure {
                code: Code::Invalid,
                issues,
            }),
            Err(Rejected::Build(issues)) => Err(Failure {
                code: Code::Build,
                issues,
            }),
        };
        let applied = match result {
            Ok(applied) => applied,
            Err(failure) => {
                self.cache.undo(before);
                return Err(failure);
            }
        };
        (applied.swap)();
        let explicit_empty = snapshot.explicit_empty;
        self.running = Some(snapshot);
        self.link.update(|status| {
            status.running = Some(version);
            status.last_update = Some(arrival);
            status.explicit_empty = explicit_empty;
            status.applied_at = Some(SystemTime::now());
            status.build = took;
        });
        Ok(Built {
            version,
            took,
            warnings: applied.warnings,
        })
    }
}

fn late() -> Failure {
    Failure::new(Code::Build, "the build did not end within 60 s")
}

/// A panic is a bug here that some document brought to light; it says so itself as well as it can.
fn panicked(panic: &(dyn Any + Send)) -> Rejected {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the build panicked: {}", text.unwrap_or("no message"));
    Rejected::Build(shared::model::Issue::general(message).into())
}

/// Gives way to the threads that serve. Only Linux has a priority for each thread.
pub(super) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let thread = rustix::thread::gettid();
        if let Err(error) = rustix::process::setpriority_process(Some(thread), 10) {
            tracing::debug!(%error, "the build thread keeps the priority of the others");
        }
    }
}
