//! Errors by document rather than by place: `flatten_errors` (admin-api.md 12.5).

use serde_json::{Map, Value, json};

use super::report::{Faulty, Report, message};
use crate::types::canonical;

/// A report as `flatten_errors` tells it.
#[derive(Clone, Debug)]
pub struct Flattened {
    /// What cannot be attributed to a document, in the shape of the file.
    pub fields: Value,
    /// One object for each document that is wrong.
    pub errors: Vec<Value>,
    /// The text about those.
    pub message: String,
}

impl Report {
    /// Moves the errors of documents out of the tree.
    pub fn flatten(&self) -> Flattened {
        let fields = match self.unattributed().into_value() {
            Value::Object(fields) => Value::Object(fields),
            _ => json!({}),
        };
        Flattened {
            message: message(&fields),
            fields,
            errors: self.documents.iter().map(of_document).collect(),
        }
    }
}

fn of_document(faulty: &Faulty) -> Value {
    let sent = &faulty.sent;
    let mut out = Map::new();
    let kind = faulty.kind.strip_suffix('s').unwrap_or(faulty.kind);
    out.insert("entity_type".to_owned(), kind.into());
    let text = |name: &str| sent.get(name).and_then(Value::as_str);
    if let Some(id) = text("id").filter(|id| canonical(id).is_some()) {
        out.insert("entity_id".to_owned(), id.into());
    }
    if let Some(name) = text("name").filter(|name| !name.is_empty()) {
        out.insert("entity_name".to_owned(), name.into());
    }
    if let Some(tags) = sent.get("tags").filter(|tags| are_tags(tags)) {
        out.insert("entity_tags".to_owned(), tags.clone());
    }
    out.insert("entity".to_owned(), Value::Object(sent.clone()));
    out.insert("errors".to_owned(), Value::Array(errors(faulty)));
    Value::Object(out)
}

fn are_tags(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|tags| tags.iter().all(Value::is_string))
}

fn errors(faulty: &Faulty) -> Vec<Value> {
    let of_entity = faulty.entity_texts();
    let mut out: Vec<Value> = of_entity
        .map(|text| json!({ "type": "entity", "message": text }))
        .collect();
    let fields = faulty.fields.iter().filter(|(name, _)| *name != "@entity");
    for (name, node) in fields {
        of_field(name, node, &mut out);
    }
    out
}

/// One error for each text below a field, under its dotted path; elements are counted from 1.
fn of_field(path: &str, node: &Value, out: &mut Vec<Value>) {
    match node {
        Value::String(text) => out.push(json!({ "type": "field", "field": path, "message": text })),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                of_field(&format!("{path}.{}", at + 1), item, out);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("@entity", Value::Array(texts)) => {
                        texts.iter().for_each(|text| of_field(path, text, out))
                    }
                    _ => of_field(&format!("{path}.{name}"), member, out),
                }
            }
        }
        _ => {}
    }
}
