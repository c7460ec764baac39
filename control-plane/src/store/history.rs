//! What happened since: the change log, read.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use shared::sync::{Change, Digest};
use std::collections::BTreeMap;
use uuid::Uuid;

/// One row of the change log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    pub revision: u64,
    /// Place within the revision.
    pub seq: u64,
    pub kind: String,
    pub id: Uuid,
    /// `None`: created.
    pub before: Option<Bytes>,
    /// `None`: deleted.
    pub after: Option<Bytes>,
    /// Of the whole state after this revision.
    pub digest: Digest,
    pub actor: String,
    /// Unix milliseconds.
    pub at: i64,
}

/// The rows of one revision, in order; none if it is unknown or trimmed.
pub(super) fn rows_of(connection: &Connection, revision: u64) -> rusqlite::Result<Vec<LogRow>> {
    connection
        .prepare_cached(
            "SELECT revision, seq, kind, id, before, after, digest, actor, at FROM change_log
             WHERE revision = ?1 ORDER BY seq",
        )?
        .query_map([revision as i64], |row| {
            Ok(LogRow {
                revision: row.get::<_, i64>(0)? as u64,
                seq: row.get::<_, i64>(1)? as u64,
                kind: row.get(2)?,
                id: Uuid::from_bytes(row.get(3)?),
                before: row.get::<_, Option<Vec<u8>>>(4)?.map(Bytes::from),
                after: row.get::<_, Option<Vec<u8>>>(5)?.map(Bytes::from),
                digest: digest(&row.get::<_, Vec<u8>>(6)?),
                actor: row.get(7)?,
                at: row.get(8)?,
            })
        })?
        .collect()
}

/// The logged digest of that revision; `None` if it is unknown or trimmed.
pub(super) fn digest_at(
    connection: &Connection,
    revision: u64,
) -> rusqlite::Result<Option<Digest>> {
    if revision == 0 {
        return Ok(Some(Digest::default()));
    }
    connection
        .prepare_cached("SELECT digest FROM change_log WHERE revision = ?1 AND seq = 0")?
        .query_row([revision as i64], |row| row.get::<_, Vec<u8>>(0))
        .optional()
        .map(|found| found.map(|bytes| digest(&bytes)))
}

/// What leads from `base` to `target`: per document its last content, documents that end as they began left out.
/// `None` if the log does not reach back to `base`.
pub(super) fn between(
    connection: &Connection,
    base: u64,
    target: u64,
) -> rusqlite::Result<Option<Vec<Change>>> {
    if base < floor(connection)? {
        return Ok(None);
    }
    let mut merged: BTreeMap<(String, Uuid), Span> = BTreeMap::new();
    for_each_row(connection, base, target, |kind, id, before, after| {
        merged
            .entry((kind, id))
            .or_insert(Span {
                first: before,
                last: None,
            })
            .last = after;
    })?;
    let changed = merged
        .into_iter()
        .filter(|(_, span)| span.first != span.last);
    Ok(Some(
        changed
            .map(|((kind, id), span)| Change {
                kind: kind.into(),
                id,
                payload: span.last.map(Bytes::from),
            })
            .collect(),
    ))
}

/// What leads back from `from` to the older `to`: per document the content it had then.
/// `None` if the log does not reach back so far.
pub(super) fn undo(
    connection: &Connection,
    from: u64,
    to: u64,
) -> rusqlite::Result<Option<Vec<Change>>> {
    if to < floor(connection)? {
        return Ok(None);
    }
    let mut first: BTreeMap<(String, Uuid), Option<Vec<u8>>> = BTreeMap::new();
    for_each_row(connection, to, from, |kind, id, before, _| {
        first.entry((kind, id)).or_insert(before);
    })?;
    Ok(Some(
        first
            .into_iter()
            .map(|((kind, id), before)| Change {
                kind: kind.into(),
                id,
                payload: before.map(Bytes::from),
            })
            .collect(),
    ))
}

struct Span {
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
}

fn floor(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .query_row("SELECT log_floor FROM meta", [], |row| row.get::<_, i64>(0))
        .map(|floor| floor as u64)
}

fn for_each_row(
    connection: &Connection,
    after: u64,
    through: u64,
    mut each: impl FnMut(String, Uuid, Option<Vec<u8>>, Option<Vec<u8>>),
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(
        "SELECT kind, id, before, after FROM change_log WHERE revision > ?1 AND revision <= ?2
         ORDER BY revision, seq",
    )?;
    let mut rows = select.query(params![after as i64, through as i64])?;
    while let Some(row) = rows.next()? {
        each(
            row.get(0)?,
            Uuid::from_bytes(row.get(1)?),
            row.get(2)?,
            row.get(3)?,
        );
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(bytes).expect("the log holds digests of the right length")
}
