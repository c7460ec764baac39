//! The last good versions on disk: what a node restarts from when nobody answers.
//!
//! `current.hgs` is the last version that was applied and written, `previous.hgs` the last one proven to run. A write
//! goes to a draft first, so a loadable file is there at every moment; a file that does not load is reported and the
//! next one tried, never fatal.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, flock};
use shared::sync::snapshot_file::{self, Snapshot};
use shared::sync::{Digest, Version};

use super::link::BootedFrom;
use super::trial::{Before, Trial};

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Another process has it.
    #[error("the data directory '{0}' is in use by another headgate-dp (its lock is held)")]
    Locked(PathBuf),
    /// It cannot be made or written.
    #[error("cannot use the data directory '{folder}': {source}")]
    Folder {
        /// `data_dir`.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The folder of one node, locked while this lives.
pub(super) struct Cache {
    folder: PathBuf,
    max_state_bytes: u64,
    marks: Mutex<Marks>,
    _lock: File,
}

struct Marks {
    trial: Trial,
    /// What `current.hgs` holds.
    current: Option<Digest>,
}

/// What a start found.
#[derive(Debug, Default)]
pub(super) struct Boot {
    /// What runs now.
    pub(super) running: Option<Version>,
    pub(super) from: BootedFrom,
    /// What was wrong with the files, in the order they were tried.
    pub(super) errors: Vec<String>,
    /// Content that the last process ended with.
    pub(super) crashed: Option<Digest>,
    /// Content that another version was booted in place of.
    pub(super) quarantined: Option<Digest>,
}

impl Cache {
    /// Makes and locks the folder.
    pub(super) fn open(
        folder: &Path,
        max_state_bytes: u64,
    ) -> Result<(Self, Option<String>), CacheError> {
        let failed = |source| CacheError::Folder {
            folder: folder.to_owned(),
            source,
        };
        private_folder(folder).map_err(failed)?;
        let lock = private().open(folder.join("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => CacheError::Locked(folder.to_owned()),
            other => failed(other.into()),
        })?;
        let (trial, error) = Trial::open(folder);
        let cache = Self {
            folder: folder.to_owned(),
            max_state_bytes,
            marks: Mutex::new(Marks {
                trial,
                current: None,
            }),
            _lock: lock,
        };
        Ok((cache, error))
    }

    /// Runs the first version that loads: `current`, `previous`, then the given snapshot. Content that crashed this node
    /// twice comes last, and goes into quarantine only if something else ran in its place.
    pub(super) fn boot(
        &self,
        snapshot: Option<&Path>,
        mut run: impl FnMut(Snapshot, BootedFrom) -> Result<(), String>,
    ) -> Boot {
        let (crashed, doubtful) = {
            let marks = self.marks();
            (marks.trial.crashed(), marks.trial.doubtful())
        };
        let mut boot = Boot {
            crashed,
            ..Boot::default()
        };
        let mut aside = None;
        let files = [
            (Some(self.folder.join(CURRENT)), BootedFrom::Cache),
            (Some(self.folder.join(PREVIOUS)), BootedFrom::Previous),
            (snapshot.map(Path::to_owned), BootedFrom::Snapshot),
        ];
        for (file, from) in files {
            let Some(file) = file else { continue };
            match self.load(&file, from) {
                Ok(Some(loaded)) if doubtful == Some(loaded.version.digest) && aside.is_none() => {
                    aside = Some((file, from));
                }
                Ok(Some(loaded)) if doubtful == Some(loaded.version.digest) => {}
                Ok(Some(loaded)) => boot.attempt(&file, from, loaded, &mut run),
                Ok(None) => {}
                Err(error) => boot.report(&file, error),
            }
            if boot.running.is_some() {
                break;
            }
        }
        match (doubtful, aside) {
            (Some(digest), Some(_)) if boot.running.is_some() => {
                self.marks().trial.quarantine(digest);
                boot.quarantined = Some(digest);
            }
            (_, Some((file, from))) => match self.load(&file, from) {
                Ok(Some(loaded)) => boot.attempt(&file, from, loaded, &mut run),
                Ok(None) => {}
                Err(error) => boot.report(&file, error),
            },
            _ => {}
        }
        boot
    }

    /// A cache file that is not there is nothing to report; a snapshot that was asked for is.
    fn load(&self, file: &Path, from: BootedFrom) -> Result<Option<Snapshot>, String> {
        let bytes = match fs::read(file) {
            Ok(bytes) => bytes,
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && from != BootedFrom::Snapshot =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.to_string()),
        };
        let loaded =
            snapshot_file::read(&bytes, self.max_state_bytes).map_err(|error| error.to_string())?;
        if from == BootedFrom::Cache {
            self.marks().current = Some(loaded.version.digest);
        }
        Ok(Some(loaded))
    }

    /// Writes a version and returns the file's size. On success it survives a power loss, and what was there before is
    /// `previous` if it had proven itself.
    pub(super) fn save(&self, snapshot: &Snapshot) -> io::Result<u64> {
        let bytes = snapshot_file::write(snapshot);
        for step in STEPS {
            self.step(step, &bytes).inspect_err(|_| {
                // A half-written draft would take the room that the next one needs.
                let _ = fs::remove_file(self.folder.join(DRAFT));
            })?;
        }
        let mut marks = self.marks();
        let digest = snapshot.version.digest;
        if marks.current != Some(digest) {
            marks.trial.replaced();
        }
        marks.current = Some(digest);
        Ok(bytes.len() as u64)
    }

    fn step(&self, step: Step, bytes: &[u8]) -> io::Result<()> {
        let (draft, current) = (self.folder.join(DRAFT), self.folder.join(CURRENT));
        match step {
            Step::Draft => write_private(&draft, bytes)?.sync_all(),
            Step::KeepProven => {
                let marks = self.marks();
                match marks.current {
                    Some(digest) if marks.trial.is_proven(&digest) => {
                        fs::rename(&current, self.folder.join(PREVIOUS))
                    }
                    _ => Ok(()),
                }
            }
            Step::Publish => fs::rename(&draft, &current),
            Step::SyncFolder => File::open(&self.folder)?.sync_all(),
        }
    }

    /// A version is about to serve.
    pub(super) fn begin(&self, digest: Digest) -> Before {
        self.marks().trial.begin(digest)
    }

    /// It did not get to.
    pub(super) fn undo(&self, before: Before) {
        self.marks().trial.undo(before);
    }

    /// It has run healthy for 60 s.
    pub(super) fn healthy(&self, digest: Digest) {
        self.marks().trial.healthy(digest);
    }

    /// The process stops in order.
    pub(super) fn stopped(&self) {
        self.marks().trial.stopped();
    }

    /// Content that is not booted.
    pub(super) fn quarantined(&self) -> Option<Digest> {
        self.marks().trial.quarantined()
    }

    /// Nothing that holds the lock can panic half-way through a change.
    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CURRENT: &str = "current.hgs";
const PREVIOUS: &str = "previous.hgs";
const DRAFT: &str = "current.draft";

/// The write protocol. A crash between any two leaves a loadable file.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The whole file beside the current one, on disk.
    Draft,
    /// The current one, if it is proven, becomes the previous one.
    KeepProven,
    /// The draft becomes the current one.
    Publish,
    /// The names, on disk.
    SyncFolder,
}

const STEPS: [Step; 4] = [
    Step::Draft,
    Step::KeepProven,
    Step::Publish,
    Step::SyncFolder,
];

impl Boot {
    fn attempt(
        &mut self,
        file: &Path,
        from: BootedFrom,
        snapshot: Snapshot,
        run: &mut impl FnMut(Snapshot, BootedFrom) -> Result<(), String>,
    ) {
        let version = snapshot.version;
        match run(snapshot, from) {
            Ok(()) => (self.running, self.from) = (Some(version), from),
            Err(error) => self.report(file, error),
        }
    }

    fn report(&mut self, file: &Path, error: String) {
        let name = file
            .file_name()
            .unwrap_or(file.as_os_str())
            .to_string_lossy();
        self.errors.push(format!("{name}: {error}"));
    }
}

/// Makes a folder that only its owner may read; one that is there is closed to others.
pub(super) fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let permissions = fs::metadata(folder)?.permissions();
    match permissions.mode() & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(folder, fs::Permissions::from_mode(0o700)),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

/// Writes a file that only its owner may read; not synced.
pub(super) fn write_private(file: &Path, bytes: &[u8]) -> io::Result<File> {
    // A file left over would keep the mode it has.
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = private().truncate(true).open(file)?;
    out.write_all(bytes)?;
    Ok(out)
}
