//! Words for the shapes of answers that no entity declares.

use serde_json::{Map, Value, json};

/// An object that has all of these members and no others.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let mut out = json!({ "type": "object", "required": required, "additionalProperties": false });
    let properties = members.into_iter();
    let properties: Map<String, Value> = properties
        .map(|(name, shape)| (name.to_owned(), shape))
        .collect();
    out["properties"] = properties.into();
    out
}

/// An [`object`] that may have these members as well.
pub fn optional<const N: usize>(mut object: Value, members: [(&str, Value); N]) -> Value {
    for (name, shape) in members {
        object["properties"][name] = shape;
    }
    object
}

/// An object of free member names.
pub fn map(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

/// A list.
pub fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// The shape, or null.
pub fn nullable(shape: Value) -> Value {
    json!({ "anyOf": [shape, { "type": "null" }] })
}

/// Text.
pub fn text() -> Value {
    json!({ "type": "string" })
}

/// One of these texts.
pub fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// A whole number that is not negative.
pub fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// True or false.
pub fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// An id.
pub fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// One page of a list (admin-api.md 4.1).
pub fn page(items: Value) -> Value {
    let whole = object([
        ("data", list(items)),
        (
            "next",
            json!({ "type": ["string", "null"], "description": "The address of the next page; null on the last one." }),
        ),
    ]);
    let offset = json!({ "type": "string", "description": "Where the next page begins; absent on the last one." });
    optional(whole, [("offset", offset)])
}

/// The component of that name.
pub fn component(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
