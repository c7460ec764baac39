//! Tags as rows of their own (admin-api.md 9).

use super::Answer;
use super::error::Failure;
use super::openapi::About;
use super::openapi::shape::{object, page, text, uuid};
use super::query::{next_address, token};
use super::reply::Reply;
use super::serve::Call;
use crate::store::{TagPage, TagRow};
use serde_json::{Value, json};
use shared::entities;
use uuid::Uuid;

/// What both answer.
pub fn about() -> About {
    let row = object([
        ("entity_name", text()),
        ("entity_id", uuid()),
        ("tag", text()),
    ]);
    About::new("Tags, a row for each document that has one")
        .paged()
        .answers(200, page(row))
}

/// `GET /tags`
pub async fn all(call: &Call<'_>) -> Answer {
    rows(call, None).await
}

/// `GET /tags/{t}`
pub async fn one(call: &Call<'_>) -> Answer {
    let tag = call.key(0);
    match tag_error(tag) {
        Some(message) => Err(Failure::invalid_unique("tag", message)),
        None => rows(call, Some(tag.to_owned())).await,
    }
}

/// What is wrong with a tag, as the entities that have tags say it.
fn tag_error(tag: &str) -> Option<String> {
    let value = Value::String(tag.to_owned());
    let mut fields = entities::all()
        .iter()
        .filter_map(|entity| entity.schema.field("tags")?.element());
    fields.next().and_then(|field| field.value_error(&value))
}

async fn rows(call: &Call<'_>, tag: Option<String>) -> Answer {
    let size = call.query.size()?;
    let after = match call.query.offset()? {
        None => None,
        Some(keys) => Some(row(&keys).ok_or_else(|| {
            let token = call.query.first("offset").unwrap_or_default();
            Failure::invalid_offset(token, "bad primary key")
        })?),
    };
    // One row more than asked tells whether there is a next page.
    let asked = TagPage {
        after,
        size: size + 1,
    };
    let mut found = call.admin.store.tags(tag, asked).await?;
    let more = found.len() > size;
    found.truncate(size);
    let mut body = json!({ "data": found.iter().map(shown).collect::<Vec<_>>(), "next": null });
    if let Some(last) = found.last().filter(|_| more) {
        let token = token(&[&last.tag, &last.kind, &last.id.to_string()]);
        let path = call.path.trim_end_matches('/');
        body["next"] = json!(next_address(path, &token, &[]));
        body["offset"] = json!(token);
    }
    Ok(Reply::ok(&body))
}

fn shown(row: &TagRow) -> Value {
    json!({ "entity_name": row.kind, "entity_id": row.id, "tag": row.tag })
}

fn row(keys: &[String]) -> Option<TagRow> {
    let [tag, kind, id] = keys else {
        return None;
    };
    Some(TagRow {
        tag: tag.clone(),
        kind: kind.clone(),
        id: Uuid::parse_str(id).ok()?,
    })
}
