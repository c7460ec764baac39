//! Consumers in groups (admin-api.md 8.16). A membership is a document like any other, but it is seen only from its two
//! ends: the members of a group, the groups of a consumer.

use super::error::Failure;
use super::lookup::Key;
use super::openapi::shape::{list, object, optional, text};
use super::openapi::{About, bodies};
use super::reply::Reply;
use super::serve::Call;
use super::{Admin, Answer, lookup};
use crate::store::{Stored, Write};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::entities::{self, Consumer, ConsumerGroup, Entity, GroupMember};
use shared::schema::{Document, Violations};
use shared::types::Referenced;
use uuid::Uuid;

/// One end of memberships: whose address it is, and what is listed there.
#[derive(Clone, Copy, Debug)]
pub struct End {
    own: &'static str,
    /// The field of a membership that names the own document.
    own_field: &'static str,
    others: &'static str,
    others_field: &'static str,
    /// The member of a body that names who joins.
    joins: &'static str,
}

/// `/consumer_groups/{g}/consumers`
pub const GROUPS: End = End {
    own: ConsumerGroup::KIND,
    own_field: "consumer_group",
    others: Consumer::KIND,
    others_field: "consumer",
    joins: "consumer",
};

/// `/consumers/{c}/consumer_groups`
pub const CONSUMERS: End = End {
    own: Consumer::KIND,
    own_field: "consumer",
    others: ConsumerGroup::KIND,
    others_field: "consumer_group",
    joins: "group",
};

fn entity(kind: &str) -> &'static Entity {
    entities::find(kind).expect("a declared entity is listed")
}

/// Whether reading one shows more than the document: a group comes with its members.
pub fn is_shown_whole(entity: &Entity, method: &Method) -> bool {
    entity.kind == ConsumerGroup::KIND && *method == Method::GET
}

/// What [`show`] answers.
pub fn about_show() -> About {
    let group = bodies::answer(entity(GROUPS.own));
    let shape = object([("consumer_group", group), ("plugins", list(json!({})))]);
    let consumers = list(bodies::answer(entity(GROUPS.others)));
    About::new("The group and its members")
        .query("list_consumers", text(), "`false`: without the members.")
        .answers(200, optional(shape, [("consumers", consumers)]))
        .refuses(404)
}

/// `GET /consumer_groups/{g}`. No plugin can be for a group yet.
pub async fn show(call: &Call<'_>) -> Answer {
    let group = call.admin.found(entity(GROUPS.own), call.key(0)).await?;
    let mut body = json!({ "consumer_group": group.document, "plugins": [] });
    if call.query.first("list_consumers") != Some("false") {
        body["consumers"] = call.admin.others(GROUPS, group.id).await?.into();
    }
    Ok(Reply::ok(&body))
}

/// What [`members`] takes and answers.
pub fn about_members(end: End, method: &Method) -> About {
    let others = list(bodies::answer(entity(end.others)));
    match *method {
        Method::POST => {
            let joined = object([
                (end.own_field, bodies::answer(entity(end.own))),
                (end.others, others),
            ]);
            About::new("Makes one a member")
                .writes()
                .takes(object([(end.joins, text())]))
                .answers(201, joined)
                .refuses(404)
                .refuses(409)
        }
        Method::DELETE => About::new("Ends all memberships")
            .writes()
            .answers_nothing(204)
            .refuses(404),
        _ => {
            let shape = object([
                (end.others, others.clone()),
                ("data", others),
                ("next", json!({ "type": "null" })),
            ]);
            About::new("All of them").answers(200, shape).refuses(404)
        }
    }
}

/// `GET`, `POST`, `DELETE /consumer_groups/{g}/consumers`, and the same of a consumer's groups.
pub async fn members(call: Call<'_>, end: End) -> Answer {
    let own = call.admin.found(entity(end.own), call.key(0)).await?;
    match call.method {
        Method::POST => join(call, end, own).await,
        Method::DELETE => {
            let memberships = call.admin.memberships(end, own.id).await?;
            end_them(&call, memberships).await
        }
        _ => {
            let others = Value::from(call.admin.others(end, own.id).await?);
            let body = json!({ end.others: others, "data": others, "next": null });
            Ok(Reply::ok(&body))
        }
    }
}

/// What [`leave`] answers.
pub fn about_leave() -> About {
    About::new("Ends the membership")
        .writes()
        .answers_nothing(204)
        .refuses(404)
}

/// `DELETE /consumer_groups/{g}/consumers/{c}`, and the same of a consumer's group.
pub async fn leave(call: Call<'_>, end: End) -> Answer {
    let own = call.admin.found(entity(end.own), call.key(0)).await?;
    let other = call.admin.found(entity(end.others), call.key(1)).await?;
    let memberships = call.admin.memberships(end, own.id).await?;
    let is_meant = |one: &Stored| named(one, end.others_field) == Some(other.id);
    let meant: Vec<Stored> = memberships.into_iter().filter(is_meant).collect();
    match meant.is_empty() {
        true => Err(Failure::not_found()),
        false => end_them(&call, meant).await,
    }
}

async fn join(mut call: Call<'_>, end: End, own: Stored) -> Answer {
    let arguments = std::mem::take(&mut call.arguments);
    let wrong = |text: &str| Failure::schema_violation(&Violations::one(end.joins, text));
    let who = match arguments.document.get(end.joins) {
        None | Some(Value::Null) => return Err(wrong("required field missing")),
        Some(Value::String(who)) if who.is_empty() => {
            return Err(wrong("length must be at least 1"));
        }
        Some(Value::String(who)) => who,
        Some(_) => return Err(wrong("expected a string")),
    };
    let other = call.admin.found(entity(end.others), who).await?;
    let mut input = Document::new();
    input.insert(end.own_field.to_owned(), json!({ "id": own.id }));
    input.insert(end.others_field.to_owned(), json!({ "id": other.id }));
    let kind = GroupMember::KIND;
    let document = call
        .admin
        .checked(|context| entity(kind).complete(input, context))?;
    let body = json!({ end.own_field: own.document, end.others: [other.document] });
    let reply = Reply::json(StatusCode::CREATED, &body);
    Ok(call
        .commit(vec![Write::Insert { kind, document }], reply)
        .await?)
}

async fn end_them(call: &Call<'_>, memberships: Vec<Stored>) -> Answer {
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    let kind = GroupMember::KIND;
    let writes: Vec<Write> = memberships
        .iter()
        .map(|one| Write::Delete { kind, id: one.id })
        .collect();
    match writes.is_empty() {
        true => Ok(reply.at(call.admin.store.head())),
        false => Ok(call.commit(writes, reply).await?),
    }
}

impl Admin {
    async fn memberships(&self, end: End, own: Uuid) -> Result<Vec<Stored>, Failure> {
        let found = self
            .store
            .referring(GroupMember::KIND, end.own_field, end.own, vec![own]);
        Ok(found.await?)
    }

    /// The documents at the other end, in the order of their ids.
    async fn others(&self, end: End, own: Uuid) -> Result<Vec<Value>, Failure> {
        let memberships = self.memberships(end, own).await?;
        let mut ids: Vec<Uuid> = memberships
            .iter()
            .filter_map(|one| named(one, end.others_field))
            .collect();
        ids.sort_unstable();
        let mut others = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.find(entity(end.others), &Key::Id(id)).await?;
            // One that went meanwhile is no member any more.
            others.extend(found.map(|found| Value::Object(found.document)));
        }
        Ok(others)
    }
}

fn named(membership: &Stored, field: &str) -> Option<Uuid> {
    let id = membership.document.get(field)?.get("id")?.as_str()?;
    lookup::id(id)
}
