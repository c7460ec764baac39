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
        folder: None,
    })
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

mod plugins;
