//! From a backup to a store that may be served.

use super::{BackupError, FILES, Restored, file_error, hash_of, sync_parent};
use crate::store::directory::{DATABASE, Directory, private_file, write_private};
use crate::store::{Author, epoch, load, now_ms, sqlite};
use rusqlite::{Connection, OpenFlags};
use shared::sync::Version;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// SQLite's own files beside a database that is written in WAL mode.
const SIDE_FILES: [&str; 2] = ["headgate.db-wal", "headgate.db-shm"];
const NO_TABLES: &str = "DROP TABLE backup; DROP TABLE backup_files;";

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
fn epoch_under(data_dir: &Path) -> Option<Uuid> {
    let database = data_dir.join(DATABASE);
    if !database.exists() {
        return None;
    }
    let connection = Connection::open(&database).ok()?;
    let found = connection.query_row("SELECT epoch FROM meta", [], |row| row.get(0));
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    found.ok().map(Uuid::from_bytes)
}

/// Moves away what is there and puts the new in its place, the database last: until then a start finds the old one, and
/// a restore can simply be done again.
fn swap(
    data_dir: &Path,
    staged: &Path,
    files: &[(String, Vec<u8>)],
) -> Result<Option<PathBuf>, BackupError> {
    let old = data_dir.join(format!("before-restore-{}", now_ms()));
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
        let path = data_dir.join(name);
        make_folder(path.parent().expect("a name below a folder"))?;
        write_private(&path, content).map_err(file_error("cannot write", &path))?;
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

fn make_folder(path: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(file_error("cannot make", path))
}
