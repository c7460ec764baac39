//! Keeps the change log and the audit within their limits: a reader works out how far, the writer removes in small steps.

use super::audit;
use rusqlite::{Connection, OptionalExtension};

/// What the log may hold at most, whichever is reached first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) revisions: u64,
    pub(super) age_ms: i64,
    pub(super) bytes: u64,
}

/// sync-protocol.md 3.1.
pub(super) const LIMITS: Limits = Limits {
    revisions: 100_000,
    age_ms: 30 * 24 * 3600 * 1000,
    bytes: 512 << 20,
};

/// Revisions that one step removes at most, so that writes never wait long behind it.
const STEP: u64 = 500;

/// The revision up to which the log is over a limit; 0: it is not.
pub(super) fn excess(
    connection: &Connection,
    limits: Limits,
    now_ms: i64,
) -> rusqlite::Result<u64> {
    let head: i64 = connection.query_row("SELECT head FROM meta", [], |row| row.get(0))?;
    let by_count = (head as u64).saturating_sub(limits.revisions);
    let by_age = older_than(connection, now_ms - limits.age_ms)?;
    let by_size = beyond(connection, limits.bytes)?;
    Ok(by_count.max(by_age).max(by_size))
}

/// Removes up to [`STEP`] of the oldest revisions, none above `target`, and rows of the audit; returns the new floor.
pub(super) fn step(connection: &mut Connection, target: u64) -> rusqlite::Result<u64> {
    let transaction = connection.transaction()?;
    audit::trim(&transaction, super::now_ms())?;
    let floor: i64 = transaction.query_row("SELECT log_floor FROM meta", [], |row| row.get(0))?;
    let floor = floor as u64;
    let next = target.min(floor + STEP);
    if next <= floor {
        transaction.commit()?;
        return Ok(floor);
    }
    transaction.execute("DELETE FROM change_log WHERE revision <= ?1", [next as i64])?;
    transaction.execute("UPDATE meta SET log_floor = ?1", [next as i64])?;
    transaction.commit()?;
    Ok(next)
}

/// The last of the leading revisions that are older than `at`. Clocks may step back: only a leading run counts.
fn older_than(connection: &Connection, at: i64) -> rusqlite::Result<u64> {
    let first_young: Option<i64> = connection
        .query_row(
            "SELECT revision FROM change_log WHERE at >= ?1 ORDER BY revision LIMIT 1",
            [at],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(revision) = first_young {
        return Ok(revision as u64 - 1);
    }
    let newest: Option<i64> =
        connection.query_row("SELECT max(revision) FROM change_log", [], |row| row.get(0))?;
    Ok(newest.unwrap_or(0) as u64)
}

/// The newest revision that does not fit into `bytes` of log, counted from the newest.
fn beyond(connection: &Connection, bytes: u64) -> rusqlite::Result<u64> {
    // The lengths alone: SQLite reads them from the row's header and leaves the payloads on the disk.
    let mut sizes = connection.prepare_cached(
        "SELECT revision, ifnull(length(before), 0) + ifnull(length(after), 0) FROM change_log
         ORDER BY revision DESC, seq DESC",
    )?;
    let mut rows = sizes.query([])?;
    let mut sum = 0;
    while let Some(row) = rows.next()? {
        sum += row.get::<_, i64>(1)? as u64;
        if sum > bytes {
            return Ok(row.get::<_, i64>(0)? as u64);
        }
    }
    Ok(0)
}
