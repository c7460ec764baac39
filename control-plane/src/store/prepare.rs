//! What can be worked out before the writer thread has its turn: payload, keys, references.

use super::Write;
use bytes::Bytes;
use serde_json::Value;
use shared::entities::{self, Entity};
use shared::schema::Document;
use uuid::Uuid;

/// The kind that tags refer to in the table of references; no document has it.
pub(super) const TAGS: &str = "tags";

/// The kind that moments of expiry refer to; the id is the moment, big endian, so that the index orders them.
pub(super) const EXPIRY: &str = "expiry";

/// One change, ready to be decided.
pub(super) enum Operation {
    Put {
        mode: Mode,
        row: Row,
    },
    /// `expected`: only if the document is still of that revision.
    Delete {
        kind: &'static str,
        id: Uuid,
        expected: Option<u64>,
    },
}

/// What must hold of the document that is there already.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Insert,
    Upsert,
    Update { expected: Option<u64> },
}

/// A document as its rows.
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) id: Uuid,
    pub(super) payload: Bytes,
    pub(super) keys: Vec<Key>,
    pub(super) references: Vec<Target>,
    pub(super) tags: Vec<String>,
    /// Unix seconds.
    pub(super) expires: Option<u64>,
}

pub(super) struct Key {
    pub(super) field: String,
    pub(super) value: String,
}

pub(super) struct Target {
    pub(super) field: String,
    pub(super) kind: String,
    pub(super) id: Uuid,
    /// Whether it must exist; what is only mentioned need not.
    pub(super) needed: bool,
}

impl Operation {
    pub(super) fn from_write(write: &Write) -> Operation {
        match write {
            Write::Insert { kind, document } => put(Mode::Insert, kind, document),
            Write::Upsert { kind, document } => put(Mode::Upsert, kind, document),
            Write::Update {
                kind,
                document,
                expected,
            } => put(
                Mode::Update {
                    expected: *expected,
                },
                kind,
                document,
            ),
            Write::Delete { kind, id } => Operation::Delete {
                kind,
                id: *id,
                expected: None,
            },
        }
    }
}

fn put(mode: Mode, kind: &'static str, document: &Document) -> Operation {
    let entity = entities::find(kind);
    let row = Row {
        kind,
        id: id_of(document),
        payload: shared::sync::canonical(document),
        keys: entity
            .map(|entity| keys(entity, document))
            .unwrap_or_default(),
        references: entity
            .map(|entity| references(entity, document))
            .unwrap_or_default(),
        tags: entity.map(|_| tags(document)).unwrap_or_default(),
        expires: entity.and_then(|entity| expires(entity, document)),
    };
    Operation::Put { mode, row }
}

fn id_of(document: &Document) -> Uuid {
    document
        .get("id")
        .and_then(Value::as_str)
        .and_then(|id| Uuid::parse_str(id).ok())
        .expect("a complete document has an id")
}

fn keys(entity: &Entity, document: &Document) -> Vec<Key> {
    let keys = entity.unique_keys(document).into_iter();
    keys.map(|key| Key {
        field: key.field,
        value: key.value,
    })
    .collect()
}

fn references(entity: &Entity, document: &Document) -> Vec<Target> {
    let references = entity.references(document).into_iter();
    let needed = references.map(|found| Target {
        field: found.field.to_string(),
        kind: found.to_kind.to_string(),
        id: found.to_id,
        needed: true,
    });
    let mentioned = entity.mentioned(document).into_iter();
    let mentioned = mentioned.map(|(field, kind, id)| Target {
        field: field.to_owned(),
        kind: kind.to_owned(),
        id,
        needed: false,
    });
    needed.chain(mentioned).collect()
}

fn tags(document: &Document) -> Vec<String> {
    let mut tags: Vec<String> = match document.get("tags") {
        Some(Value::Array(tags)) => tags
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// Stored as the end of life; 0 and null are never.
fn expires(entity: &Entity, document: &Document) -> Option<u64> {
    let end = document.get("ttl").filter(|_| entity.has_ttl)?.as_f64()?;
    (end > 0.0).then_some(end as u64)
}
