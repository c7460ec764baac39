//! How requests fail: the answers of [`super::super::error`], shared by all operations.

use serde_json::{Map, Value, json};

/// Their statuses, names, descriptions and contents: `Message`, `Error`, plain text.
const RESPONSES: &[(u16, &str, &str, &[Content])] = &[
    (
        400,
        "BadRequest",
        "The request cannot be served as it is.",
        &[Content::Message, Content::Error],
    ),
    (
        400,
        "BadBody",
        "The body or the query cannot be taken as it is.",
        &[Content::Message, Content::Error, Content::Text],
    ),
    (
        401,
        "Unauthorized",
        "A token is needed, or the one sent is no good.",
        &[Content::Message],
    ),
    (
        403,
        "Forbidden",
        "The token is good, but not for this.",
        &[Content::Message],
    ),
    (
        404,
        "NotFound",
        "There is no such document.",
        &[Content::Message, Content::Error],
    ),
    (
        405,
        "MethodNotAllowed",
        "The address does not take this method now.",
        &[Content::Message, Content::Error],
    ),
    (
        408,
        "Timeout",
        "The body did not arrive in time.",
        &[Content::Message],
    ),
    (
        409,
        "Conflict",
        "Another document has this value, or the document kept changing.",
        &[Content::Message, Content::Error],
    ),
    (
        413,
        "TooLarge",
        "The body is longer than `admin_max_body_size`.",
        &[Content::Message],
    ),
    (
        415,
        "Unsupported",
        "The body has no type, or one that is not taken.",
        &[],
    ),
    (
        429,
        "Busy",
        "Another request has to be done first; `Retry-After` says when to come back.",
        &[Content::Message],
    ),
    (
        500,
        "Unexpected",
        "The control plane failed; its log says why.",
        &[Content::Message],
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Message,
    Error,
    Text,
}

/// `components.responses`.
pub fn responses() -> Value {
    let all = RESPONSES.iter();
    all.map(|(_, name, description, contents)| {
        let mut response = json!({ "description": description });
        if !contents.is_empty() {
            response["content"] = content(contents);
        }
        ((*name).to_owned(), response)
    })
    .collect::<Map<_, _>>()
    .into()
}

fn content(contents: &[Content]) -> Value {
    let shape = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let json = match contents.contains(&Content::Error) {
        true => json!({ "anyOf": [shape("Error"), shape("Message")] }),
        false => shape("Message"),
    };
    let mut out = json!({ "application/json": { "schema": json } });
    if contents.contains(&Content::Text) {
        out["text/plain"] = json!({ "schema": { "type": "string" } });
    }
    out
}

/// The refusal of a status. `body`: of a request that has one.
pub fn reference(status: u16, body: bool) -> Value {
    let name = match (status, body) {
        (400, true) => "BadBody",
        _ => RESPONSES
            .iter()
            .find(|(known, ..)| *known == status)
            .map(|(_, name, ..)| *name)
            .expect("a status of the table"),
    };
    json!({ "$ref": format!("#/components/responses/{name}") })
}

/// The bodies of refusals (admin-api.md 5.1).
pub fn schemas() -> [(&'static str, Value); 2] {
    let text = || json!({ "type": "string" });
    let message = json!({
        "type": "object",
        "properties": { "message": text() },
        "required": ["message"],
        // What tells the two apart.
        "not": { "required": ["code"] },
    });
    let error = json!({
        "type": "object",
        "description": "1 invalid primary key, 2 schema violation, 3 primary key violation, 4 foreign key violation, \
            5 unique constraint violation, 6 not found, 7 invalid offset, 9 invalid size, 10 invalid unique field, \
            11 invalid options, 12 operation unsupported, 13 foreign keys unresolved, \
            14 invalid declarative configuration, 19 referenced by others",
        "properties": {
            "code": { "enum": [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 19] },
            "name": text(),
            "message": text(),
            "fields": { "type": "object", "description": "What is wrong, in the shape of the document." },
            "hints": { "type": "object", "description": "What may have been meant, keyed as `fields`." },
            "operation": { "type": "object", "description": "Which operation of a batch this is about." },
            "flattened_errors": { "type": "array", "items": { "type": "object" } },
            "options": { "type": "object", "additionalProperties": text() },
        },
        "required": ["code", "name", "message"],
    });
    [("Message", message), ("Error", error)]
}
