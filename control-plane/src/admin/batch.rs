//! `POST /headgate/batch`: several writes that become one revision, or none of them does.
//!
//! Each operation is the request that it says, run by the same code on a stage where the ones before it have happened
//! (`store::stage`); what was tried is then committed as one write.

use super::body::Arguments;
use super::error::Failure;
use super::openapi::About;
use super::openapi::shape::{count, object};
use super::query::Query;
use super::reply::Reply;
use super::serve::{self, Call};
use super::{Admin, Answer, access, endpoints};
use crate::store::WriteError;
use http::Method;
use serde_json::{Value, json};
use shared::schema::{Document, Field, Kind, Purpose, Schema};
use std::sync::LazyLock;

/// More operations than this are refused; a file of any size goes to `/config`.
const MAX_OPERATIONS: usize = 10_000;

/// How often a batch is tried again when others changed what it read. Each time somebody has made progress.
const ATTEMPTS: usize = 50;

/// What a batch is told.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let methods = ["POST", "PUT", "PATCH", "DELETE"];
    let operation = Schema::new(
        "operation",
        vec![
            Field::string().one_of(methods).named("method"),
            Field::string().starts_with("/").named("path"),
            Field::new(Kind::Any)
                .custom(is_record)
                .optional()
                .named("body"),
        ],
    );
    let operations = Field::array(Field::record(operation)).len_max(MAX_OPERATIONS);
    Schema::new("batch", vec![operations.named("operations")])
});

fn is_record(body: &Value) -> Result<(), String> {
    match body {
        Value::Null | Value::Object(_) => Ok(()),
        _ => Err("expected a record".to_owned()),
    }
}

/// One request of a batch.
struct Operation {
    method: Method,
    path: String,
    body: Document,
}

/// `POST /headgate/batch`
pub async fn run(mut call: Call<'_>) -> Answer {
    let operations = read(std::mem::take(&mut call.arguments.document))?;
    if call.admin.store.effects().is_some() {
        // A dry run: everything is tried already.
        let results = all(call.admin, &call, &operations).await?;
        return Ok(Reply::ok(&json!({ "results": results })));
    }
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let staged = call.admin.staged().await?;
        let results = all(&staged, &call, &operations).await?;
        let reply = |revision| Reply::ok(&json!({ "revision": revision, "results": results }));
        match call.commit_staged(&staged, reply).await {
            Ok(reply) => return Ok(reply),
            Err(WriteError::Rejected { reason, .. }) => last = Some(reason),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.expect("every attempt left its reason").into())
}

/// What [`run`] takes and answers.
pub fn about() -> About {
    let result = object([
        ("status", json!({ "type": "integer" })),
        ("body", json!({ "type": ["object", "null"] })),
    ]);
    let results = json!({ "type": "array", "items": result });
    About::new("Several writes as one revision, or none of them")
        .writes()
        .takes(SCHEMA.json_schema(None, Purpose::Whole))
        .answers(200, object([("revision", count()), ("results", results)]))
        .refuses(404)
        .refuses(405)
        .refuses(409)
}

/// The answers to the operations, or why the first that fails does.
async fn all(
    admin: &Admin,
    whole: &Call<'_>,
    operations: &[Operation],
) -> Result<Vec<Value>, Failure> {
    let mut results = Vec::with_capacity(operations.len());
    for (index, operation) in operations.iter().enumerate() {
        let reply = one(admin, whole, operation)
            .await
            .map_err(|failure| Failure::Operation {
                index,
                method: operation.method.clone(),
                path: told(admin, &operation.path),
                failure: Box::new(failure),
            })?;
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        results.push(json!({ "status": reply.status.as_u16(), "body": body }));
    }
    Ok(results)
}

/// The path without the key of a credential, which no error repeats.
fn told(admin: &Admin, path: &str) -> String {
    match endpoints::find(&admin.endpoints, path) {
        Some(endpoint) => endpoint.told(path),
        None => path.to_owned(),
    }
}

async fn one(admin: &Admin, whole: &Call<'_>, operation: &Operation) -> Answer {
    let path = operation.path.as_str();
    let endpoint = endpoints::find(&admin.endpoints, path)
        .filter(|endpoint| endpoint.action.is_of_entity())
        .ok_or_else(Failure::not_found)?;
    if !endpoint.takes(&operation.method) {
        return Err(Failure::method_not_allowed());
    }
    whole
        .caller
        .permit(access::needed(&endpoint.action, &operation.method))?;
    // An operation may use a custom plugin that one before it has made.
    let admin = &admin.current().await?;
    let call = Call {
        admin,
        method: operation.method.clone(),
        path,
        caller: whole.caller.clone(),
        author: whole.author.clone(),
        keys: serve::keys(endpoint, path)?,
        query: Query::default(),
        arguments: Arguments {
            document: operation.body.clone(),
            form: false,
        },
        wait: None,
    };
    serve::act_on_entity(endpoint.action, call).await
}

fn read(body: Document) -> Result<Vec<Operation>, Failure> {
    let violations = SCHEMA.validate(None, &body, false);
    if !violations.is_empty() {
        return Err(Failure::schema_violation(&violations));
    }
    let listed = body.get("operations").and_then(Value::as_array);
    Ok(listed.into_iter().flatten().map(operation).collect())
}

/// An operation that the schema has passed.
fn operation(given: &Value) -> Operation {
    let text = |name: &str| given[name].as_str().unwrap_or_default();
    let method = Method::from_bytes(text("method").as_bytes());
    Operation {
        method: method.expect("one of the schema's four"),
        path: text("path").to_owned(),
        body: given["body"].as_object().cloned().unwrap_or_default(),
    }
}
