//! What targets have beyond other children: the newest first, the raw list, and health (admin-api.md 8.8).

use super::endpoints::{Link, links};
use super::error::Failure;
use super::list::{self, Next};
use super::openapi::shape::{object, optional, page, text, uuid, words};
use super::openapi::{About, bodies};
use super::query::next_address;
use super::reply::Reply;
use super::serve::Call;
use super::{Admin, Answer};
use crate::store::{Page, Stored};
use serde_json::{Value, json};
use shared::entities::{self, Declared, Target, Upstream};
use shared::schema::Document;
use shared::types::Referenced;
use std::cmp::Ordering;
use uuid::Uuid;

/// Said of every target of an upstream that looks at nobody's health.
const OFF: &str = "HEALTHCHECKS_OFF";

/// Documents read at once.
const CHUNK: usize = 1000;

/// `GET /upstreams/{u}/targets`: the newest first; the offset says how many come before.
pub async fn newest_first(call: &Call<'_>, link: Link, parent: Uuid) -> Answer {
    let (documents, next) = rows(call, link, parent).await?;
    Ok(list::answer(link.child, &documents, next))
}

/// What [`all`] answers.
pub fn about_all() -> About {
    About::new("The targets in the order of their ids")
        .paged()
        .answers(200, bodies::listed(link().child))
        .refuses(404)
}

/// `GET /upstreams/{u}/targets/all`: in the order of ids.
pub async fn all(call: &Call<'_>) -> Answer {
    let link = link();
    let upstream = call.admin.found(link.parent, call.key(0)).await?;
    list::children(call, link, upstream.id).await
}

/// What [`health`] answers.
pub fn about_health() -> About {
    let of_target = json!({
        "type": "object", "required": ["id", "target", "weight"], "properties": { "health": words(&[OFF]) },
    });
    let of_upstream = optional(object([("id", uuid())]), [("health", words(&[OFF]))]);
    let mut whole = optional(page(of_target), [("node_id", uuid())]);
    let data = whole["properties"]["data"].take();
    whole["properties"]["data"] = json!({ "anyOf": [data, of_upstream] });
    About::new("The health of the targets, as far as it is known here")
        .paged()
        .query(
            "balancer_health",
            text(),
            "`1`: of the upstream as a whole.",
        )
        .answers(200, whole)
        .refuses(404)
}

/// `GET /upstreams/{u}/health`. A control plane sends nobody's requests: it knows health only where none is looked at.
pub async fn health(call: &Call<'_>) -> Answer {
    let link = link();
    let upstream = call.admin.found(link.parent, call.key(0)).await?;
    let known = (!checked(&upstream)?).then_some(OFF);
    let node_id = call.admin.node_id;
    if call.query.first("balancer_health") == Some("1") {
        let mut data = json!({ "id": upstream.id });
        if let Some(health) = known {
            data["health"] = health.into();
        }
        let body = json!({ "data": data, "next": null, "node_id": node_id });
        return Ok(Reply::ok(&body));
    }
    let (documents, next) = rows(call, link, upstream.id).await?;
    let shown = documents.into_iter().map(|stored| shown(stored, known));
    let mut body = json!({ "data": shown.collect::<Vec<_>>(), "next": null, "node_id": node_id });
    if let Some(Next { address, offset }) = next {
        body["next"] = address.into();
        body["offset"] = offset.into();
    }
    Ok(Reply::ok(&body))
}

fn shown(stored: Stored, health: Option<&str>) -> Document {
    let mut document = stored.document;
    if let Some(health) = health {
        document.insert("health".to_owned(), health.into());
    }
    document
}

/// Whether an upstream looks at its targets' health.
fn checked(upstream: &Stored) -> Result<bool, Failure> {
    let schema = &entity::<Upstream>().schema;
    let upstream: Upstream = schema
        .read(&upstream.payload)
        .map_err(|error| Failure::unexpected(&error))?;
    Ok(upstream.healthchecks.enabled())
}

fn link() -> Link {
    links(entity::<Target>())
        .find(|link| link.parent.kind == Upstream::KIND)
        .expect("a target belongs to an upstream")
}

fn entity<T: Declared>() -> &'static entities::Entity {
    entities::find(T::KIND).expect("a declared entity is listed")
}

/// One page of the targets, the newest first, and where the list goes on.
async fn rows(
    call: &Call<'_>,
    link: Link,
    parent: Uuid,
) -> Result<(Vec<Stored>, Option<Next>), Failure> {
    let (size, skipped) = (call.query.size()?, skipped(call)?);
    let mut documents = call.admin.every_child(link, parent).await?;
    documents.sort_unstable_by(newer);
    let until = skipped.saturating_add(size);
    let next = (documents.len() > until).then(|| {
        let offset = until.to_string();
        let address = next_address(call.path.trim_end_matches('/'), &offset, &[]);
        Next { address, offset }
    });
    let page = documents.into_iter().skip(skipped).take(size);
    Ok((page.collect(), next))
}

/// The offset of such a list: how many documents come before.
fn skipped(call: &Call<'_>) -> Result<usize, Failure> {
    let Some(text) = call.query.first("offset") else {
        return Ok(0);
    };
    text.parse()
        .map_err(|_| Failure::invalid_offset(text, "expected a whole number"))
}

fn newer(one: &Stored, other: &Stored) -> Ordering {
    let created = |stored: &Stored| {
        let created = stored.document.get("created_at");
        created.and_then(Value::as_f64).unwrap_or_default()
    };
    let order = created(other).total_cmp(&created(one));
    order.then(other.id.cmp(&one.id))
}

impl Admin {
    /// Every document under a parent. An upstream has at most a few thousand targets.
    async fn every_child(&self, link: Link, parent: Uuid) -> Result<Vec<Stored>, Failure> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = Page {
                size: CHUNK,
                after,
                filter: list::under(link, parent),
                search: None,
            };
            let listing = self.store.list(link.child.kind, page).await?;
            found.extend(listing.documents);
            after = listing.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }
}
