//! The thread that writes the cache: always the newest version, never faster than the disk should bear, and once more
//! before an orderly stop. It also knows when a version has run long enough to be proven.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shared::sync::Version;
use shared::sync::snapshot_file::Snapshot;
use tokio::sync::mpsc::UnboundedSender;

use super::builder::{Note, lower_priority};
use super::cache::Cache;
use super::link::Link;

/// A version that ran for so long is proven.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// How long a failed write waits.
const RETRY: Duration = Duration::from_secs(10);

/// A handle on the thread.
#[derive(Clone)]
pub(super) struct Keeper(Sender<Job>);

enum Job {
    /// This serves since then, and is not on disk yet.
    Keep(Snapshot, Instant),
    /// This serves since then, and came from the disk.
    Watch(Version, Instant),
    Stop,
}

impl Keeper {
    pub(super) fn start(
        cache: Arc<Cache>,
        link: Link,
        notes: UnboundedSender<Note>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, jobs) = channel();
        let worker = Worker {
            cache,
            link,
            notes,
            unsaved: None,
            not_before: Instant::now(),
            on_trial: None,
        };
        let thread = std::thread::Builder::new().name("headgate-cache".to_owned());
        let handle = thread.spawn(move || worker.run(&jobs))?;
        Ok((Self(sender), handle))
    }

    /// A version serves and has to be written.
    pub(super) fn keep(&self, snapshot: Snapshot) {
        // The thread ends only after the last handle stopped it.
        let _ = self.0.send(Job::Keep(snapshot, Instant::now()));
    }

    /// A version serves that was read from the cache.
    pub(super) fn watch(&self, version: Version) {
        let _ = self.0.send(Job::Watch(version, Instant::now()));
    }

    /// Writes what is not written yet, and ends the thread.
    pub(super) fn stop(&self) {
        let _ = self.0.send(Job::Stop);
    }
}

struct Worker {
    cache: Arc<Cache>,
    link: Link,
    notes: UnboundedSender<Note>,
    unsaved: Option<Snapshot>,
    not_before: Instant,
    on_trial: Option<(Version, Instant)>,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        lower_priority();
        loop {
            let job = match self.due() {
                Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match job {
                Ok(Job::Keep(snapshot, since)) => {
                    self.on_trial = Some((snapshot.version, since + HEALTHY_AFTER));
                    self.unsaved = Some(snapshot);
                }
                Ok(Job::Watch(version, since)) => {
                    self.on_trial = Some((version, since + HEALTHY_AFTER))
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.work(Instant::now());
        }
        self.save(Instant::now());
        self.cache.stopped();
    }

    fn due(&self) -> Option<Instant> {
        let write = self.unsaved.as_ref().map(|_| self.not_before);
        let proof = self.on_trial.as_ref().map(|(_, at)| *at);
        write.into_iter().chain(proof).min()
    }

    fn work(&mut self, now: Instant) {
        if let Some((version, _)) = self.on_trial.take_if(|(_, at)| *at <= now) {
            self.cache.healthy(version.digest);
            let _ = self.notes.send(Note::Proven(version.digest));
        }
        if self.not_before <= now {
            self.save(now);
        }
    }

    fn save(&mut self, now: Instant) {
        let Some(snapshot) = self.unsaved.take() else {
            return;
        };
        match self.cache.save(&snapshot) {
            Ok(bytes) => {
                self.not_before = Instant::now() + pause(bytes);
                self.saved(snapshot.version);
            }
            Err(error) => {
                tracing::error!(revision = snapshot.version.revision, %error, "the configuration cannot be kept on disk");
                self.not_before = now + RETRY;
                self.unsaved = Some(snapshot);
                self.link.update(|status| {
                    status.cache_degraded = true;
                    status.persist_failures += 1;
                });
            }
        }
    }

    fn saved(&self, version: Version) {
        let quarantined = self.cache.quarantined();
        self.link.update(|status| {
            status.cache_degraded = false;
            status.durable = Some(version);
            status.quarantined = quarantined;
        });
        let _ = self.notes.send(Note::Persisted(version));
    }
}

/// One write per clamp(file size / 1 MB/s, 200 ms, 10 s).
fn pause(bytes: u64) -> Duration {
    Duration::from_micros(bytes).clamp(Duration::from_millis(200), Duration::from_secs(10))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shared::sync::State;
    use tempfile::TempDir;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use uuid::Uuid;

    use super::*;

    fn snapshot(revision: u64) -> Snapshot {
        let mut state = State::new();
        let payload = Bytes::from(revision.to_string());
        state.insert(&"routes".into(), Uuid::nil(), payload);
        let version = Version {
            epoch: Uuid::nil(),
            revision,
            digest: state.digest(),
        };
        Snapshot {
            version,
            state,
            explicit_empty: false,
        }
    }

    fn worker(folder: &TempDir, now: Instant) -> (Worker, UnboundedReceiver<Note>) {
        let (notes, heard) = unbounded_channel();
        let (cache, _) = Cache::open(folder.path(), u64::MAX).unwrap();
        let worker = Worker {
            cache: Arc::new(cache),
            link: Link::new(),
            notes,
            unsaved: None,
            not_before: now,
            on_trial: None,
        };
        (worker, heard)
    }

    #[test]
    fn the_pause_between_writes_grows_with_the_file() {
        for (bytes, millis) in [(0, 200), (1_000, 200), (500_000, 500), (10_700_000, 10_000)] {
            assert_eq!(pause(bytes), Duration::from_millis(millis), "{bytes} bytes");
        }
    }

    #[test]
    fn the_first_change_is_written_at_once_and_of_those_that_follow_the_newest() {
        let folder = TempDir::new().unwrap();
        let now = Instant::now();
        let (mut worker, mut heard) = worker(&folder, now);
        let mut written = Vec::new();
        for (revision, wait) in [(1, 0), (2, 50), (3, 100), (4, 10_000)] {
            worker.unsaved = Some(snapshot(revision));
            worker.work(now + Duration::from_millis(wait));
            while let Ok(note) = heard.try_recv() {
                written.push(match note {
                    Note::Persisted(version) => version.revision,
                    other => panic!("{other:?}"),
                });
            }
        }
        assert_eq!(written, [1, 4]);
        assert_eq!(worker.link.status().durable, Some(snapshot(4).version));
    }

    #[test]
    fn a_version_is_proven_after_a_minute_and_not_before() {
        let folder = TempDir::new().unwrap();
        let now = Instant::now();
        let (mut worker, mut heard) = worker(&folder, now);
        let version = snapshot(1).version;
        let _ = worker.cache.begin(version.digest);
        worker.on_trial = Some((version, now + HEALTHY_AFTER));
        worker.work(now + HEALTHY_AFTER - Duration::from_millis(1));
        assert!(heard.try_recv().is_err());
        assert_eq!(worker.due(), Some(now + HEALTHY_AFTER));
        worker.work(now + HEALTHY_AFTER);
        assert!(matches!(heard.try_recv(), Ok(Note::Proven(digest)) if digest == version.digest));
        assert_eq!(worker.due(), None);
    }

    #[test]
    fn a_disk_that_fails_is_reported_and_tried_again() {
        let folder = TempDir::new().unwrap();
        let now = Instant::now();
        let (mut worker, mut heard) = worker(&folder, now);
        let obstacle = folder.path().join("current.draft");
        std::fs::create_dir(&obstacle).unwrap();
        worker.unsaved = Some(snapshot(1));
        worker.work(now);
        let status = worker.link.status();
        assert!(status.cache_degraded && status.persist_failures == 1 && status.durable.is_none());
        assert_eq!(worker.due(), Some(now + RETRY));
        std::fs::remove_dir(&obstacle).unwrap();
        worker.work(now + RETRY);
        assert!(matches!(heard.try_recv(), Ok(Note::Persisted(_))));
        assert!(!worker.link.status().cache_degraded);
    }
}
