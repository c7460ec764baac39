//! `/headgate/admin-tokens`: made, listed and revoked over the API itself.

use super::tokens::{self, CreateError, NewAdminToken};
use super::{Role, TokenStatus};
use crate::admin::Answer;
use crate::admin::error::Failure;
use crate::admin::openapi::About;
use crate::admin::openapi::shape::{count, nullable, object, page, text, uuid, words};
use crate::admin::reply::Reply;
use crate::admin::serve::Call;
use crate::admin::wait::duration;
use crate::store::Write;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::schema::{Described, Document, Field, Kind, Purpose, Schema};
use shared::types::Name;
use std::sync::LazyLock;
use std::time::Duration;

/// What `POST` takes.
static NEW: LazyLock<Schema> = LazyLock::new(|| {
    let expires = Field::new(Kind::Any).optional().custom(|value| {
        let said = || "expected a time such as 3600, 12h or 30d".to_owned();
        lifetime(value).map(drop).ok_or_else(said)
    });
    let fields = vec![
        Name::field().len_max(64).named("name"),
        Field::string().one_of(Role::WORDS).named("role"),
        expires.named("expires"),
    ];
    Schema::new("admin_tokens", fields)
});

/// A token without its word.
fn shape() -> Value {
    object([
        ("id", uuid()),
        ("name", text()),
        ("role", words(&Role::WORDS)),
        ("created_at", count()),
        ("created_by", text()),
        ("expires_at", nullable(count())),
    ])
}

/// What [`collection`] takes and answers.
pub fn about_collection(method: &Method) -> About {
    if *method == Method::GET {
        return About::new("The tokens of the Admin API").answers(200, page(shape()));
    }
    let mut made = shape();
    made["properties"]["token"] = text();
    About::new("Makes a token of the Admin API; its word is shown this once")
        .writes()
        .takes(NEW.json_schema(None, Purpose::Whole))
        .answers(201, made)
        .refuses(409)
}

/// What [`item`] answers.
pub fn about_item(method: &Method) -> About {
    match *method {
        Method::DELETE => About::new("Revokes the token")
            .writes()
            .answers_nothing(204),
        _ => About::new("The token, without its word").answers(200, shape()),
    }
    .refuses(404)
}

/// `GET` and `POST /headgate/admin-tokens`
pub async fn collection(call: Call<'_>) -> Answer {
    if call.method == Method::GET {
        let data = tokens::list(&call.admin.store).await?;
        return Ok(Reply::ok(&json!({ "data": data, "next": null })));
    }
    let new = read(&call.arguments.document)?;
    let name = new.name.clone();
    let made = tokens::prepare(&call.admin.store, new, &call.author.name).await;
    let (word, status, writes) = made?;
    let reply = Reply::json(StatusCode::CREATED, &shown(&status, Some(&word)));
    let committed = call.commit(writes, reply).await;
    Ok(committed.map_err(|error| tokens::failed(&name, error))?)
}

/// `GET` and `DELETE /headgate/admin-tokens/{name}`
pub async fn item(call: Call<'_>) -> Answer {
    let found = tokens::find(&call.admin.store, call.key(0)).await?;
    let found = found.ok_or_else(Failure::not_found)?;
    if call.method == Method::GET {
        return Ok(Reply::ok(&shown(&found, None)));
    }
    let gone = Write::Delete {
        kind: tokens::KIND,
        id: found.id,
    };
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    Ok(call.commit(vec![gone], reply).await?)
}

/// The word itself is in the answer that made it, and never again.
fn shown(status: &TokenStatus, word: Option<&str>) -> Value {
    let mut shown = serde_json::to_value(status).expect("a struct of plain values");
    if let Some(word) = word {
        shown["token"] = word.into();
    }
    shown
}

fn read(document: &Document) -> Result<NewAdminToken, Failure> {
    let found = NEW.validate(None, document, false);
    if !found.is_empty() {
        return Err(Failure::schema_violation(&found));
    }
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    Ok(NewAdminToken {
        name: text("name").expect("checked").to_owned(),
        role: text("role").and_then(Role::parse).expect("checked"),
        expires: document.get("expires").and_then(lifetime),
    })
}

fn lifetime(value: &Value) -> Option<Duration> {
    let life = match value {
        Value::String(text) => duration(text),
        _ => value.as_u64().map(Duration::from_secs),
    };
    life.filter(|life| *life >= Duration::from_secs(1))
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Taken(_) => Failure::message(StatusCode::CONFLICT, error.to_string()),
            CreateError::Store(error) => error.into(),
        }
    }
}
