//! One batch inside the transaction: constraints, cascades, rows.

use super::prepare::{EXPIRY, Mode, Operation, Row, TAGS, Target};
use super::{Rejection, private};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use shared::entities;
use shared::schema::{Document, Kind, OnDelete};
use std::collections::HashMap;
use uuid::Uuid;

/// A document that changed.
pub(super) struct Changed {
    pub(super) kind: String,
    pub(super) id: Uuid,
    pub(super) before: Option<Bytes>,
    pub(super) after: Option<Bytes>,
}

/// Why a batch stopped.
pub(super) enum Stop {
    Rejected { index: usize, reason: Rejection },
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Sqlite(error)
    }
}

/// Applies the operations in their order; references are judged once all of them are in, so that a batch may
/// name what it creates later.
pub(super) fn apply(
    connection: &Connection,
    revision: u64,
    operations: &[Operation],
) -> Result<Vec<Changed>, Stop> {
    let mut batch = Batch {
        connection,
        revision,
        changes: Vec::new(),
        removed: Vec::new(),
        operations,
        later: None,
    };
    for (index, operation) in operations.iter().enumerate() {
        match operation {
            Operation::Put { mode, row } => batch.put(index, *mode, row)?,
            Operation::Delete { kind, id, expected } => {
                if expected.is_none()
                    || *expected == batch.stored(kind, *id)?.map(|(revision, _)| revision)
                {
                    batch.delete(index, kind, *id)?;
                }
            }
        }
    }
    for (index, operation) in operations.iter().enumerate() {
        if let Operation::Put { row, .. } = operation {
            batch.check_targets(index, row)?;
        }
    }
    batch.check_removed()?;
    Ok(batch.changes)
}

struct Batch<'c> {
    connection: &'c Connection,
    revision: u64,
    changes: Vec<Changed>,
    /// Documents that something may still refer to.
    removed: Vec<(usize, &'static str, Uuid)>,
    operations: &'c [Operation],
    /// The last place at which each document is put, made when it is first asked for.
    later: Option<HashMap<(&'static str, Uuid), usize>>,
}

impl Batch<'_> {
    fn put(&mut self, index: usize, mode: Mode, row: &Row) -> Result<(), Stop> {
        let stored = self.stored(row.kind, row.id)?;
        let reject = |reason| Err(Stop::Rejected { index, reason });
        match (mode, &stored) {
            (Mode::Insert, Some(_)) => {
                return reject(Rejection::PrimaryKey {
                    kind: row.kind,
                    id: row.id,
                });
            }
            (Mode::Update { .. }, None) => {
                return reject(Rejection::NotFound {
                    kind: row.kind,
                    id: row.id,
                });
            }
            (
                Mode::Update {
                    expected: Some(expected),
                },
                Some((revision, _)),
            ) if expected != *revision => {
                return reject(Rejection::Changed {
                    kind: row.kind,
                    id: row.id,
                });
            }
            _ => {}
        }
        if let Some(fields) = self.taken_key(index, row)? {
            return reject(Rejection::Unique {
                kind: row.kind,
                fields,
            });
        }
        if stored.is_some() {
            self.clear(row.kind, row.id)?;
        }
        let revision = match &stored {
            _ if !private::is_private(row.kind) => self.revision,
            Some((revision, _)) => revision + 1,
            None => 1,
        };
        self.insert(row, revision)?;
        self.changes.push(Changed {
            kind: row.kind.to_owned(),
            id: row.id,
            before: stored.map(|(_, payload)| payload),
            after: Some(row.payload.clone()),
        });
        Ok(())
    }

    fn stored(&self, kind: &str, id: Uuid) -> rusqlite::Result<Option<(u64, Bytes)>> {
        self.connection
            .prepare_cached("SELECT revision, payload FROM documents WHERE kind = ?1 AND id = ?2")?
            .query_row(params![kind, id.as_bytes()], |row| {
                Ok((
                    row.get::<_, i64>(0)? as u64,
                    Bytes::from(row.get::<_, Vec<u8>>(1)?),
                ))
            })
            .optional()
    }

    /// The members of the first key, in schema order, that another document has; one that the batch puts later says
    /// itself then what its keys are, so that two documents may exchange their names.
    fn taken_key(&mut self, index: usize, row: &Row) -> rusqlite::Result<Option<Document>> {
        for key in &row.keys {
            let holder: Option<[u8; 16]> = self
                .connection
                .prepare_cached(
                    "SELECT id FROM unique_keys WHERE kind = ?1 AND field = ?2 AND value = ?3",
                )?
                .query_row(params![row.kind, key.field, key.value], |row| row.get(0))
                .optional()?;
            let Some(holder) = holder.filter(|holder| holder != row.id.as_bytes()) else {
                continue;
            };
            if !self.is_put_later(index, row.kind, Uuid::from_bytes(holder)) {
                return Ok(Some(members(row, &key.field)));
            }
            self.connection
                .prepare_cached(
                    "DELETE FROM unique_keys WHERE kind = ?1 AND field = ?2 AND value = ?3",
                )?
                .execute(params![row.kind, key.field, key.value])?;
        }
        Ok(None)
    }

    fn is_put_later(&mut self, index: usize, kind: &'static str, id: Uuid) -> bool {
        let operations = self.operations;
        let later = self.later.get_or_insert_with(|| {
            let puts =
                operations
                    .iter()
                    .enumerate()
                    .filter_map(|(at, operation)| match operation {
                        Operation::Put { row, .. } => Some(((row.kind, row.id), at)),
                        Operation::Delete { .. } => None,
                    });
            puts.collect()
        });
        later.get(&(kind, id)).is_some_and(|at| *at > index)
    }

    fn insert(&self, row: &Row, revision: u64) -> rusqlite::Result<()> {
        let id = row.id.as_bytes();
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO documents (kind, id, revision, payload) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![row.kind, id, revision as i64, row.payload.as_ref()])?;
        for key in &row.keys {
            self.connection
                .prepare_cached(
                    "INSERT INTO unique_keys (kind, field, value, id) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![row.kind, key.field, key.value, id])?;
        }
        let mut refer = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO \"references\" (kind, id, field, to_kind, to_id) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for target in &row.references {
            refer.execute(params![
                row.kind,
                id,
                target.field,
                target.kind,
                target.id.as_bytes()
            ])?;
        }
        for tag in &row.tags {
            refer.execute(params![row.kind, id, TAGS, TAGS, tag.as_bytes()])?;
        }
        if let Some(expires) = row.expires {
            refer.execute(params![row.kind, id, "ttl", EXPIRY, expires.to_be_bytes()])?;
        }
        Ok(())
    }

    /// Removes keys and references; the document itself is replaced or deleted by the caller.
    fn clear(&self, kind: &str, id: Uuid) -> rusqlite::Result<()> {
        for statement in [
            "DELETE FROM unique_keys WHERE kind = ?1 AND id = ?2",
            "DELETE FROM \"references\" WHERE kind = ?1 AND id = ?2",
        ] {
            self.connection
                .prepare_cached(statement)?
                .execute(params![kind, id.as_bytes()])?;
        }
        Ok(())
    }

    fn delete(&mut self, index: usize, kind: &'static str, id: Uuid) -> Result<(), Stop> {
        let Some((_, payload)) = self.stored(kind, id)? else {
            return Ok(());
        };
        // The document goes first, so that two that refer to each other cannot send us in circles.
        self.connection
            .prepare_cached("DELETE FROM documents WHERE kind = ?1 AND id = ?2")?
            .execute(params![kind, id.as_bytes()])?;
        self.clear(kind, id)?;
        self.changes.push(Changed {
            kind: kind.to_owned(),
            id,
            before: Some(payload),
            after: None,
        });
        for (by, by_id, field) in self.referring(kind, id)? {
            match entities::find(&by) {
                Some(entity) if cascades(entity, &field) => {
                    self.delete(index, entity.kind, by_id)?
                }
                _ => self.removed.push((index, kind, id)),
            }
        }
        Ok(())
    }

    fn referring(&self, kind: &str, id: Uuid) -> rusqlite::Result<Vec<(String, Uuid, String)>> {
        self.connection
            .prepare_cached(
                "SELECT kind, id, field FROM \"references\" WHERE to_kind = ?1 AND to_id = ?2",
            )?
            .query_map(params![kind, id.as_bytes()], |row| {
                Ok((row.get(0)?, Uuid::from_bytes(row.get(1)?), row.get(2)?))
            })?
            .collect()
    }

    fn exists(&self, kind: &str, id: Uuid) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached("SELECT 1 FROM documents WHERE kind = ?1 AND id = ?2")?
            .exists(params![kind, id.as_bytes()])
    }

    fn refers(&self, row: &Row, target: &Target) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT 1 FROM \"references\"
                 WHERE kind = ?1 AND id = ?2 AND field = ?3 AND to_kind = ?4 AND to_id = ?5",
            )?
            .exists(params![
                row.kind,
                row.id.as_bytes(),
                target.field,
                target.kind,
                target.id.as_bytes()
            ])
    }

    fn check_targets(&self, index: usize, row: &Row) -> Result<(), Stop> {
        for target in row.references.iter().filter(|target| target.needed) {
            // A later operation of the batch may have removed the reference again, or the document that had it.
            if !self.exists(&target.kind, target.id)? && self.refers(row, target)? {
                let reason = Rejection::ForeignMissing {
                    kind: row.kind,
                    field: target.field.clone(),
                    to_kind: target.kind.clone(),
                    to_id: target.id,
                };
                return Err(Stop::Rejected { index, reason });
            }
        }
        Ok(())
    }

    fn check_removed(&self) -> Result<(), Stop> {
        for (index, kind, id) in &self.removed {
            if self.exists(kind, *id)? {
                continue; // made again by a later operation
            }
            if let Some((by, by_id, field)) = self.referring(kind, *id)?.into_iter().next() {
                let reason = match mentions(&by, &field) {
                    true => Rejection::Mentioned {
                        kind,
                        id: *id,
                        by,
                        by_id,
                    },
                    false => Rejection::Referenced { kind, id: *id, by },
                };
                return Err(Stop::Rejected {
                    index: *index,
                    reason,
                });
            }
        }
        Ok(())
    }
}

/// Whether a field of that kind is a list of ids that need not exist.
fn mentions(kind: &str, field: &str) -> bool {
    let entity = entities::find(kind);
    entity.is_some_and(|entity| entity.mentions.iter().any(|(path, _)| *path == field))
}

fn cascades(entity: &entities::Entity, field: &str) -> bool {
    let mut foreigns = entity.foreigns().filter(|foreign| foreign.name == field);
    foreigns.any(|foreign| {
        matches!(
            foreign.kind,
            Kind::Foreign {
                on_delete: OnDelete::Cascade,
                ..
            }
        )
    })
}

/// The members that make up the key `field`, as they stand in the document.
fn members(row: &Row, field: &str) -> Document {
    let document: Document =
        serde_json::from_slice(&row.payload).expect("a payload is a JSON object");
    let composite = entities::find(row.kind).and_then(|entity| {
        entity
            .composite
            .iter()
            .find(|names| names.join(",") == field)
    });
    let names: Vec<&str> = composite.map_or_else(|| vec![field], |names| names.to_vec());
    let member = |name: &str| document.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .map(|name| (name.to_owned(), member(name)))
        .collect()
}
