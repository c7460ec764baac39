//! Ids of documents that were given none: the same in every place that loads the file (admin-api.md 12.4).

use serde_json::Value;
use uuid::{Uuid, uuid};

use crate::entities::Entity;
use crate::schema::Document;

/// What all deterministic ids grow from.
const ROOT: Uuid = uuid!("fd02801f-0957-4a15-a55a-c8d9606f30b5");

/// What a nested document knows of the one around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    /// The field that refers to it.
    pub(super) field: &'static str,
    /// Its id; none if that is random, for then whatever is made of it is random too.
    pub(super) id: Option<Uuid>,
}

/// The id that follows from what was sent; none if there is nothing to make it of, and it is random.
pub(super) fn derive(entity: &Entity, sent: &Document, parent: Option<Parent>) -> Option<Uuid> {
    let space = Uuid::new_v5(&ROOT, entity.kind.as_bytes());
    let key = match entity.identity_fields() {
        [] => by_name(entity, sent)?.to_owned(),
        fields => by_fields(entity, fields, sent, parent)?,
    };
    Some(Uuid::new_v5(&space, key.as_bytes()))
}

fn by_name<'a>(entity: &Entity, sent: &'a Document) -> Option<&'a str> {
    let name = entity.lookup?;
    let made_up = entity.schema.field(name).is_none_or(|field| field.auto);
    sent.get(name)?.as_str().filter(|_| !made_up)
}

/// `plugins:*:<name>:<route>:<service>:<consumer>`, each as it was written.
fn by_fields(
    entity: &Entity,
    fields: &[&'static str],
    sent: &Document,
    parent: Option<Parent>,
) -> Option<String> {
    let mut key = format!("{}:*", entity.kind);
    let mut put = |slot: &str| {
        key.push(':');
        key.push_str(slot);
    };
    for name in fields {
        put(&slot(entity, name, sent, parent)?);
    }
    // Scopes that Kong's keys do not know only count where they are used, so that its ids stay.
    let more = entity.composite.first().copied().unwrap_or_default();
    for name in more.iter().filter(|name| !fields.contains(name)) {
        let used = slot(entity, name, sent, parent)?;
        if !used.is_empty() {
            put(&used);
        }
    }
    Some(key)
}

fn slot(entity: &Entity, name: &str, sent: &Document, parent: Option<Parent>) -> Option<String> {
    if let Some(parent) = parent.filter(|parent| parent.field == name) {
        return parent.id.map(|id| id.to_string());
    }
    match sent.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Object(reference)) => reference
            .get("id")
            .and_then(Value::as_str)
            .map(str::to_owned),
        None | Some(Value::Null) => {
            let needed = entity
                .schema
                .field(name)
                .is_some_and(|field| field.required);
            (!needed).then(String::new)
        }
        Some(other) => Some(other.to_string()),
    }
}
