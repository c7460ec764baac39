//! What the three transformers may be told, in every form a client may tell it, and what they answer to anything else
//! (transformers.md 1.1, 1.2, 2.2, 3.1, 4.1).

mod input;
mod messages;
mod refusals;

use crate::client::{Answer, Plane};
use serde_json::{Value, json};

const REQUEST: &str = "request-transformer";
const RESPONSE: &str = "response-transformer";
const ADVANCED: &str = "response-transformer-advanced";

/// A plugin made by JSON, and deleted again if it was made.
async fn tell(plane: &Plane, plugin: &str, config: &Value) -> Answer {
    let body = json!({ "name": plugin, "config": config });
    forgotten(plane, plane.post("/plugins", body).await).await
}

/// A plugin made by a form, and deleted again if it was made.
async fn fill_in(plane: &Plane, plugin: &str, fields: &str) -> Answer {
    let body = format!("name={plugin}&{fields}");
    forgotten(plane, plane.form("POST", "/plugins", &body).await).await
}

async fn forgotten(plane: &Plane, answer: Answer) -> Answer {
    if answer.status == 201 {
        let deleted = plane.delete(&format!("/plugins/{}", answer.id())).await;
        assert_eq!(deleted.status, 204, "{deleted:?}");
    }
    answer
}

/// A configuration by its dotted path: `at("add.headers", …)` is `{"add": {"headers": …}}`.
fn at(path: &str, value: Value) -> Value {
    path.rsplit('.')
        .fold(value, |inner, name| json!({ name: inner }))
}

/// The value at a dotted path.
fn found<'a>(config: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(config, |value, name| &value[name])
}
