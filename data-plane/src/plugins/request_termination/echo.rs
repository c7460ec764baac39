//! The picture of a request that `echo` answers with.

use std::collections::BTreeMap;

use http::header::HOST;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

use crate::plugins::Ctx;
use crate::plugins::transform::args::{self, Arg};
use crate::plugins::transform::content_type::{self, RequestBody};
use crate::router::split_host;

/// Everything that is known of the request; `message` leads.
pub(super) fn describe(ctx: &Ctx, message: Option<&str>, body: &[u8]) -> Value {
    let request = &ctx.request;
    let host = request.host.as_ref().map(text).unwrap_or_default();
    let (name, port) = split_host(&host, ctx.conn.port);
    let runtime = ctx.runtime.clone();
    let entry = ctx.entry(&runtime);
    json!({
        "message": message,
        "kong": {
            "worker_pid": std::process::id(),
            "hostname": hostname::get().ok().map(|name| name.to_string_lossy().into_owned()),
        },
        "request": {
            "scheme": ctx.conn.scheme(),
            "host": name,
            "port": port,
            "headers": headers(&request.headers, request.host.as_ref()),
            "query": arguments(request.query().unwrap_or_default().as_bytes()),
            "body": parsed(&request.headers, body),
            "raw_body": String::from_utf8_lossy(body),
            "method": request.method.as_str(),
            "path": request.path,
            "uri_captures": captures(ctx),
        },
        "matched_route": entry.map(|entry| json!({
            "id": entry.route.id.uuid().to_string(),
            "name": entry.route.name.as_ref().map(ToString::to_string),
        })),
        "matched_service": entry.and_then(|entry| entry.service.as_ref()).map(|service| json!({
            "id": service.id.uuid().to_string(),
            "name": service.name.as_ref().map(ToString::to_string),
        })),
    })
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// One value as it is, several as a list.
fn grouped(pairs: impl Iterator<Item = (String, Value)>) -> Value {
    let mut groups = BTreeMap::<String, Vec<Value>>::new();
    for (name, value) in pairs {
        groups.entry(name).or_default().push(value);
    }
    let single = |mut values: Vec<Value>| {
        if values.len() == 1 {
            values.remove(0)
        } else {
            Value::Array(values)
        }
    };
    Value::Object(
        groups
            .into_iter()
            .map(|(name, values)| (name, single(values)))
            .collect(),
    )
}

pub(super) fn headers(headers: &HeaderMap, host: Option<&HeaderValue>) -> Value {
    let host = host
        .into_iter()
        .map(|value| (HOST.to_string(), Value::from(text(value))));
    grouped(
        host.chain(
            headers
                .iter()
                .map(|(name, value)| (name.to_string(), Value::from(text(value)))),
        ),
    )
}

pub(super) fn arguments(raw: &[u8]) -> Value {
    grouped(args::iter(raw).map(|(name, value)| {
        let value = match value {
            Arg::Flag => Value::Bool(true),
            Arg::Text(text) => Value::from(String::from_utf8_lossy(&text)),
        };
        (String::from_utf8_lossy(&name).into_owned(), value)
    }))
}

/// JSON and forms, read; `null` for anything else.
pub(super) fn parsed(headers: &HeaderMap, body: &[u8]) -> Value {
    match content_type::of_request(headers) {
        Some(RequestBody::Json) => serde_json::from_slice(body).unwrap_or_default(),
        Some(RequestBody::Form) => arguments(body),
        Some(RequestBody::Multipart) | None => Value::Null,
    }
}

fn captures(ctx: &Ctx) -> Value {
    let Some(captures) = &ctx.captures else {
        return Value::Object(Map::new());
    };
    let mut found = Map::new();
    for (number, name, text) in captures.iter(&ctx.request.path) {
        found.insert(number.to_string(), Value::from(text));
        if let Some(name) = name {
            found.insert(name.to_owned(), Value::from(text));
        }
    }
    Value::Object(found)
}
