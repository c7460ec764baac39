//! Schemas as plugins write them, and what is said of those that are wrong.

use serde_json::{Value, json};
use shared::plugins::custom::{Shape, Source};
use shared::schema::{Document, Field, Schema};

use super::*;

/// A schema's source, read.
fn shape(source: &str) -> Result<Shape, String> {
    read(&Source {
        name: "my-plugin",
        schema: source,
        handler: "",
        trusted: false,
        on_error: shared::plugins::custom::OnError::Fail,
        folder: None,
    })
}

/// A schema whose `config` has these fields.
fn with_fields(fields: &str) -> Result<Shape, String> {
    shape(&whole(fields, ""))
}

fn whole(fields: &str, more: &str) -> String {
    format!(
        "local typedefs = require 'kong.db.schema.typedefs'
return {{ name = 'my-plugin', fields = {{ {{ config = {{ type = 'record', fields = {{ {fields} }} {more} }} }} }} }}"
    )
}

fn object(value: Value) -> Document {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

/// A configuration with its defaults, and what is wrong with it.
fn judged(config: &Schema, document: Value) -> (Value, Value) {
    let complete = config.complete(None, object(document));
    let wrong = config.validate(None, &complete, false).fields();
    (Value::Object(complete), wrong)
}

/// What is wrong with the value of the only field, `it`.
fn fault(field: &str, value: Value) -> Value {
    let source = format!("{{ it = {field} }}");
    let shape = with_fields(&source).unwrap_or_else(|error| panic!("{field}: {error}"));
    let (_, wrong) = judged(&shape.config, json!({ "it": value }));
    wrong.get("it").cloned().unwrap_or_default()
}

mod attributes;
mod checks;
mod documents;
mod functions;
mod hostile;
mod plugins;
mod property;
mod typedefs;
