//! A consistent copy of all that a control plane keeps, in one file, and the way back.
//!
//! The file is a SQLite database: the store as it was at one revision, with the change log, the audit and the records of
//! the control plane, and one table more with the files beside it (the CA of the nodes, the Admin API's certificate).

mod restore;

pub use restore::restore;

use super::directory::{DATABASE, private_file};
use super::{StoreError, load, sqlite};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use shared::sync::Version;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What a control plane keeps beside the database. Keys among them: the copy is as secret as the folder.
const FILES: [&str; 4] = ["pki/ca.pem", "pki/ca.key", "admin.crt", "admin.key"];

const TABLES: &str = "
    CREATE TABLE backup (
      one INTEGER PRIMARY KEY CHECK (one = 1), release TEXT NOT NULL, at INTEGER NOT NULL, hash TEXT NOT NULL);
    CREATE TABLE backup_files (path TEXT PRIMARY KEY, content BLOB NOT NULL);";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub version: Version,
    pub documents: usize,
    /// Of [`FILES`], those that were there.
    pub files: usize,
}

/// What [`restore()`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// In the new epoch.
    pub version: Version,
    /// Where what was there before lies now.
    pub replaced: Option<PathBuf>,
}

/// Why there is no backup, or why one was not restored; what was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there is no store in '{path}' (name the folder with --data-dir)")]
    NoStore { path: String },
    #[error("'{path}' exists already, and a backup is never overwritten")]
    Exists { path: String },
    #[error("'{path}' is not a backup of headgate-cp: {reason}")]
    NotABackup { path: String, reason: String },
    #[error("{what} '{path}': {source}")]
    File {
        what: &'static str,
        path: String,
        source: io::Error,
    },
    #[error("cannot copy the store to '{path}': {reason}")]
    Copy { path: String, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the store under `data_dir` to a new file of mode 0600. A control plane may run on it meanwhile: the copy is of
/// one revision, and writes go on. Blocks.
///
/// # Errors
/// If there is no store, the file exists, or either cannot be read or written; no file is left then.
pub fn back_up(data_dir: &Path, to: &Path) -> Result<Backup, BackupError> {
    let database = data_dir.join(DATABASE);
    if !database.exists() {
        let path = data_dir.display().to_string();
        return Err(BackupError::NoStore { path });
    }
    if to.exists() {
        let path = to.display().to_string();
        return Err(BackupError::Exists { path });
    }
    let partial = beside(to);
    let done = copy(&database, &partial)
        .and_then(|()| complete(&partial, data_dir))
        .and_then(|backup| {
            let failed = file_error("cannot write", to);
            fs::rename(&partial, to)
                .and_then(|()| sync_parent(to))
                .map_err(failed)?;
            Ok(backup)
        });
    if done.is_err() {
        let _ = fs::remove_file(&partial); // the error that matters is the one before
    }
    done
}

/// A name in the same folder, so that the last step is a rename.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial"))
}

/// One consistent copy, whatever is written meanwhile.
fn copy(database: &Path, to: &Path) -> Result<(), BackupError> {
    let _ = fs::remove_file(to); // left by a copy that was interrupted
    private_file(to).map_err(file_error("cannot write", to))?;
    let copied = sqlite::open_reader(database)
        .and_then(|connection| connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]));
    copied.map(drop).map_err(|error| BackupError::Copy {
        path: to.display().to_string(),
        reason: error.to_string(),
    })
}

/// Adds the files beside the database, and proves the copy.
fn complete(copy: &Path, data_dir: &Path) -> Result<Backup, BackupError> {
    let failed = |error: rusqlite::Error| BackupError::Copy {
        path: copy.display().to_string(),
        reason: error.to_string(),
    };
    let mut connection = Connection::open(copy).map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    transaction.execute_batch(TABLES).map_err(failed)?;
    let mut files = 0;
    for name in FILES {
        let path = data_dir.join(name);
        if path.exists() {
            let content = fs::read(&path).map_err(file_error("cannot read", &path))?;
            transaction
                .execute(
                    "INSERT INTO backup_files (path, content) VALUES (?1, ?2)",
                    (name, content),
                )
                .map_err(failed)?;
            files += 1;
        }
    }
    let hash = hash_of(&transaction).map_err(failed)?;
    transaction
        .execute(
            "INSERT INTO backup (one, release, at, hash) VALUES (1, ?1, ?2, ?3)",
            (env!("CARGO_PKG_VERSION"), super::now_ms(), hash),
        )
        .map_err(failed)?;
    transaction.commit().map_err(failed)?;
    sqlite::check(&connection, &copy.display().to_string())?;
    let loaded = load::load(&connection, copy)?;
    drop(connection);
    let synced = File::open(copy).and_then(|file| file.sync_all());
    synced.map_err(file_error("cannot write", copy))?;
    Ok(Backup {
        version: loaded.version,
        documents: loaded.state.len(),
        files,
    })
}

/// BLAKE3 over every row of every table but the one that holds the hash: SQLite itself does not notice a changed value.
fn hash_of(connection: &Connection) -> rusqlite::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut tables = connection.prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'backup' ORDER BY name",
    )?;
    let tables: Vec<String> = tables
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for table in tables {
        let mut select = connection.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = select.column_count();
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                let (tag, bytes): (u8, &[u8]) = match row.get_ref(column)? {
                    ValueRef::Null => (0, &[]),
                    ValueRef::Integer(number) => (1, &number.to_be_bytes()),
                    ValueRef::Real(number) => (2, &number.to_be_bytes()),
                    ValueRef::Text(text) => (3, text),
                    ValueRef::Blob(bytes) => (4, bytes),
                };
                hasher
                    .update(&[tag])
                    .update(&(bytes.len() as u64).to_be_bytes());
                hasher.update(bytes);
            }
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The name is on the disk as well, not only what is in the file.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn file_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.display().to_string();
    move |source| BackupError::File { what, path, source }
}
