//! What went wrong, as Kong's clients expect to read it (admin-api.md 5).

use super::reply::Reply;
use crate::store::{Rejection, StoreError, WriteError};
use crate::sync::TokenError;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use shared::declarative::Report;
use shared::entities;
use shared::schema::{Document, Violations, notation};
use shared::settings::did_you_mean;
use std::borrow::Cow;
use uuid::Uuid;

/// Seconds after which a busy endpoint may be asked again.
const SOON: HeaderValue = HeaderValue::from_static("1");
/// What a client without a good token is asked for (RFC 6750).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"headgate\"");

/// A request that is answered with an error.
#[derive(Debug)]
pub enum Failure {
    /// `{"message": …}`
    Message(StatusCode, Cow<'static, str>),
    /// A status and nothing else.
    Bare(StatusCode),
    /// Plain text, for the few answers that are not JSON.
    Text(StatusCode, &'static str),
    /// 429: another request has to be done first.
    Busy(&'static str),
    /// 401: a token is needed, or the one sent is no good.
    Unauthorized(&'static str),
    /// Kong's error object, boxed because it is large and rare.
    Structured(Box<Structured>),
    /// The failure of one operation of a batch: what it alone would be answered, and which it was.
    Operation {
        index: usize,
        method: Method,
        path: String,
        failure: Box<Failure>,
    },
}

/// Kong's error object.
#[derive(Debug)]
pub struct Structured {
    status: StatusCode,
    code: u8,
    name: Cow<'static, str>,
    message: String,
    /// The member beside these three: `fields`, or `options` for code 11.
    detail: Option<(&'static str, Value)>,
    /// Errors by document, where they were asked for.
    flattened: Option<Vec<Value>>,
    /// What may have been meant, keyed as `fields`: our own member beside Kong's.
    hints: Document,
}

impl Failure {
    pub fn message(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Failure::Message(status, text.into())
    }

    pub fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Failure::message(StatusCode::BAD_REQUEST, text)
    }

    pub fn not_found() -> Self {
        Failure::message(StatusCode::NOT_FOUND, "Not found")
    }

    pub fn unauthorized(text: &'static str) -> Self {
        Failure::Unauthorized(text)
    }

    /// The token is good, but not for this.
    pub fn forbidden(text: impl Into<Cow<'static, str>>) -> Self {
        Failure::message(StatusCode::FORBIDDEN, text)
    }

    pub fn method_not_allowed() -> Self {
        Failure::message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
    }

    /// Says nothing to the client; the cause goes into the log.
    pub fn unexpected(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "an Admin API request failed");
        Failure::message(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An unexpected error occurred",
        )
    }

    pub fn schema_violation(violations: &Violations) -> Self {
        structured(
            StatusCode::BAD_REQUEST,
            2,
            "schema violation",
            violations.message(),
            Some(("fields", violations.fields())),
        )
        .with_hints(violations.hints())
    }

    fn with_hints(mut self, hints: Document) -> Self {
        if let Failure::Structured(error) = &mut self {
            error.hints = hints;
        }
        self
    }

    /// A declarative configuration that is wrong. `flatten`: told by document rather than by place.
    pub fn declarative(report: &Report, flatten: bool) -> Self {
        let (message, fields, flattened) = match flatten {
            true => {
                let flattened = report.flatten();
                (flattened.message, flattened.fields, Some(flattened.errors))
            }
            false => (report.message(), report.fields(), None),
        };
        Failure::Structured(Box::new(Structured {
            status: StatusCode::BAD_REQUEST,
            code: 14,
            name: "invalid declarative configuration".into(),
            message,
            detail: Some(("fields", fields)),
            flattened,
            hints: Document::new(),
        }))
    }

    pub fn busy(text: &'static str) -> Self {
        Failure::Busy(text)
    }

    /// A path segment that is neither an id nor a name this entity could have.
    pub fn invalid_primary_key() -> Self {
        let fields = json!({ "id": "expected a valid UUID" });
        let message = format!("invalid primary key: '{}'", notation::inline(&fields));
        structured(
            StatusCode::BAD_REQUEST,
            1,
            "invalid primary key",
            message,
            Some(("fields", fields)),
        )
    }

    /// A name in the path that breaks the rules of its field.
    pub fn invalid_unique(field: &str, message: String) -> Self {
        let name = format!("invalid unique {field}");
        structured(StatusCode::BAD_REQUEST, 10, name, message, None)
    }

    pub fn invalid_size(message: &str) -> Self {
        structured(
            StatusCode::BAD_REQUEST,
            9,
            "invalid size",
            message.to_owned(),
            None,
        )
    }

    pub fn invalid_offset(offset: &str, why: &str) -> Self {
        let message = format!("'{offset}' is not a valid offset: {why}");
        structured(StatusCode::BAD_REQUEST, 7, "invalid offset", message, None)
    }

    pub fn invalid_option(option: &str, why: &str) -> Self {
        structured(
            StatusCode::BAD_REQUEST,
            11,
            "invalid options",
            format!("invalid option ({option}: {why})"),
            Some(("options", json!({ option: why }))),
        )
    }

    /// A PATCH of something that is not there, by what it was looked up with.
    pub fn missing(kind: &str, key: &str, value: &str) -> Self {
        let mut fields = Document::new();
        fields.insert(key.to_owned(), value.into());
        let fields = Value::Object(told(kind, fields));
        let what = if key == "id" { "primary key " } else { "" };
        let message = format!(
            "could not find the entity with {what}'{}'",
            notation::inline(&fields)
        );
        structured(
            StatusCode::NOT_FOUND,
            6,
            "not found",
            message,
            Some(("fields", fields)),
        )
    }

    /// References by name that nothing answers to.
    pub fn unresolved(references: Vec<Unresolved>) -> Self {
        let (mut fields, mut hints) = (Document::new(), Document::new());
        let note = |all: &mut Document, reference: &Unresolved, text: String| {
            let of_field = all.entry(reference.field.clone());
            of_field.or_insert_with(|| json!({}))[&reference.key] = Value::String(text);
        };
        for reference in &references {
            note(&mut fields, reference, reference.text());
            if let Some(meant) = &reference.meant {
                note(&mut hints, reference, did_you_mean(meant));
            }
        }
        structured(
            StatusCode::BAD_REQUEST,
            13,
            "foreign keys unresolved",
            unresolved_message(&references),
            Some(("fields", Value::Object(fields))),
        )
        .with_hints(hints)
    }

    fn duplicate_id(id: Uuid) -> Self {
        let fields = json!({ "id": id });
        let message = format!(
            "primary key violation on key '{}'",
            notation::inline(&fields)
        );
        structured(
            StatusCode::BAD_REQUEST,
            3,
            "primary key violation",
            message,
            Some(("fields", fields)),
        )
    }

    fn foreign_key(message: String, fields: Value) -> Self {
        structured(
            StatusCode::BAD_REQUEST,
            4,
            "foreign key violation",
            message,
            Some(("fields", fields)),
        )
    }

    fn taken(fields: Document) -> Self {
        let fields = Value::Object(fields);
        let message = format!(
            "UNIQUE violation detected on '{}'",
            notation::inline(&fields)
        );
        structured(
            StatusCode::CONFLICT,
            5,
            "unique constraint violation",
            message,
            Some(("fields", fields)),
        )
    }

    pub fn into_reply(self) -> Reply {
        match self {
            Failure::Message(status, text) => Reply::json(status, &json!({ "message": text })),
            Failure::Bare(status) => Reply::empty(status),
            Failure::Unauthorized(text) => {
                Reply::json(StatusCode::UNAUTHORIZED, &json!({ "message": text }))
                    .with(header::WWW_AUTHENTICATE, CHALLENGE)
            }
            Failure::Text(status, text) => Reply::text(status, text),
            Failure::Busy(text) => {
                let body = json!({ "message": text });
                Reply::json(StatusCode::TOO_MANY_REQUESTS, &body).with(header::RETRY_AFTER, SOON)
            }
            Failure::Operation {
                index,
                method,
                path,
                failure,
            } => {
                let alone = failure.into_reply();
                let mut body: Document = serde_json::from_slice(&alone.body).unwrap_or_default();
                let operation = json!({ "index": index, "method": method.as_str(), "path": path });
                body.insert("operation".to_owned(), operation);
                Reply::json(alone.status, &body)
            }
            Failure::Structured(error) => {
                let mut body = json!({
                    "code": error.code, "name": error.name, "message": error.message,
                });
                if let Some((member, detail)) = error.detail {
                    body[member] = detail;
                }
                if let Some(errors) = error.flattened {
                    body["flattened_errors"] = errors.into();
                }
                if !error.hints.is_empty() {
                    body["hints"] = Value::Object(error.hints);
                }
                Reply::json(error.status, &body)
            }
        }
    }
}

/// A reference by name that nothing answers to.
#[derive(Debug)]
pub struct Unresolved {
    pub field: String,
    pub key: String,
    pub value: Value,
    pub kind: &'static str,
    /// The existing name that is most like it.
    pub meant: Option<String>,
}

impl Unresolved {
    fn text(&self) -> String {
        let mut named = Document::new();
        named.insert(self.key.clone(), self.value.clone());
        format!(
            "the foreign key cannot be resolved with '{}' for an existing '{}' entity",
            notation::inline(&Value::Object(told(self.kind, named))),
            self.kind
        )
    }
}

fn unresolved_message(references: &[Unresolved]) -> String {
    let mut parts: Vec<String> = references
        .iter()
        .map(|reference| {
            format!(
                "{}.{}: {}",
                reference.field,
                reference.key,
                reference.text()
            )
        })
        .collect();
    parts.sort();
    match parts.as_slice() {
        [one] => format!("foreign key unresolved ({one})"),
        many => format!(
            "{} foreign keys unresolved ({})",
            many.len(),
            many.join("; ")
        ),
    }
}

/// Members of a document of that kind, secrets hidden.
fn told(kind: &str, members: Document) -> Document {
    match entities::find(kind) {
        Some(entity) => entity.told(members),
        None => members,
    }
}

fn structured(
    status: StatusCode,
    code: u8,
    name: impl Into<Cow<'static, str>>,
    message: String,
    detail: Option<(&'static str, Value)>,
) -> Failure {
    Failure::Structured(Box::new(Structured {
        status,
        code,
        name: name.into(),
        message,
        detail,
        flattened: None,
        hints: Document::new(),
    }))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::unexpected(&error)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Off => Failure::bad_request(error.to_string()),
            TokenError::Store(error) => error.into(),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Rejected { reason, .. } => reason.into(),
            WriteError::Storage(error) => error.into(),
        }
    }
}

impl From<Rejection> for Failure {
    fn from(reason: Rejection) -> Self {
        match reason {
            Rejection::PrimaryKey { id, .. } => Failure::duplicate_id(id),
            Rejection::Unique { kind, fields } => Failure::taken(told(kind, fields)),
            Rejection::ForeignMissing {
                field,
                to_kind,
                to_id,
                ..
            } => {
                let key = json!({ "id": to_id });
                let message = format!(
                    "the foreign key '{}' does not reference an existing '{to_kind}' entity.",
                    notation::inline(&key)
                );
                Failure::foreign_key(message, json!({ field: key }))
            }
            Rejection::Referenced { kind, by, .. } => Failure::foreign_key(
                format!("an existing '{by}' entity references this '{kind}' entity"),
                json!({ "@referenced_by": by }),
            ),
            Rejection::Mentioned {
                kind,
                id,
                by,
                by_id,
            } => {
                let what = kind.trim_end_matches('s').replace('_', " ");
                let message = format!("{what} {id} is still referenced by {by} (id = {by_id})");
                structured(
                    StatusCode::BAD_REQUEST,
                    19,
                    "referenced by others",
                    message,
                    None,
                )
            }
            Rejection::CustomPluginInUse { ref ids, .. } => structured(
                StatusCode::CONFLICT,
                19,
                "referenced by others",
                reason.to_string(),
                Some(("fields", json!({ "@referenced_by": ids }))),
            ),
            Rejection::CustomPluginMisfit { ref faults, .. } => {
                let of_plugin = |(id, fields): &(Uuid, Value)| (id.to_string(), fields.clone());
                let faults: Document = faults.iter().map(of_plugin).collect();
                structured(
                    StatusCode::CONFLICT,
                    2,
                    "schema violation",
                    reason.to_string(),
                    Some(("fields", json!({ "plugins": faults }))),
                )
            }
            Rejection::CustomPluginChanged { .. } => {
                Failure::message(StatusCode::CONFLICT, format!("{reason}, try again"))
            }
            Rejection::NotFound { kind, id } => Failure::missing(kind, "id", &id.to_string()),
            // Callers read and merge again on `Changed`; one that got here kept losing.
            Rejection::Changed { .. } => Failure::message(
                StatusCode::CONFLICT,
                "the entity kept changing while it was updated, try again",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
