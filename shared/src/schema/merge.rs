//! A partial update over a stored document.

use serde_json::Value;

use super::{Document, Kind, Schema, Variant};

impl Schema {
    /// Records merge member by member; everything else is replaced whole.
    pub fn merge(&self, variant: Option<&Variant>, stored: &Document, patch: Document) -> Document {
        let mut out = stored.clone();
        for (name, value) in patch {
            let field = self.resolved(variant).find(|field| field.name == name);
            let merged = match (field.map(|field| &field.kind), out.get(&name), value) {
                (Some(Kind::Record(schema)), Some(Value::Object(stored)), Value::Object(patch)) => {
                    Value::Object(schema.merge(None, stored, patch))
                }
                (_, _, value) => value,
            };
            out.insert(name, merged);
        }
        out
    }
}
