//! The data planes: in Kong's words, in ours, and how new ones are let in.

use super::Answer;
use super::draft::now;
use super::error::Failure;
use super::openapi::About;
use super::openapi::shape::{
    count, flag, list as list_of, map, nullable, object, page, text, uuid, words,
};
use super::query::{next_address, token};
use super::reply::Reply;
use super::serve::Call;
use super::wait::duration;
use crate::sync::{Labels, NewToken, NodeState, NodeStatus};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use shared::schema::{Document, Violations};
use std::time::Duration;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// Kong forgets a node that was silent for two weeks.
const REMEMBERED_S: u64 = 1_209_600;
const NO_CONFIGURATION: &str = "00000000000000000000000000000000";
const DEFAULT_TTL: Duration = Duration::from_secs(3600);

/// What [`kong_list`] answers (admin-api.md 8.13).
pub fn about_kong_list() -> About {
    let expiry = nullable(count());
    let row = object([
        ("id", uuid()),
        ("hostname", text()),
        ("ip", nullable(text())),
        ("version", text()),
        ("last_seen", count()),
        ("updated_at", count()),
        (
            "config_hash",
            json!({ "type": "string", "minLength": 32, "maxLength": 32 }),
        ),
        ("sync_status", words(&["unknown", "normal"])),
        ("labels", map(text())),
        ("cert_details", object([("expiry_timestamp", expiry)])),
        ("rpc_capabilities", list_of(text())),
        ("ttl", count()),
    ]);
    About::new("The data planes, in Kong's words")
        .paged()
        .answers(200, page(row))
}

/// `GET /clustering/data-planes`
pub fn kong_list(call: &Call<'_>) -> Answer {
    let size = call.query.size()?;
    let after = call.query.offset_id()?;
    let nodes = call.admin.hub.nodes();
    let mut rest = nodes
        .iter()
        .filter(|node| after.is_none_or(|after| node.id > after));
    let shown: Vec<&NodeStatus> = rest.by_ref().take(size).collect();
    let data: Vec<Value> = shown.iter().map(|node| kong_row(node)).collect();
    let mut body = json!({ "data": data, "next": null });
    if let (Some(_), Some(last)) = (rest.next(), shown.last()) {
        let token = token(&[&last.id.to_string()]);
        let sent = [("size", call.query.first("size"))];
        body["next"] = json!(next_address("/clustering/data-planes", &token, &sent));
        body["offset"] = json!(token);
    }
    Ok(Reply::ok(&body))
}

fn kong_row(node: &NodeStatus) -> Value {
    let seen = node.last_seen.unwrap_or(node.joined_at);
    let forgotten_in = (seen + REMEMBERED_S).saturating_sub(now() as u64);
    json!({
        "id": node.id,
        "hostname": node.hostname,
        "ip": node.ip,
        "version": node.version,
        "last_seen": seen,
        "updated_at": seen,
        "config_hash": config_hash(node),
        "sync_status": sync_status(node),
        "labels": node.labels,
        "cert_details": { "expiry_timestamp": node.certificate_expires },
        "rpc_capabilities": [],
        "ttl": forgotten_in,
    })
}

/// 32 hexadecimal digits, as Kong's MD5.
fn config_hash(node: &NodeStatus) -> &str {
    node.digest
        .get(..NO_CONFIGURATION.len())
        .unwrap_or(NO_CONFIGURATION)
}

fn sync_status(node: &NodeStatus) -> &'static str {
    match (node.state, node.last_seen) {
        (NodeState::Active, Some(_)) => "normal",
        _ => "unknown",
    }
}

/// What [`kong_status`] answers.
pub fn about_kong_status() -> About {
    let row = object([
        ("config_hash", text()),
        ("hostname", text()),
        ("ip", nullable(text())),
        ("last_seen", count()),
    ]);
    About::new("The data planes by id; an old form of the list").answers(200, map(row))
}

/// `GET /clustering/status`
pub fn kong_status(call: &Call<'_>) -> Reply {
    let nodes = call.admin.hub.nodes();
    let body: Map<String, Value> = nodes
        .iter()
        .map(|node| {
            let row = json!({
                "config_hash": config_hash(node),
                "hostname": node.hostname,
                "ip": node.ip,
                "last_seen": node.last_seen.unwrap_or(node.joined_at),
            });
            (node.id.to_string(), row)
        })
        .collect();
    Reply::ok(&body).with(DEPRECATION, HeaderValue::from_static("true"))
}

/// What [`list`] answers.
pub fn about_list() -> About {
    let blocked = object([("revision", count()), ("issues", list_of(text()))]);
    let node = json!({
        "type": "object",
        "required": ["id", "state", "connected", "applied_revision", "durable_revision"],
        "properties": {
            "id": uuid(), "state": words(&["active", "revoked"]), "connected": flag(),
            "applied_revision": count(), "durable_revision": count(),
        },
    });
    let shape = object([
        ("head_revision", count()),
        ("released_revision", count()),
        ("publish_blocked", nullable(blocked)),
        ("data", list_of(node)),
    ]);
    About::new("The data planes and what they run").answers(200, shape)
}

/// `GET /headgate/data-planes`
pub fn list(call: &Call<'_>) -> Reply {
    let admin = call.admin;
    let head = admin.store.head();
    let nodes = admin.hub.nodes();
    let blocked = admin
        .hub
        .publish_blocked()
        .map(|blocked| json!({ "revision": blocked.revision, "issues": blocked.issues }));
    Reply::ok(&json!({
        "head_revision": head,
        "released_revision": admin.hub.released_revision(),
        "publish_blocked": blocked,
        "data": nodes,
    }))
}

/// What [`create_token`] takes and answers.
pub fn about_create_token() -> About {
    let ttl = json!({ "type": ["string", "integer", "null"], "description": "How long it may be used: 3600 or `1h`." });
    let uses =
        json!({ "type": ["integer", "null"], "minimum": 1, "description": "By how many nodes." });
    let labels = json!({
        "type": ["object", "null"], "additionalProperties": text(), "description": "Given to the nodes.",
    });
    let body = json!({
        "type": "object",
        "properties": { "ttl": ttl, "uses": uses, "labels": labels },
        "additionalProperties": false,
    });
    About::new("Makes a token with which a data plane joins")
        .takes(body)
        .answers(201, object([("token", text())]))
}

/// `POST /headgate/tokens`: `{"ttl": "1h", "uses": 1, "labels": {"region": "eu"}}`, all of them optional.
pub async fn create_token(call: Call<'_>) -> Answer {
    let wanted = new_token(&call.arguments.document, call.arguments.form)
        .map_err(|found| Failure::schema_violation(&found))?;
    let token = call
        .admin
        .hub
        .create_token(wanted, call.author.clone())
        .await?;
    Ok(Reply::json(StatusCode::CREATED, &json!({ "token": token })))
}

fn new_token(document: &Document, form: bool) -> Result<NewToken, Violations> {
    let mut violations = Violations::default();
    let mut token = NewToken {
        ttl: DEFAULT_TTL,
        uses: 1,
        labels: Labels::new(),
    };
    for (name, value) in document {
        let problem = match name.as_str() {
            _ if value.is_null() => None,
            "ttl" => set(
                &mut token.ttl,
                ttl(value),
                "expected a time such as 3600 or 1h",
            ),
            "uses" => set(
                &mut token.uses,
                uses(value, form),
                "expected a positive integer",
            ),
            "labels" => set(
                &mut token.labels,
                labels(value),
                "expected a map of strings",
            ),
            _ => Some("unknown field"),
        };
        if let Some(text) = problem {
            violations.insert(&[name], text);
        }
    }
    match violations.is_empty() {
        true => Ok(token),
        false => Err(violations),
    }
}

fn set<T>(place: &mut T, value: Option<T>, problem: &'static str) -> Option<&'static str> {
    match value {
        None => Some(problem),
        Some(value) => {
            *place = value;
            None
        }
    }
}

fn ttl(value: &Value) -> Option<Duration> {
    let ttl = match value {
        Value::String(text) => duration(text),
        _ => value.as_u64().map(Duration::from_secs),
    };
    ttl.filter(|ttl| *ttl >= Duration::from_secs(1))
}

fn uses(value: &Value, form: bool) -> Option<u32> {
    let uses = match value {
        Value::String(text) if form => text.parse().ok(),
        _ => value.as_u64().and_then(|count| u32::try_from(count).ok()),
    };
    uses.filter(|uses| *uses > 0)
}

fn labels(value: &Value) -> Option<Labels> {
    let members = value.as_object()?.iter();
    members
        .map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: Value) -> Result<NewToken, Violations> {
        new_token(document.as_object().expect("an object"), false)
    }

    #[test]
    fn a_token_lives_an_hour_and_serves_once_unless_told_otherwise() {
        let token = read(json!({})).expect("all optional");
        assert_eq!((token.ttl, token.uses), (DEFAULT_TTL, 1));
        let token = read(json!({ "ttl": "10m", "uses": 3, "labels": { "region": "eu" } }));
        let token = token.expect("valid");
        assert_eq!((token.ttl, token.uses), (Duration::from_secs(600), 3));
        assert_eq!(token.labels["region"], "eu");
    }

    #[test]
    fn a_bad_token_request_names_its_members() {
        let found = read(json!({ "ttl": 0, "uses": "1", "labels": [], "x": 1 })).expect_err("bad");
        let fields = found.fields();
        let named: Vec<_> = fields.as_object().expect("an object").keys().collect();
        assert_eq!(named.len(), 4, "{fields}");
        assert_eq!(fields["x"], "unknown field");
    }
}
