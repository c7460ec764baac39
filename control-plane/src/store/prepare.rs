//! What can be worked out before the writer thread has its turn: payload, keys, references.

use super::Write;
use bytes::Bytes;
use serde_json::Value;
use shared::entities::{self, Entity};
use shared::schema::Document;
use uuid::Uuid;

/// The kind that tags refer to in the table of references; no document has it.
pub(super) const TAGS: &str = "tags";

/// One change, ready to be decided.
pub(super) enum Operation {
    Put { mode: Mode, row: Row },
    Delete { kind: &'static str, id: Uuid },
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
}

pub(super) struct Key {
    pub(super) field: String,
    pub(super) value: String,
}

pub(super) struct Target {
    pub(super) field: String,
    pub(super) kind: String,
    pub(super) id: Uuid,
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
            Write::Delete { kind, id } => Operation::Delete { kind, id: *id },
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
    references
        .map(|found| Target {
            field: found.field.to_string(),
            kind: found.to_kind.to_string(),
            id: found.to_id,
        })
        .collect()
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
