//! Values that no two documents may share, beyond ids and names (admin-api.md 12.3, 12.5).

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::load::Settled;
use super::report::Faults;
use crate::entities::{Entity, UniqueKey};
use crate::schema::{Document, notation};
use crate::types::HIDDEN;

/// `uniqueness violation: 'services' entity with name set to 'foo' already declared`; secrets are hidden.
pub(super) fn text(entity: &Entity, field: &str, value: &str) -> String {
    let kind = entity.kind;
    let value = if entity.is_secret(field) {
        HIDDEN
    } else {
        value
    };
    format!("uniqueness violation: '{kind}' entity with {field} set to '{value}' already declared")
}

/// Tells of every document that shares a value with one before it; `told` have been told of already.
pub(super) fn check(
    entity: &'static Entity,
    documents: &[Settled],
    told: &HashSet<usize>,
    faults: &mut Faults,
) {
    let mut seen: HashMap<UniqueKey, usize> = HashMap::with_capacity(documents.len());
    for settled in documents {
        for key in entity.unique_keys(&settled.document) {
            if entity.lookup == Some(key.field.as_str()) {
                continue;
            }
            let first = *seen.entry(key.clone()).or_insert(settled.draft);
            if first != settled.draft && !told.contains(&settled.draft) {
                tell(entity, settled, &key, faults);
            }
        }
    }
}

fn tell(entity: &Entity, settled: &Settled, key: &UniqueKey, faults: &mut Faults) {
    let document = &settled.document;
    let composite = entity
        .composite
        .iter()
        .find(|fields| fields.join(",") == key.field);
    let text = match composite {
        Some(fields) => text(entity, &fields.join(", "), &shown(document, fields)),
        None => text(entity, &key.field, &key.value),
    };
    let name = entity
        .lookup
        .filter(|field| !entity.is_secret(field))
        .and_then(|field| document.get(field)?.as_str());
    match name {
        Some(name) => faults.keyed(settled.draft, name.to_owned(), text),
        None => faults.whole(settled.draft, text),
    }
}

fn shown(document: &Document, fields: &[&str]) -> String {
    let member = |name: &&str| {
        let value = document.get(*name).cloned().unwrap_or_default();
        ((*name).to_owned(), value)
    };
    notation::inline(&Value::Object(fields.iter().map(member).collect()))
}
