//! The folder of a store: private to its user, and to one control plane at a time.

use super::StoreError;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name of the database in it.
pub(super) const DATABASE: &str = "headgate.db";

/// A folder that nobody else uses while this value lives.
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Creates the folder (0700) if need be and takes its lock.
    pub(super) fn claim(path: &Path) -> Result<Directory, StoreError> {
        let failed = |error: io::Error| StoreError::Open {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        let lock = private_file(&path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
                path: path.display().to_string(),
            }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database, made 0600 before SQLite opens it: its `-wal` and `-shm` take the same mode.
    pub(super) fn database(&self) -> io::Result<PathBuf> {
        let path = self.path.join(DATABASE);
        private_file(&path)?;
        // The name must be on the disk before anything in the file counts.
        File::open(&self.path)?.sync_all()?;
        Ok(path)
    }
}

/// Writes a file that only its user can read, whole or not at all.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = private_file(&draft)?;
    file.set_len(0)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

/// A file that only its user can read, made if need be.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
