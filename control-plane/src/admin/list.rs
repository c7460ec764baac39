//! Lists, page by page (admin-api.md 4.1).

use super::endpoints::Link;
use super::query::{next_address, token};
use super::reply::Reply;
use super::serve::Call;
use super::{Answer, expiry};
use crate::store::{Filter, Listing, Page};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use shared::entities::Entity;
use uuid::Uuid;

/// Lists that one unique field narrows to at most one document: `/consumers?custom_id=`.
const BY_FIELD: &[(&str, &str)] = &[("consumers", "custom_id")];

/// `GET /services`
pub async fn collection(call: &Call<'_>, entity: &'static Entity) -> Answer {
    for (kind, field) in BY_FIELD {
        if *kind == entity.kind
            && let Some(value) = call.query.first(field)
        {
            return by_field(call, entity, field, value).await;
        }
    }
    let filter = match entity.schema.field("tags").and_then(|tags| tags.element()) {
        Some(tag) => call
            .query
            .tags(|text| tag.value_error(&Value::String(text.to_owned())))?,
        None => Filter::None,
    };
    let path = format!("/{}", entity.path);
    let carried = ["tags", "size"].map(|name| (name, call.query.first(name)));
    page(call, entity, filter, &path, &carried).await
}

/// `GET /services/{s}/routes`
pub async fn children(call: &Call<'_>, link: Link, parent: Uuid) -> Answer {
    let filter = Filter::Refers {
        field: link.field.to_owned(),
        to_kind: link.parent.kind,
        to_id: parent,
    };
    let path = call.path.trim_end_matches('/');
    page(call, link.child, filter, path, &[]).await
}

async fn page(
    call: &Call<'_>,
    entity: &'static Entity,
    filter: Filter,
    path: &str,
    carried: &[(&str, Option<&str>)],
) -> Answer {
    let page = Page {
        size: call.query.size()?,
        after: call.query.offset_id()?,
        filter,
    };
    let listing = call.admin.store.list(entity.kind, page).await?;
    Ok(Reply::json_bytes(
        StatusCode::OK,
        render(entity, &listing, path, carried),
    ))
}

/// Stored documents are JSON already: they are copied, not parsed and printed again.
fn render(
    entity: &'static Entity,
    listing: &Listing,
    path: &str,
    carried: &[(&str, Option<&str>)],
) -> Bytes {
    let mut body = br#"{"data":["#.to_vec();
    let mut first = true;
    for stored in &listing.documents {
        if !expiry::is_live(entity, &stored.document) {
            continue;
        }
        if !std::mem::take(&mut first) {
            body.push(b',');
        }
        if entity.has_ttl {
            let shown = Value::Object(expiry::shown(&stored.document));
            body.extend_from_slice(shown.to_string().as_bytes());
        } else {
            body.extend_from_slice(&stored.payload);
        }
    }
    let ending = match listing.next {
        None => r#"],"next":null}"#.to_owned(),
        Some(id) => {
            let token = token(&[&id.to_string()]);
            let next = next_address(path, &token, carried);
            format!(r#"],"next":{},"offset":{}}}"#, json!(next), json!(token))
        }
    };
    body.extend_from_slice(ending.as_bytes());
    body.into()
}

async fn by_field(
    call: &Call<'_>,
    entity: &'static Entity,
    field: &'static str,
    value: &str,
) -> Answer {
    if value.is_empty() {
        let text = format!("{field} must be an unempty string");
        return Err(super::Failure::bad_request(text));
    }
    let found = call.admin.store.find(entity.kind, field, value).await?;
    let listing = Listing {
        documents: found.into_iter().collect(),
        next: None,
    };
    Ok(Reply::json_bytes(
        StatusCode::OK,
        render(entity, &listing, "", &[]),
    ))
}
