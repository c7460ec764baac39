//! References by id or by name become references by id (admin-api.md 12.3).

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::base::{Base, Mode, id_of};
use crate::entities::{self, Entity, UniqueKey};
use crate::schema::{Document, Kind};

/// The documents of a file, by what others may call them.
#[derive(Default)]
pub(super) struct Names {
    by_id: HashMap<(&'static str, Uuid), usize>,
    by_name: HashMap<(&'static str, String), usize>,
}

/// What a document that was declared twice shares with the first.
pub(super) struct Taken {
    pub(super) field: String,
    pub(super) value: String,
}

impl Names {
    /// Takes note of a document; what it must not share with one before it.
    pub(super) fn declare(
        &mut self,
        entity: &'static Entity,
        draft: usize,
        id: Option<Uuid>,
        input: &Document,
    ) -> Option<Taken> {
        let name = entity.lookup.and_then(|field| {
            let value = input.get(field)?.as_str()?;
            Some((field, value))
        });
        let mut taken = None;
        if let Some((field, value)) = name {
            let first = self.by_name.entry((entity.kind, value.to_owned()));
            if *first.or_insert(draft) != draft {
                taken = Some(Taken {
                    field: field.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
        if let Some(id) = id {
            let first = self.by_id.entry((entity.kind, id));
            if *first.or_insert(draft) != draft {
                taken.get_or_insert_with(|| Taken {
                    field: "primary key".to_owned(),
                    value: id.to_string(),
                });
            }
        }
        taken
    }

    /// Takes note of an id that was only decided later.
    pub(super) fn settle(&mut self, entity: &'static Entity, draft: usize, id: Uuid) {
        self.by_id.entry((entity.kind, id)).or_insert(draft);
    }

    /// Replaces every reference of `input` that is not to its parent; what nothing answers to goes to `missing`.
    pub(super) fn resolve(
        &self,
        entity: &Entity,
        parent: Option<&str>,
        input: &mut Document,
        ids: &[Option<Uuid>],
        base: &Base<'_>,
        missing: &mut Vec<String>,
    ) {
        for field in entity.foreigns() {
            let name = field.name.as_ref();
            let Kind::Foreign { kind, .. } = &field.kind else {
                continue;
            };
            let Some(target) = entities::find(kind).filter(|_| parent != Some(name)) else {
                continue;
            };
            let Some(value) = input.get_mut(name) else {
                continue;
            };
            if !names_something(value) {
                continue;
            }
            let found = self.find(target, value, ids, base);
            if found.is_none() {
                missing.push(format!(
                    "invalid reference '{name}: {}' (no such entry in '{kind}')",
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                ));
            }
            // The error has been told: the schema shall not tell of it once more.
            *value = json!({ "id": found.unwrap_or_default() });
        }
    }

    fn find(
        &self,
        target: &'static Entity,
        value: &Value,
        ids: &[Option<Uuid>],
        base: &Base<'_>,
    ) -> Option<Uuid> {
        let declared = |draft: &usize| ids[*draft];
        let by_id = |id: Uuid| match self.by_id.get(&(target.kind, id)) {
            // It may turn out to be an existing one, of another id.
            Some(draft) => declared(draft),
            None => {
                let stored = base.mode == Mode::Merge && base.get(target, &id).is_some();
                stored.then_some(id)
            }
        };
        let by_key = |field: &str, text: &str| {
            let here = (target.lookup == Some(field))
                .then(|| self.by_name.get(&(target.kind, text.to_owned())))
                .flatten();
            here.and_then(declared).or_else(|| {
                let key = UniqueKey {
                    field: field.to_owned(),
                    value: text.to_owned(),
                };
                let merging = base.mode == Mode::Merge;
                merging.then(|| base.find(target, &[key])).flatten()
            })
        };
        match value {
            Value::String(text) => id_of(value)
                .and_then(by_id)
                .or_else(|| by_key(target.lookup?, text)),
            Value::Object(members) => match members.get("id") {
                Some(id) => id_of(id).and_then(by_id),
                None => members
                    .iter()
                    .filter(|(name, _)| target.schema.field(name).is_some_and(|field| field.unique))
                    .find_map(|(name, value)| by_key(name, value.as_str()?)),
            },
            _ => None,
        }
    }
}

/// Whether this is meant to be a reference; anything else is the schema's to refuse.
fn names_something(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Object(members) => match members.get("id") {
            Some(id) => id_of(id).is_some(),
            None => !members.is_empty(),
        },
        _ => false,
    }
}
