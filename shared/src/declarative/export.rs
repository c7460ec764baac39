//! The way back: everything that exists as a file that loads to the same documents (admin-api.md 12.1).

use serde_json::{Map, Value, json};

use super::{CURRENT_FORMAT, Format, base, yaml};
use crate::entities::{self, Entity};
use crate::schema::{Document, Kind};
use crate::sync::State;

/// Writes every document of a state: one list for each kind, by id, references as bare ids, nulls spelled out. What
/// has expired by `now` (seconds since the epoch) is left out; what will expire says how long it has.
///
/// The same state gives the same text.
pub fn export(state: &State, format: Format, now: f64) -> String {
    let root = Value::Object(root(state, now));
    match format {
        Format::Yaml => yaml::write(&root),
        Format::Json => format!("{root:#}\n"),
    }
}

fn root(state: &State, now: f64) -> Map<String, Value> {
    let mut root = Map::new();
    root.insert("_format_version".to_owned(), CURRENT_FORMAT.into());
    // Passwords are hashed already.
    root.insert("_transform".to_owned(), false.into());
    for entity in entities::all() {
        let documents = state
            .of_kind(entity.kind)
            .map(|(_, payload)| base::read(payload));
        let shown: Vec<Value> = documents
            .filter_map(|document| show(entity, document, now))
            .collect();
        if !shown.is_empty() {
            root.insert(entity.kind.to_owned(), Value::Array(shown));
        }
    }
    root
}

/// A document as a file says it, in the order of its schema; none if it has expired.
fn show(entity: &Entity, mut document: Document, now: f64) -> Option<Value> {
    if document.get("ttl").is_some_and(|ttl| !ttl.is_null()) {
        match entity.remaining(&document, now) {
            Some(0) => return None,
            Some(left) => drop(document.insert("ttl".to_owned(), json!(left))),
            None => {}
        }
    }
    let mut shown = Map::new();
    for field in &entity.schema.fields {
        let Some(mut value) = document.shift_remove(field.name.as_ref()) else {
            continue;
        };
        if let (Kind::Foreign { .. }, Some(id)) = (&field.kind, value.get("id")) {
            value = id.clone();
        }
        shown.insert(field.name.to_string(), value);
    }
    shown.extend(document);
    Some(Value::Object(shown))
}
