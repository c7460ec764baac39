//! Lists, page by page (admin-api.md 4.1).

use super::endpoints::Link;
use super::error::Failure;
use super::query::{next_address, token};
use super::reply::Reply;
use super::serve::Call;
use super::{Answer, crud, expiry, names};
use crate::store::{Filter, Page, Search, Stored};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use shared::entities::Entity;
use shared::schema::Field;
use uuid::Uuid;

/// Lists that one unique field narrows to at most one document: `/consumers?custom_id=`.
const BY_FIELD: &[(&str, &str)] = &[("consumers", "custom_id")];

/// The fields that narrow the list of an entity.
pub fn narrowing(entity: &Entity) -> impl Iterator<Item = &'static str> {
    let fields = BY_FIELD.iter().filter(|(kind, _)| *kind == entity.kind);
    fields.map(|(_, field)| *field)
}

const FILTER: &str = "filter";
/// Bytes.
pub const LONGEST_FILTER: usize = 256;

/// Fields in which `?filter=` looks, where an entity has them: what people call things, and where they are.
const SEARCHED: &[&str] = &[
    "name",
    "instance_name",
    "username",
    "custom_id",
    "host",
    "hosts",
    "path",
    "paths",
    "snis",
    "target",
    "group",
];

/// `GET /services`
pub async fn collection(call: &Call<'_>, entity: &'static Entity) -> Answer {
    for field in narrowing(entity) {
        if let Some(value) = call.query.first(field) {
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
    let carried = ["tags", "size", FILTER].map(|name| (name, call.query.first(name)));
    page(call, entity, filter, &path, &carried).await
}

/// Those that name `parent` in the field of the link.
pub fn under(link: Link, parent: Uuid) -> Filter {
    Filter::Refers {
        field: link.field.to_owned(),
        to_kind: link.parent.kind,
        to_id: parent,
    }
}

/// `GET /services/{s}/routes`
pub async fn children(call: &Call<'_>, link: Link, parent: Uuid) -> Answer {
    let filter = under(link, parent);
    let path = call.path.trim_end_matches('/');
    let carried = [(FILTER, call.query.first(FILTER))];
    page(call, link.child, filter, path, &carried).await
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
        search: search(call, entity)?,
    };
    let mut listing = call.admin.store.list(entity.kind, page).await?;
    if let Some(list) = &entity.name_list {
        let ids = listing.documents.iter().map(|stored| stored.id).collect();
        let lists = call.admin.name_lists(entity, list, ids).await?;
        for stored in &mut listing.documents {
            let names = lists.get(&stored.id).map_or(&[][..], Vec::as_slice);
            let shown = names::with(&stored.document, list.field, names);
            stored.payload = Value::Object(shown).to_string().into();
        }
    }
    let next = listing.next.map(|id| {
        let offset = token(&[&id.to_string()]);
        let address = next_address(path, &offset, carried);
        Next { address, offset }
    });
    Ok(answer(entity, &listing.documents, next))
}

/// Where a list goes on.
pub struct Next {
    pub address: String,
    pub offset: String,
}

/// One page of a list.
pub fn answer(entity: &'static Entity, documents: &[Stored], next: Option<Next>) -> Reply {
    Reply::json_bytes(StatusCode::OK, render(entity, documents, next))
}

/// The fields of an entity in which `?filter=` looks.
pub fn searched(entity: &Entity) -> Vec<&'static str> {
    let fields = entity.schema.fields.iter().filter(|field| !field.secret);
    let known = |field: &Field| SEARCHED.iter().find(|name| **name == field.name).copied();
    fields.filter_map(known).collect()
}

/// `?filter=`: a text that one of the entity's names, hosts or paths holds.
fn search(call: &Call<'_>, entity: &'static Entity) -> Result<Option<Search>, Failure> {
    let Some(text) = call.query.first(FILTER) else {
        return Ok(None);
    };
    if text.is_empty() || text.len() > LONGEST_FILTER {
        let why = format!("expected 1 to {LONGEST_FILTER} bytes of text");
        return Err(Failure::invalid_option(FILTER, &why));
    }
    let fields = searched(entity);
    if fields.is_empty() {
        let why = format!("'{}' have nothing to search", entity.path);
        return Err(Failure::invalid_option(FILTER, &why));
    }
    Ok(Some(Search::new(fields, text)))
}

/// Stored documents are JSON already: they are copied, not parsed and printed again.
fn render(entity: &'static Entity, documents: &[Stored], next: Option<Next>) -> Bytes {
    let mut body = br#"{"data":["#.to_vec();
    let mut first = true;
    for stored in documents {
        if !expiry::is_live(entity, &stored.document) {
            continue;
        }
        if !std::mem::take(&mut first) {
            body.push(b',');
        }
        if entity.has_ttl || entity.computed.is_some() {
            let shown = crud::shown(entity, &stored.document).into_owned();
            body.extend_from_slice(Value::Object(shown).to_string().as_bytes());
        } else {
            body.extend_from_slice(&stored.payload);
        }
    }
    let ending = match next {
        None => r#"],"next":null}"#.to_owned(),
        Some(Next { address, offset }) => {
            format!(
                r#"],"next":{},"offset":{}}}"#,
                json!(address),
                json!(offset)
            )
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
    // Looked at even where one document is all there can be.
    call.query.size()?;
    if value.is_empty() {
        let text = format!("{field} must be an unempty string");
        return Err(Failure::bad_request(text));
    }
    let found = call.admin.store.find(entity.kind, field, value).await?;
    Ok(answer(entity, found.as_slice(), None))
}
