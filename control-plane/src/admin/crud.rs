//! The verbs on one entity (admin-api.md 4).

use super::draft::Owner;
use super::error::Failure;
use super::lookup::{self, Key};
use super::reply::Reply;
use super::serve::Call;
use super::{Admin, Answer, expiry};
use crate::store::{Rejection, Stored, Write, WriteError};
use http::{Method, StatusCode};
use serde_json::json;
use shared::entities::Entity;
use shared::schema::Document;
use uuid::Uuid;

/// How often a change is tried again when somebody else changed the document meanwhile. Of n clients at one document one
/// wins each time, so an unlucky one loses often: 16 attempts were lost by one in a hundred where four clients changed it.
const ATTEMPTS: usize = 500;

/// `POST /services`
pub async fn create(mut call: Call<'_>, entity: &'static Entity, owner: Option<Owner>) -> Answer {
    let admin = call.admin;
    let arguments = std::mem::take(&mut call.arguments);
    let document = admin
        .draft(entity, arguments, owner, Document::new())
        .await?;
    let reply = present(StatusCode::CREATED, entity, &document);
    let write = Write::Insert {
        kind: entity.kind,
        document,
    };
    Ok(call.commit(vec![write], reply).await?)
}

/// `GET`, `PUT`, `PATCH`, `DELETE /services/{s}`
pub async fn item(call: Call<'_>, entity: &'static Entity) -> Answer {
    let key = lookup::key(entity, call.key(0))?;
    match call.method {
        Method::GET => {
            let found = call.admin.find(entity, &key).await?;
            Ok(show(entity, &found.ok_or_else(Failure::not_found)?))
        }
        Method::PUT => put(call, entity, key, None).await,
        Method::PATCH => patch(call, entity, key, None).await,
        _ => {
            let found = call.admin.find(entity, &key).await?;
            delete(&call, entity, found.map(|stored| stored.id)).await
        }
    }
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
        let arguments = call.arguments.clone();
        let document = admin.draft(entity, arguments, owner, imprint).await?;
        let reply = present(StatusCode::OK, entity, &document);
        let write = Write::Upsert {
            kind: entity.kind,
            document,
        };
        match call.commit(vec![write], reply).await {
            Ok(reply) => return Ok(reply),
            // Somebody else made a document of that name after we looked.
            Err(WriteError::Rejected {
                reason: Rejection::Unique { fields, .. },
                ..
            }) if known.is_none() && is_key(&key, &fields) => {}
            Err(error) => return Err(error.into()),
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
            let (field, value) = key.named();
            return Err(Failure::missing(entity.kind, field, &value));
        };
        let arguments = call.arguments.clone();
        let document = admin.merged(entity, &stored, arguments, owner).await?;
        let reply = present(StatusCode::OK, entity, &document);
        let write = Write::Update {
            kind: entity.kind,
            document,
            expected: Some(stored.revision),
        };
        match call.commit(vec![write], reply).await {
            Ok(reply) => return Ok(reply),
            Err(WriteError::Rejected {
                reason: reason @ (Rejection::Changed { .. } | Rejection::NotFound { .. }),
                ..
            }) => last = Some(reason),
            Err(error) => return Err(error.into()),
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

/// The answer to a read.
pub fn show(entity: &'static Entity, stored: &Stored) -> Reply {
    if entity.has_ttl {
        return present(StatusCode::OK, entity, &stored.document);
    }
    Reply::json_bytes(StatusCode::OK, stored.payload.clone())
}

/// A document as an answer shows it.
pub fn present(status: StatusCode, entity: &'static Entity, document: &Document) -> Reply {
    if entity.has_ttl {
        return Reply::json(status, &expiry::shown(document));
    }
    Reply::json(status, document)
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
