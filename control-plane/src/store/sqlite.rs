//! The SQLite file: settings of a connection, migrations.

use super::StoreError;
use super::directory::Directory;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use uuid::Uuid;

/// Numbered by position; `PRAGMA user_version` counts those applied. Never change one that was released.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_tables.sql"),
    include_str!("migrations/0002_audit.sql"),
];

/// Opens the writing connection and brings the tables up to date.
pub(super) fn open(directory: &Directory) -> Result<Connection, StoreError> {
    let place = directory.path().display().to_string();
    let failed = |reason: String| StoreError::Open {
        path: place.clone(),
        reason,
    };
    let file = directory
        .database()
        .map_err(|error| failed(error.to_string()))?;
    let mut connection = Connection::open(&file).map_err(|error| failed(error.to_string()))?;
    prepare(&connection).map_err(|error| failed(error.to_string()))?;
    migrate(&mut connection, &file, &place)?;
    check(&connection, &place)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.pragma_update(None, "busy_timeout", 5000)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "busy_timeout", 5000)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

pub(super) fn migrate(
    connection: &mut Connection,
    file: &Path,
    place: &str,
) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::Open {
        path: place.to_owned(),
        reason: error.to_string(),
    };
    let known = MIGRATIONS.len() as u32;
    let found: u32 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    if found > known {
        return Err(StoreError::Newer {
            path: place.to_owned(),
            found,
            known,
        });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        back_up(connection, file, found).map_err(failed)?;
    }
    let transaction = connection.transaction().map_err(failed)?;
    for migration in &MIGRATIONS[found as usize..] {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    if found == 0 {
        begin_history(&transaction).map_err(failed)?;
    }
    transaction
        .pragma_update(None, "user_version", known)
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// A whole copy beside the file, so that a migration can be taken back by hand.
pub(super) fn back_up(connection: &Connection, file: &Path, version: u32) -> rusqlite::Result<()> {
    let copy = file.with_extension(format!("db.format-{version}"));
    // What an interrupted migration left is older than what is copied now.
    let _ = std::fs::remove_file(&copy);
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    let _ = std::fs::set_permissions(&copy, private);
    Ok(())
}

fn begin_history(connection: &Connection) -> rusqlite::Result<()> {
    let digest = shared::sync::Digest::default().to_bytes();
    connection.execute(
        "INSERT INTO meta (one, epoch, head, log_floor, digest) VALUES (1, ?1, 0, 0, ?2)",
        (Uuid::now_v7().as_bytes(), digest),
    )?;
    Ok(())
}

/// Looks for damaged pages: a control plane that is not sure of its content does not speak.
pub(super) fn check(connection: &Connection, place: &str) -> Result<(), StoreError> {
    let damaged = |reason: String| StoreError::Damaged {
        path: place.to_owned(),
        reason,
    };
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| damaged(error.to_string()))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(damaged(verdict))
    }
}
