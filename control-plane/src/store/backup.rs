//! A consistent copy of all that a control plane keeps, in one file, and the way back.
//!
//! The file is a SQLite database: the store as it was at one revision, with the change log, the audit and the records of
//! the control plane, and one table more with the files beside it (the CA of the nodes, the Admin API's certificate).

use super::directory::{DATABASE, Directory, private_file};
use super::{Author, StoreError, epoch, load, sqlite};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use shared::sync::Version;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What a control plane keeps beside the database. Keys among them: the copy is as secret as the folder.
const FILES: [&str; 4] = ["pki/ca.pem", "pki/ca.key", "admin.crt", "admin.key"];
/// SQLite's own files beside a database that is written in WAL mode.
const SIDE_FILES: [&str; 2] = ["headgate.db-wal", "headgate.db-shm"];

const TABLES: &str = "
    CREATE TABLE backup (
      one INTEGER PRIMARY KEY CHECK (one = 1), release TEXT NOT NULL, at INTEGER NOT NULL, hash TEXT NOT NULL);
    CREATE TABLE backup_files (path TEXT PRIMARY KEY, content BLOB NOT NULL);";
const NO_TABLES: &str = "DROP TABLE backup; DROP TABLE backup_files;";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub version: Version,
    pub documents: usize,
    /// Of [`FILES`], those that were there.
    pub files: usize,
}

/// What [`restore`] did.
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

/// Puts a backup in the place of what is under `data_dir`, which goes into a folder of its own there. It begins a new
/// epoch, so that nodes take its older revision. Blocks.
///
/// # Errors
/// If a control plane runs there, or the file is no backup or a damaged one.
pub fn restore(from: &Path, data_dir: &Path, author: &Author) -> Result<Restored, BackupError> {
    let backup = open_backup(from)?;
    let directory = Directory::claim(data_dir)?;
    let staged = data_dir.join("restoring");
    let _ = fs::remove_dir_all(&staged); // left by one that was interrupted
    let done = stage(&backup, from, &staged)
        .and_then(|stage| stage.begin_epoch(data_dir, author))
        .and_then(|(files, version)| {
            let replaced = swap(data_dir, &staged, &files)?;
            Ok(Restored { version, replaced })
        });
    let _ = fs::remove_dir_all(&staged);
    drop(directory);
    done
}

fn open_backup(from: &Path) -> Result<Connection, BackupError> {
    let path = || from.display().to_string();
    let bad = |reason: String| BackupError::NotABackup {
        path: path(),
        reason,
    };
    File::open(from).map_err(file_error("cannot read", from))?;
    let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let connection = connection.map_err(|error| bad(error.to_string()))?;
    let known: String = connection
        .query_row("SELECT hash FROM backup", [], |row| row.get(0))
        .map_err(|error| bad(error.to_string()))?;
    sqlite::check(&connection, &path())?;
    let found = hash_of(&connection).map_err(|error| bad(error.to_string()))?;
    match found == known {
        true => Ok(connection),
        false => Err(bad("its content has changed since it was made".to_owned())),
    }
}

type Files = Vec<(String, Vec<u8>)>;

/// The backup's store in a folder of its own.
struct Stage {
    connection: Connection,
    version: Version,
    files: Files,
    database: PathBuf,
}

fn stage(backup: &Connection, from: &Path, folder: &Path) -> Result<Stage, BackupError> {
    make_folder(folder)?;
    let database = folder.join(DATABASE);
    private_file(&database).map_err(file_error("cannot write", &database))?;
    let failed = |error: rusqlite::Error| BackupError::Copy {
        path: database.display().to_string(),
        reason: error.to_string(),
    };
    backup
        .execute("VACUUM INTO ?1", [database.to_string_lossy()])
        .map_err(failed)?;
    let mut connection = Connection::open(&database).map_err(failed)?;
    let files = files_in(&connection).map_err(failed)?;
    if let Some((name, _)) = files
        .iter()
        .find(|(name, _)| !FILES.contains(&name.as_str()))
    {
        return Err(BackupError::NotABackup {
            path: from.display().to_string(),
            reason: format!("it holds '{name}', which this release does not know"),
        });
    }
    connection.execute_batch(NO_TABLES).map_err(failed)?;
    sqlite::migrate(&mut connection, &database, &from.display().to_string())?;
    let version = load::load(&connection, from)?.version;
    Ok(Stage {
        connection,
        version,
        files,
        database,
    })
}

fn files_in(connection: &Connection) -> rusqlite::Result<Files> {
    connection
        .prepare("SELECT path, content FROM backup_files")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

impl Stage {
    /// Nodes never go down within an epoch: what is restored begins one that is later than any they may know.
    fn begin_epoch(
        mut self,
        data_dir: &Path,
        author: &Author,
    ) -> Result<(Files, Version), BackupError> {
        let mut present = self.version;
        if let Some(replaced) = epoch_under(data_dir) {
            present.epoch = present.epoch.max(replaced);
        }
        let failed = |error: String| BackupError::Copy {
            path: self.database.display().to_string(),
            reason: error,
        };
        let version = epoch::open(&mut self.connection, present, author)
            .map_err(|error| failed(error.to_string()))?;
        let closed = self.connection.close();
        closed.map_err(|(_, error)| failed(error.to_string()))?;
        let synced = File::open(&self.database).and_then(|file| file.sync_all());
        synced.map_err(|error| failed(error.to_string()))?;
        Ok((self.files, version))
    }
}

/// The epoch of the store that is to be replaced, its log written back; `None`: there is none, or it cannot be read.
fn epoch_under(data_dir: &Path) -> Option<uuid::Uuid> {
    let database = data_dir.join(DATABASE);
    if !database.exists() {
        return None;
    }
    let connection = Connection::open(&database).ok()?;
    let found = connection.query_row("SELECT epoch FROM meta", [], |row| row.get(0));
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    found.ok().map(uuid::Uuid::from_bytes)
}

/// Moves away what is there and puts the new in its place, the database last: until then a start finds the old one, and
/// a restore can simply be done again.
fn swap(
    data_dir: &Path,
    staged: &Path,
    files: &[(String, Vec<u8>)],
) -> Result<Option<PathBuf>, BackupError> {
    let old = data_dir.join(format!("before-restore-{}", super::now_ms()));
    let database = data_dir.join(DATABASE);
    let replaced = database.exists();
    if replaced {
        make_folder(&old)?;
        let kept = old.join(DATABASE);
        fs::hard_link(&database, &kept)
            .or_else(|_| fs::copy(&database, &kept).map(drop))
            .map_err(file_error("cannot write", &kept))?;
        for name in SIDE_FILES.iter().chain(&FILES) {
            put_away(data_dir, &old, name)?;
        }
    }
    for (name, content) in files {
        write_private(&data_dir.join(name), content)?;
    }
    fs::rename(staged.join(DATABASE), &database)
        .and_then(|()| sync_parent(&database))
        .map_err(file_error("cannot write", &database))?;
    Ok(replaced.then_some(old))
}

fn put_away(data_dir: &Path, old: &Path, name: &str) -> Result<(), BackupError> {
    let (from, to) = (data_dir.join(name), old.join(name));
    if !from.exists() {
        return Ok(());
    }
    make_folder(to.parent().expect("a name below a folder"))?;
    fs::rename(&from, &to).map_err(file_error("cannot move", &from))
}

fn write_private(path: &Path, content: &[u8]) -> Result<(), BackupError> {
    make_folder(path.parent().expect("a name below a folder"))?;
    let _ = fs::remove_file(path);
    private_file(path)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .map_err(file_error("cannot write", path))
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(file_error("cannot make", path))
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
