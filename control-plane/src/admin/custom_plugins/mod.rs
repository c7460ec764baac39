//! Custom plugins (custom-plugins.md 7): the ones that are stored as a catalog, what keeps them and the plugins that
//! use them in step, and the two addresses that no other entity has.
//!
//! Creating, changing and deleting them is what `crud` does with any entity. [`known`] has them read once; [`guard`]
//! sees to it that no commit leaves a plugin without its custom plugin, or with one that does not take its
//! configuration.

mod guard;
mod known;

pub use guard::{Turn, are_written};
pub use known::Known;

use super::crud;
use super::error::Failure;
use super::openapi::About;
use super::openapi::bodies;
use super::openapi::shape::{count, flag, list, nullable, object, text, uuid};
use super::reply::Reply;
use super::serve::Call;
use super::{Admin, Answer, lookup};
use crate::store::Write;
use crate::sync::{NodeState, NodeStatus};
use http::StatusCode;
use serde_json::{Value, json};
use shared::entities::{self, CustomPlugin, Entity};
use shared::schema::Document;
use shared::types::Referenced;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use uuid::Uuid;

/// The entity.
pub fn entity() -> &'static Entity {
    entities::find(CustomPlugin::KIND).expect("a declared entity is listed")
}

/// What [`validate`] takes and answers.
pub fn about_validate() -> About {
    About::new(
        "Whether a custom plugin would be taken, in place of the one of its name if there is one",
    )
    .takes(bodies::whole(entity(), None))
    .answers(200, bodies::answer(entity()))
    .refuses(409)
}

/// `POST /custom-plugins/validate`: everything that storing it would do, short of storing it (7.2). It stands for the
/// custom plugin that has its name already.
pub async fn validate(mut call: Call<'_>) -> Answer {
    let staged = call.admin.staged().await?;
    let staged = staged.current().await?;
    let mut arguments = std::mem::take(&mut call.arguments);
    let name = arguments.document.get("name").and_then(Value::as_str);
    let known = match name {
        Some(name) => staged.store.find(CustomPlugin::KIND, "name", name).await?,
        None => None,
    };
    if let Some(stored) = known {
        let id = arguments.document.entry("id");
        id.or_insert_with(|| json!(stored.id));
    }
    let document = staged
        .draft(entity(), arguments, None, Document::new())
        .await?;
    let reply = crud::present(StatusCode::OK, entity(), &document);
    let write = Write::Upsert {
        kind: CustomPlugin::KIND,
        document,
    };
    let tried = Call {
        admin: &staged,
        wait: None,
        ..call
    };
    tried.commit(vec![write], reply).await.map_err(Into::into)
}

/// What [`status`] answers.
pub fn about_status() -> About {
    let health = object([
        ("name", text()),
        ("calls", count()),
        ("errors", count()),
        ("unhealthy", flag()),
        ("last_error", nullable(text())),
        ("memory", count()),
        ("suspended", count()),
    ]);
    let row = object([
        ("id", uuid()),
        ("hostname", text()),
        ("connected", flag()),
        ("applied_revision", count()),
        ("version", nullable(text())),
        ("sha256", nullable(text())),
        ("current", flag()),
        ("health", nullable(health)),
        ("errors", list(text())),
    ]);
    let shape = object([
        ("id", uuid()),
        ("name", text()),
        ("version", nullable(text())),
        ("sha256", text()),
        ("head_revision", count()),
        ("data", list(row)),
    ]);
    About::new("Which version of it each data plane runs, and why it runs no newer one")
        .answers(200, shape)
        .refuses(404)
}

/// `GET /custom-plugins/{name or id}/status` (7.2).
pub async fn status(call: &Call<'_>) -> Answer {
    let admin = call.admin;
    let key = lookup::key(entity(), call.key(0))?;
    let Some(stored) = admin.find(entity(), &key).await? else {
        return Err(Failure::not_found());
    };
    let now = crud::shown(entity(), &stored.document);
    let mut running = HashMap::new();
    let mut rows = Vec::new();
    for node in admin.hub.nodes() {
        if node.state != NodeState::Active {
            continue;
        }
        let revision = node.applied_revision;
        let at = match running.entry(revision) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(source_at(admin, stored.id, revision).await?),
        };
        let at = at.as_ref();
        rows.push(json!({
            "id": node.id,
            "hostname": node.hostname,
            "connected": node.connected,
            "applied_revision": revision,
            "version": at.map(|source| &source["version"]),
            "sha256": at.map(|source| &source["sha256"]),
            "current": at.is_some_and(|source| source["sha256"] == now["sha256"]),
            "health": node.plugins.iter().find(|plugin| now["name"] == *plugin.name),
            "errors": errors(&node, now["name"].as_str().unwrap_or_default(), stored.id),
        }));
    }
    Ok(Reply::ok(&json!({
        "id": stored.id,
        "name": now["name"],
        "version": now["version"],
        "sha256": now["sha256"],
        "head_revision": admin.store.head(),
        "data": rows,
    })))
}

/// What the source was at a revision; none if there was no such plugin, or the log does not reach back so far.
async fn source_at(admin: &Admin, id: Uuid, revision: u64) -> Result<Option<Document>, Failure> {
    let Some((state, _)) = admin.store.state_at(revision).await? else {
        return Ok(None);
    };
    let payload = state.get(CustomPlugin::KIND, &id).cloned();
    let Some(payload) = payload else {
        return Ok(None);
    };
    let read = move || {
        let document: Document = serde_json::from_slice(&payload).unwrap_or_default();
        crud::shown(entity(), &document).into_owned()
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.map(Some).map_err(|error| Failure::unexpected(&error))
}

/// What a node said about the plugin, or about plugins that use it, when it last refused a revision that it has not taken since.
fn errors(node: &NodeStatus, name: &str, id: Uuid) -> Vec<String> {
    let nack = node.last_nack.as_ref();
    let nack = nack.filter(|nack| nack.revision > node.applied_revision);
    let issues = nack.iter().flat_map(|nack| &nack.issues);
    // As sessions keep them: kind, name, id, field.
    let of_users = format!("plugins {name} ");
    let about_it =
        |issue: &&String| issue.contains(&id.to_string()) || issue.starts_with(&of_users);
    issues.filter(about_it).cloned().collect()
}
