//! The verbs on one entity (admin-api.md 4).

use super::draft::Owner;
use super::error::Failure;
use super::lookup::{self, Key};
use super::names::{self, Names, Said};
use super::reply::Reply;
use super::serve::Call;
use super::{Admin, Answer, expiry};
use crate::store::{Rejection, Stored, Write, WriteError};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::entities::Entity;
use shared::schema::Document;
use std::borrow::Cow;
use uuid::Uuid;

/// How often a change is tried again when somebody else changed the document meanwhile. Of n clients at one document one
/// wins each time, so an unlucky one loses often: 16 attempts were lost by one in a hundred where four clients changed it.
const ATTEMPTS: usize = 500;

/// `POST /services`
pub async fn create(mut call: Call<'_>, entity: &'static Entity, owner: Option<Owner>) -> Answer {
    let admin = call.admin;
    let mut arguments = std::mem::take(&mut call.arguments);
    let said = names::take(admin, entity, &mut arguments)?;
    let document = admin
        .draft(entity, arguments, owner, Document::new())
        .await?;
    let names = admin
        .names(entity, id_of(&document), said.or_none())
        .await?;
    let reply = present(StatusCode::CREATED, entity, &names.show(&document));
    let write = Write::Insert {
        kind: entity.kind,
        document,
    };
    let committed = call.commit(together(write, names), reply).await;
    match committed {
        Ok(reply) => Ok(reply),
        Err(error) => Err(admin.refusal(entity, error).await),
    }
}

/// A document's own write and those of its list.
pub fn together(write: Write, names: Names) -> Vec<Write> {
    let mut writes = vec![write];
    writes.extend(names.writes);
    writes
}

/// The id of a complete document.
pub fn id_of(document: &Document) -> Uuid {
    let id = document.get("id").and_then(Value::as_str);
    id.and_then(lookup::id)
        .expect("a complete document has an id")
}

/// `GET`, `PUT`, `PATCH`, `DELETE /services/{s}`
pub async fn item(mut call: Call<'_>, entity: &'static Entity) -> Answer {
    let key = item_key(&mut call, entity).await?;
    match call.method {
        Method::GET => match call.admin.find(entity, &key).await? {
            Some(found) => show(call.admin, entity, &found).await,
            // Kong asks the certificates of a certificate in its own way, and that shows.
            None if entity.name_list.is_some() => Err(missing(entity, &key)),
            None => Err(Failure::not_found()),
        },
        Method::PUT => put(call, entity, key, None).await,
        Method::PATCH => patch(call, entity, key, None).await,
        _ => {
            let found = call.admin.find(entity, &key).await?;
            delete(&call, entity, found.map(|stored| stored.id)).await
        }
    }
}

/// What the address names. A name of a document's list is one that only PUT may bring along.
async fn item_key(call: &mut Call<'_>, entity: &'static Entity) -> Result<Key, Failure> {
    let list = entity.name_list.as_ref();
    let Some(list) = list.filter(|_| lookup::id(call.key(0)).is_none()) else {
        return lookup::key(entity, call.key(0));
    };
    if let Some(id) = call.admin.id_by_name(list, call.key(0)).await? {
        return Ok(Key::Id(id));
    }
    if call.method != Method::PUT {
        return Err(names::unknown(list));
    }
    let name = call.key(0).to_owned();
    names::add(&mut call.arguments, list, &name);
    let given = call.arguments.document.get("id").and_then(Value::as_str);
    let id = given.and_then(lookup::id).unwrap_or_else(Uuid::new_v4);
    Ok(Key::Id(id))
}

/// Creates or replaces what `key` names.
pub async fn put(
    call: Call<'_>,
    entity: &'static Entity,
    key: Key,
    owner: Option<Owner>,
) -> Answer {
    let admin = call.admin;
    for _ in 0..ATTEMPTS {
        let mut imprint = Document::new();
        key.imprint(&mut imprint);
        let known = admin.known_id(entity, &key).await?;
        if let Some(id) = known {
            imprint.insert("id".to_owned(), json!(id));
        }
        let mut arguments = call.arguments.clone();
        let said = names::take(admin, entity, &mut arguments)?;
        let document = admin.draft(entity, arguments, owner, imprint).await?;
        let names = admin
            .names(entity, id_of(&document), said.or_none())
            .await?;
        let reply = present(StatusCode::OK, entity, &names.show(&document));
        let write = Write::Upsert {
            kind: entity.kind,
            document,
        };
        match call.commit(together(write, names), reply).await {
            Ok(reply) => return Ok(reply),
            // Somebody else made a document of that name after we looked.
            Err(WriteError::Rejected {
                reason: Rejection::Unique { fields, .. },
                ..
            }) if known.is_none() && is_key(&key, &fields) => {}
            Err(error) => return Err(admin.refusal(entity, error).await),
        }
    }
    Err(Failure::unexpected(&"a name kept appearing and vanishing"))
}

/// Changes what `key` names.
pub async fn patch(
    call: Call<'_>,
    entity: &'static Entity,
    key: Key,
    owner: Option<Owner>,
) -> Answer {
    let admin = call.admin;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let Some(stored) = admin.find(entity, &key).await? else {
            return Err(missing(entity, &key));
        };
        let mut arguments = call.arguments.clone();
        let said = names::take(admin, entity, &mut arguments)?;
        let document = admin.merged(entity, &stored, arguments, owner).await?;
        let names = admin.names(entity, stored.id, said).await?;
        let reply = present(StatusCode::OK, entity, &names.show(&document));
        let write = Write::Update {
            kind: entity.kind,
            document,
            expected: Some(stored.revision),
        };
        match call.commit(together(write, names), reply).await {
            Ok(reply) => return Ok(reply),
            Err(WriteError::Rejected {
                reason: reason @ (Rejection::Changed { .. } | Rejection::NotFound { .. }),
                ..
            }) => last = Some(reason),
            Err(error) => return Err(admin.refusal(entity, error).await),
        }
    }
    Err(last.expect("every attempt left its reason").into())
}

/// Removes a document and what goes with it; removing nothing is no error.
pub async fn delete(call: &Call<'_>, entity: &'static Entity, id: Option<Uuid>) -> Answer {
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    let Some(id) = id else {
        return Ok(reply.at(call.admin.store.head()));
    };
    let write = Write::Delete {
        kind: entity.kind,
        id,
    };
    Ok(call.commit(vec![write], reply).await?)
}

fn missing(entity: &'static Entity, key: &Key) -> Failure {
    let (field, value) = key.named();
    Failure::missing(entity.kind, field, &value)
}

/// The answer to a read.
pub async fn show(admin: &Admin, entity: &'static Entity, stored: &Stored) -> Answer {
    if entity.name_list.is_some() {
        let names = admin.names(entity, stored.id, Said::Keep).await?;
        return Ok(present(
            StatusCode::OK,
            entity,
            &names.show(&stored.document),
        ));
    }
    if entity.has_ttl {
        return Ok(present(StatusCode::OK, entity, &stored.document));
    }
    if entity.computed.is_some() {
        return Ok(present(StatusCode::OK, entity, &stored.document));
    }
    Ok(Reply::json_bytes(StatusCode::OK, stored.payload.clone()))
}

/// A document as an answer shows it.
pub fn present(status: StatusCode, entity: &'static Entity, document: &Document) -> Reply {
    Reply::json(status, &shown(entity, document))
}

/// A document with what answers show of it beyond what is stored.
pub fn shown<'d>(entity: &'static Entity, document: &'d Document) -> Cow<'d, Document> {
    match &entity.computed {
        _ if entity.has_ttl => Cow::Owned(expiry::shown(document)),
        Some(computed) => Cow::Owned(computed.shown(document)),
        None => Cow::Borrowed(document),
    }
}

/// Whether the collision is on the name that the address gave.
fn is_key(key: &Key, fields: &Document) -> bool {
    match key {
        Key::Id(_) => false,
        Key::Field(field, _) => fields.len() == 1 && fields.contains_key(*field),
    }
}

impl Admin {
    /// The id that a name in the address has already.
    async fn known_id(&self, entity: &'static Entity, key: &Key) -> Result<Option<Uuid>, Failure> {
        match key {
            Key::Id(id) => Ok(Some(*id)),
            Key::Field(..) => Ok(self.find(entity, key).await?.map(|stored| stored.id)),
        }
    }
}
