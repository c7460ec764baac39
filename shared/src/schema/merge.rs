//! A partial update over a stored document.

use serde_json::Value;

use super::{Document, Kind, Schema, Variant, Violations};

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

    /// What an update changed although it never may.
    pub fn frozen(&self, stored: &Document, updated: &Document) -> Violations {
        let mut violations = Violations::default();
        for field in self.fields.iter().filter(|field| field.immutable) {
            let name = field.name.as_ref();
            if stored.get(name) != updated.get(name) {
                violations.insert(&[name], "immutable field cannot be updated");
            }
        }
        violations
    }
}
