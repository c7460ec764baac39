//! Documents under the one they belong to, and the one above them (admin-api.md 4).

use super::draft::Owner;
use super::endpoints::Link;
use super::error::Failure;
use super::lookup::{ChildKey, Key};
use super::serve::Call;
use super::{Answer, crud, foreign, list, names, targets};
use crate::store::{Stored, Write};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::schema::Document;
use uuid::Uuid;

/// `/services/{s}/routes`
pub async fn children(call: Call<'_>, link: Link) -> Answer {
    let parent = call.admin.found(link.parent, call.key(0)).await?;
    if call.method == Method::GET && link.child.nested_only {
        return targets::newest_first(&call, link, parent.id).await;
    }
    if call.method == Method::GET {
        return list::children(&call, link, parent.id).await;
    }
    crud::create(call, link.child, Some(owner(link, parent.id))).await
}

/// `/services/{s}/routes/{r}`
pub async fn child(mut call: Call<'_>, link: Link) -> Answer {
    let admin = call.admin;
    let parent = admin.found(link.parent, call.key(0)).await?.id;
    let puts = call.method == Method::PUT && !link.child.nested_only;
    let key = match admin.child_key(link, parent, call.key(1)).await? {
        ChildKey::Own(key) => key,
        ChildKey::Sibling { field, found } => {
            if puts {
                let name = Value::String(call.key(1).to_owned());
                call.arguments.document.entry(field).or_insert(name);
            }
            match found {
                Some(id) => Key::Id(id),
                None if puts => Key::Id(Uuid::new_v4()),
                None => return Err(Failure::not_found()),
            }
        }
    };
    if puts {
        return crud::put(call, link.child, key, Some(owner(link, parent))).await;
    }
    let found = admin.find(link.child, &key).await?;
    let child = found
        .filter(|child| refers(link, child) == Some(parent))
        .ok_or_else(Failure::not_found)?;
    match call.method {
        Method::GET => crud::show(admin, link.child, &child).await,
        Method::PATCH | Method::PUT => {
            crud::patch(
                call,
                link.child,
                Key::Id(child.id),
                Some(owner(link, parent)),
            )
            .await
        }
        _ => crud::delete(&call, link.child, Some(child.id)).await,
    }
}

/// `/routes/{r}/service`
pub async fn parent(call: Call<'_>, link: Link) -> Answer {
    let admin = call.admin;
    let child = admin.found(link.child, call.key(0)).await?;
    let parent = refers(link, &child);
    match (&call.method, parent) {
        (&Method::PUT, Some(id)) => crud::put(call, link.parent, Key::Id(id), None).await,
        (&Method::PUT, None) => put_and_link(call, link, child).await,
        (_, None) => Err(Failure::not_found()),
        (&Method::GET, Some(id)) => {
            let found = admin.find(link.parent, &Key::Id(id)).await?;
            crud::show(admin, link.parent, &found.ok_or_else(Failure::not_found)?).await
        }
        (&Method::PATCH, Some(id)) => crud::patch(call, link.parent, Key::Id(id), None).await,
        (_, Some(_)) => Err(Failure::method_not_allowed()),
    }
}

/// Makes the document that the child does not refer to yet, and the reference, as one revision.
async fn put_and_link(mut call: Call<'_>, link: Link, child: Stored) -> Answer {
    let admin = call.admin;
    let id = Uuid::new_v4();
    let mut imprint = Document::new();
    Key::Id(id).imprint(&mut imprint);
    let mut arguments = std::mem::take(&mut call.arguments);
    let said = names::take(admin, link.parent, &mut arguments)?;
    let parent = admin.draft(link.parent, arguments, None, imprint).await?;
    let names = admin.names(link.parent, id, said.or_none()).await?;
    let mut patch = Document::new();
    patch.insert(link.field.to_owned(), json!({ "id": id }));
    let linked = admin.checked(|context| link.child.merge(&child.document, patch, context))?;
    let reply = crud::present(StatusCode::OK, link.parent, &names.show(&parent));
    let made = Write::Insert {
        kind: link.parent.kind,
        document: parent,
    };
    let mut writes = crud::together(made, names);
    writes.push(Write::Update {
        kind: link.child.kind,
        document: linked,
        expected: Some(child.revision),
    });
    match call.commit(writes, reply).await {
        Ok(reply) => Ok(reply),
        Err(error) => Err(admin.refusal(link.parent, error).await),
    }
}

fn owner(link: Link, id: Uuid) -> Owner {
    Owner {
        field: link.field,
        id,
    }
}

/// What the foreign key of a document holds.
fn refers(link: Link, child: &Stored) -> Option<Uuid> {
    child
        .document
        .get(link.field)?
        .as_object()
        .and_then(foreign::named_id)
}
