//! What exists before a file is loaded, and what the file may find there.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::entities::{Entity, UniqueKey};
use crate::schema::{Document, Field, Kind};
use crate::sync::{State, canonical};
use crate::types;

/// What a file means for what exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The file is everything, and a document without an id has the one that follows from its name (Kong's `/config`).
    #[default]
    Replace,
    /// The file is everything, and a document without an id is the existing one of the same name.
    Prune,
    /// As [`Mode::Prune`], but what the file does not speak of stays, and it may be referred to.
    Merge,
}

/// The documents that exist, by what a file may know them by. Nothing is read before it is asked for.
pub struct Base<'a> {
    state: &'a State,
    pub(super) mode: Mode,
    keys: Mutex<HashMap<&'static str, HashMap<UniqueKey, Uuid>>>,
}

impl<'a> Base<'a> {
    /// The documents of a state.
    pub fn new(state: &'a State, mode: Mode) -> Self {
        Base {
            state,
            mode,
            keys: Mutex::default(),
        }
    }

    /// The stored document of that id.
    pub(super) fn get(&self, entity: &Entity, id: &Uuid) -> Option<&'a Bytes> {
        self.state.get(entity.kind, id)
    }

    /// Every stored document of a kind, by id.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = (&'a Uuid, &'a Bytes)> {
        self.state.of_kind(kind)
    }

    /// The first document that has one of these keys.
    pub(super) fn find(&self, entity: &'static Entity, wanted: &[UniqueKey]) -> Option<Uuid> {
        if wanted.is_empty() {
            return None;
        }
        let mut keys = self
            .keys
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        let of_kind = keys
            .entry(entity.kind)
            .or_insert_with(|| self.index(entity));
        wanted.iter().find_map(|key| of_kind.get(key).copied())
    }

    fn index(&self, entity: &Entity) -> HashMap<UniqueKey, Uuid> {
        let mut found = HashMap::new();
        for (id, payload) in self.state.of_kind(entity.kind) {
            for key in entity.unique_keys(&read(payload)) {
                found.insert(key, *id);
            }
        }
        found
    }

    /// The documents of a kind by what they say beyond what was made up for them; those that are `claimed` left out.
    pub(super) fn twins(
        &self,
        entity: &Entity,
        claimed: &HashSet<Uuid>,
    ) -> HashMap<Bytes, Vec<Uuid>> {
        let mut found: HashMap<Bytes, Vec<Uuid>> = HashMap::new();
        let free = self.state.of_kind(entity.kind);
        for (id, payload) in free.filter(|(id, _)| !claimed.contains(*id)) {
            found
                .entry(said(entity, &read(payload)))
                .or_default()
                .push(*id);
        }
        // The lowest id is taken first, so that the same file takes the same ones again.
        found.values_mut().for_each(|ids| ids.reverse());
        found
    }
}

/// A document as it is stored.
pub(super) fn read(payload: &Bytes) -> Document {
    serde_json::from_slice(payload).unwrap_or_default()
}

/// What a document says, without what is made up where nobody says it.
pub(super) fn said(entity: &Entity, document: &Document) -> Bytes {
    let mut said = document.clone();
    said.shift_remove("ttl");
    for field in entity.schema.fields.iter().filter(|field| field.auto) {
        said.shift_remove(field.name.as_ref());
    }
    canonical(&said)
}

/// The keys by which a draft can be recognised: those whose values it gives.
pub(super) fn keys_of(entity: &Entity, input: &Document) -> Vec<UniqueKey> {
    let keys = entity.unique_keys(input).into_iter();
    let given = keys.filter(|key| {
        let composite = entity
            .composite
            .iter()
            .find(|fields| fields.join(",") == key.field);
        // A key of nothing but nulls recognises nothing.
        composite.is_none_or(|fields| fields.iter().any(|name| is_given(input, name)))
    });
    given.collect()
}

pub(super) fn is_given(input: &Document, name: &str) -> bool {
    input.get(name).is_some_and(|value| !value.is_null())
}

/// Whether it is made up where nobody says it, other than the id and the time stamps.
pub(super) fn is_invented(field: &Field) -> bool {
    field.auto && !field.rules.uuid && !matches!(field.kind, Kind::Integer | Kind::Number)
}

/// The id that a value is, in either case.
pub(super) fn id_of(value: &Value) -> Option<Uuid> {
    value.as_str().and_then(types::canonical)
}
