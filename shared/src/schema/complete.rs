//! From what was sent to a complete document: defaults, null where there is none, one spelling per value.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Document, Field, Kind, Schema, Selector, Variant, numbers};

impl Schema {
    /// Fills in every field, in the order of the schema. What it does not know stays, at the end.
    pub fn complete(&self, variant: Option<&Variant>, mut input: Document) -> Document {
        let mut out = Map::new();
        for field in self.resolved(variant) {
            let value = match input.shift_remove(field.name.as_ref()) {
                Some(value) => field.complete(value),
                None => field.absent(),
            };
            out.insert(field.name.clone().into_owned(), value);
        }
        out.extend(input);
        out
    }

    /// The variant that a document is held to, if the words of a field decide it.
    pub(crate) fn variant_by_words(&self, document: &Document) -> Option<&Variant> {
        let Selector::Words { field, variants } = &self.selector else {
            return None;
        };
        let default = self.field(field).and_then(|field| field.default.as_ref());
        let words = document.get(*field).or(default)?.as_array()?;
        words.iter().filter_map(Value::as_str).find_map(|word| {
            variants
                .iter()
                .find(|(words, _)| words.contains(&word))
                .map(|(_, variant)| variant)
        })
    }
}

impl Field {
    /// What an absent member becomes. Records are always shown whole.
    pub(super) fn absent(&self) -> Value {
        match (&self.default, &self.kind) {
            (Some(default), _) => self.complete(default.clone()),
            (None, Kind::Record(schema)) if self.required => {
                Value::Object(schema.complete(None, Map::new()))
            }
            _ => Value::Null,
        }
    }

    /// Fills in the records inside a value, drops duplicates from sets and writes whole numbers as such.
    pub(super) fn complete(&self, value: Value) -> Value {
        match (&self.kind, value) {
            (Kind::Record(schema), Value::Object(members)) => {
                Value::Object(schema.complete(None, members))
            }
            (Kind::Array(element), Value::Array(items)) => items
                .into_iter()
                .map(|item| element.complete(item))
                .collect(),
            (Kind::Set(element), Value::Array(items)) => distinct(
                items
                    .into_iter()
                    .map(|item| element.complete(item))
                    .collect(),
            ),
            (Kind::Map { values, .. }, Value::Object(members)) => members
                .into_iter()
                .map(|(key, item)| (key, values.complete(item)))
                .collect(),
            (Kind::Integer, Value::Number(number)) => match numbers::whole(&number) {
                Some(whole) => Value::from(whole),
                None => Value::Number(number),
            },
            (Kind::String, Value::String(text)) if self.rules.uuid => {
                Value::String(lower_uuid(text))
            }
            (Kind::Foreign { .. }, Value::Object(mut members)) => {
                let id = members.shift_remove("id").map(|id| match id {
                    Value::String(text) => Value::String(lower_uuid(text)),
                    other => other,
                });
                Value::Object(id.map(|id| ("id".to_owned(), id)).into_iter().collect())
            }
            (_, value) => value,
        }
    }
}

/// Ids are compared regardless of case, hence stored in one.
fn lower_uuid(text: String) -> String {
    if crate::types::canonical(&text).is_some() {
        text.to_ascii_lowercase()
    } else {
        text
    }
}

/// Keeps the first of equal items.
fn distinct(items: Vec<Value>) -> Value {
    let mut seen = HashSet::new();
    items
        .into_iter()
        .filter(|item| seen.insert(item.to_string()))
        .collect()
}
