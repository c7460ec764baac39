//! `?dry_run=1`: what a write would bring about, found by trying it (`store::stage`) and comparing what nodes would do
//! before and after it (`impact`). The README of the control plane has the shape of the answer.

use super::error::Failure;
use super::openapi::query;
use super::query::Query;
use super::reply::Reply;
use super::{Admin, Answer};
use crate::impact;
use crate::store::{Effect, Effects};
use serde_json::{Map, Value, json};
use shared::entities;
use shared::model::{Issues, Model};
use shared::plugins::Catalog;
use shared::schema::Document;
use shared::sync::{Change, State};
use std::sync::Arc;

const OPTION: &str = "dry_run";

/// Fields that every write sets: what changes beside them is of interest.
const ALWAYS_SET: &[&str] = &["updated_at"];

/// Whether a write is only to be tried.
pub fn wanted(query: &Query) -> Result<bool, Failure> {
    match query.first(OPTION) {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(Failure::invalid_option(OPTION, "expected 1 or 0")),
    }
}

/// The answer where a write does more than change documents.
pub fn impossible() -> Failure {
    Failure::invalid_option(OPTION, "this address cannot be tried without doing it")
}

/// The parameter that asks for it.
pub fn parameter() -> Value {
    let words = json!({ "enum": ["1", "true", "0", "false"] });
    query(
        OPTION,
        words,
        "Tell what the write would bring about, and write nothing.",
    )
}

/// The shape of [`report`]'s answer.
pub fn shape() -> Value {
    let changes = || json!({ "type": "array", "items": { "type": "object" } });
    json!({
        "type": "object",
        "properties": {
            "dry_run": { "const": true },
            "valid": { "type": "boolean" },
            "status": { "type": "integer", "description": "Of the answer to the write itself." },
            "base_revision": { "type": "integer" },
            "created": changes(), "changed": changes(), "deleted": changes(),
            "impact": { "type": "object" },
            "issues": { "type": "array", "items": { "type": "string" } },
        },
        "required": ["dry_run", "valid", "status", "base_revision", "created", "changed", "deleted"],
    })
}

/// What the writes that were tried through `staged` bring about; `reply` is what they would be answered.
pub async fn report(staged: &Admin, reply: &Reply) -> Answer {
    let effects = staged
        .store
        .effects()
        .expect("a stage remembers what was tried");
    let (before, _) = staged.store.state();
    let status = reply.status.as_u16();
    let catalog = staged.custom.settled().clone();
    // With the custom plugins that the writes bring: they say what of a configuration is secret.
    let named = match staged.custom.current(&staged.store).await {
        Ok(current) => current.catalog.clone(),
        Err(_) => staged.catalog.clone(),
    };
    let work = move || render(status, &effects, &before, &catalog, &named);
    let body = tokio::task::spawn_blocking(work).await;
    body.map(|body| Reply::ok(&body))
        .map_err(|error| Failure::unexpected(&error))
}

fn render(
    status: u16,
    effects: &Effects,
    before: &State,
    catalog: &Catalog,
    named: &Catalog,
) -> Value {
    let (mut created, mut changed, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for effect in &effects.effects {
        match (read(&effect.before), read(&effect.after)) {
            (None, Some(after)) => created.push(shown(effect, &after, named)),
            (Some(before), Some(after)) => {
                changed.extend(difference(effect, &before, &after, named))
            }
            (Some(before), None) => deleted.push(removed(effect, &before)),
            (None, None) => {}
        }
    }
    let mut body = json!({
        "dry_run": true,
        "valid": true,
        "status": status,
        "base_revision": effects.base,
        "created": created,
        "changed": changed,
        "deleted": deleted,
    });
    match foresee(effects, before, catalog) {
        Ok(impact) => body["impact"] = impact,
        Err(issues) => {
            // The store takes it and no node would: the control plane would hold it back.
            body["valid"] = json!(false);
            body["issues"] = issues.iter().map(ToString::to_string).collect();
        }
    }
    body
}

fn foresee(effects: &Effects, before: &State, catalog: &Catalog) -> Result<Value, Issues> {
    let changes: Vec<Change> = effects.effects.iter().map(change).collect();
    let after = before
        .apply(&changes)
        .expect("what was tried on a state applies to it");
    let old = Model::build(before, None, catalog)?;
    let new = Model::build(&after, Some((before, &old)), catalog)?;
    Ok(impact::between(&old, &new).render())
}

fn change(effect: &Effect) -> Change {
    Change {
        kind: Arc::from(effect.kind.as_str()),
        id: effect.id,
        payload: effect.after.clone(),
    }
}

fn read(payload: &Option<bytes::Bytes>) -> Option<Document> {
    let payload = payload.as_ref()?;
    Some(serde_json::from_slice(payload).expect("a payload is a JSON object"))
}

/// Kind, id, and what a person calls the document.
fn reference(effect: &Effect, document: &Document) -> Map<String, Value> {
    let lookup = entities::find(&effect.kind).and_then(|entity| entity.lookup);
    // A key may be what a credential is looked up by.
    let name = lookup.and_then(|field| masked(&effect.kind, document, None).shift_remove(field));
    let mut shown = Map::new();
    shown.insert("kind".to_owned(), json!(effect.kind));
    shown.insert("id".to_owned(), json!(effect.id));
    shown.insert("name".to_owned(), name.unwrap_or_default());
    shown
}

fn shown(effect: &Effect, document: &Document, catalog: &Catalog) -> Value {
    let mut shown = reference(effect, document);
    let document = masked(&effect.kind, document, Some(catalog));
    shown.insert("document".to_owned(), Value::Object(document));
    Value::Object(shown)
}

fn removed(effect: &Effect, document: &Document) -> Value {
    let mut shown = reference(effect, document);
    shown.insert("cascade".to_owned(), json!(effect.cascade));
    Value::Object(shown)
}

/// The fields that differ; `None` if only those do that every write sets.
fn difference(
    effect: &Effect,
    before: &Document,
    after: &Document,
    catalog: &Catalog,
) -> Option<Value> {
    let hidden = |document| masked(&effect.kind, document, Some(catalog));
    let (hidden_before, hidden_after) = (hidden(before), hidden(after));
    let mut fields = Map::new();
    for name in before.keys().chain(after.keys()) {
        let differs = before.get(name) != after.get(name);
        if differs && !ALWAYS_SET.contains(&name.as_str()) && !fields.contains_key(name) {
            let of = |document: &Document| document.get(name).cloned().unwrap_or_default();
            let pair = json!({ "before": of(&hidden_before), "after": of(&hidden_after) });
            fields.insert(name.clone(), pair);
        }
    }
    if fields.is_empty() {
        return None;
    }
    let mut shown = reference(effect, after);
    shown.insert("fields".to_owned(), Value::Object(fields));
    Some(Value::Object(shown))
}

/// Without secrets: a dry run is for logs and for the eyes of reviewers. What is secret in the `config` of a plugin is
/// known to the catalog.
fn masked(kind: &str, document: &Document, catalog: Option<&Catalog>) -> Document {
    match (entities::find(kind), catalog) {
        (Some(entity), Some(catalog)) => entity.told_whole(document.clone(), catalog),
        (Some(entity), None) => entity.told(document.clone()),
        (None, _) => document.clone(),
    }
}
