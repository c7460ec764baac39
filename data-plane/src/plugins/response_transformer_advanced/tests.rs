//! The table of transformers.md 4.8 (`testdata/advanced.jsonl`), without sockets.

use http::HeaderName;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::plugins::Catalog;

use super::*;

/// `transform.functions`: refused until there is a Lua engine.
const NEEDS_LUA: &[&str] = &["A068", "A069", "A070", "A071", "A072", "A073"];

#[derive(Deserialize)]
struct Vector {
    id: String,
    config: Value,
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    expect: Expected,
}

#[derive(Default, Deserialize)]
struct Expected {
    #[serde(default)]
    no_header: bool,
    #[serde(default)]
    body_unchanged: bool,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
}

fn handler(config: &Value) -> Result<Handler, String> {
    let schema = Catalog::builtin()
        .plugin("response-transformer-advanced")
        .expect("declared");
    let config = schema
        .parse(config.to_string().as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(Handler::new(&config.downcast().expect("its own type")))
}

fn header_map(lines: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("name");
        headers.append(name, HeaderValue::from_str(value).expect("value"));
    }
    headers
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().expect("text").to_owned())
    };
    let mut lines: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != CONTENT_TYPE)
        .map(line)
        .collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines
}

impl Vector {
    fn run(&self, handler: &Handler) -> (HeaderMap, String) {
        let status = StatusCode::from_u16(self.status).expect("a status");
        let mut headers = header_map(&self.headers);
        let body = Bytes::from(self.body.clone().unwrap_or_default());
        let body = match handler.change_head(status, &mut headers) {
            BodyUse::Stream => body,
            BodyUse::Whole if self.body.is_none() => body,
            _ => handler.change_body(status, body),
        };
        (headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
    }

    fn check(&self, handler: &Handler) -> bool {
        let (headers, body) = self.run(handler);
        let sent = self.body.as_deref().unwrap_or_default();
        let value = |text: &str| serde_json::from_str::<Value>(text).ok();
        let same = |expected: &str| {
            body == expected || (value(&body).is_some() && value(&body) == value(expected))
        };
        let body_holds = match &self.expect.body {
            Some(expected) => same(expected),
            // Not opened at all: untouched to the byte.
            None if ["A011", "A067"].contains(&&*self.id) => body == sent,
            None if self.expect.body_unchanged => same(sent),
            None => self.body.is_none(),
        };
        let checks_headers = self.expect.no_header || !self.expect.headers.is_empty();
        body_holds
            && (!checks_headers || lines(&headers) == lines(&header_map(&self.expect.headers)))
    }
}

#[test]
fn every_vector_holds_or_needs_lua() {
    let (mut held, mut failures, mut needs_lua) = (0, Vec::new(), Vec::new());
    for line in include_str!("../transform/testdata/advanced.jsonl").lines() {
        let vector: Vector = serde_json::from_str(line).expect(line);
        match handler(&vector.config) {
            Err(error) if error.contains("Lua functions are not supported") => {
                needs_lua.push(vector.id)
            }
            Err(error) => failures.push(format!("{}: {error}", vector.id)),
            Ok(handler) if vector.check(&handler) => held += 1,
            Ok(handler) => failures.push(format!("{}: {:?}", vector.id, vector.run(&handler))),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(needs_lua, NEEDS_LUA);
    assert_eq!(held + needs_lua.len(), 76);
}

#[test]
fn configurations_that_mean_nothing_are_refused() {
    for (config, message) in [
        (
            json!({"add": {"if_status": ["5xx"]}}),
            "value '5xx' is not a status code or a range of status codes",
        ),
        (
            json!({"add": {"if_status": ["599-500"]}}),
            "value '599-500' is not",
        ),
        (
            json!({"remove": {"headers": ["a:/(/"]}}),
            "not a valid regex",
        ),
    ] {
        let error = handler(&config).err().expect("refused");
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_whole_body_is_not_compressed_like_the_one_it_replaces() {
    let handler = handler(&json!({"replace": {"body": "x"}})).expect("valid");
    let mut headers = header_map(&[
        ("content-encoding".to_owned(), "gzip".to_owned()),
        ("content-length".to_owned(), "40".to_owned()),
    ]);
    assert_eq!(
        handler.change_head(StatusCode::OK, &mut headers),
        BodyUse::Replace
    );
    assert!(headers.is_empty());
    assert_eq!(
        handler.change_body(StatusCode::OK, Bytes::from_static(b"\x1f\x8b")),
        "x"
    );
}

#[test]
fn compressed_json_is_left_alone() {
    let handler = handler(&json!({"add": {"json": ["a:1"]}})).expect("valid");
    let mut headers = header_map(&[
        ("content-encoding".to_owned(), "gzip".to_owned()),
        ("content-length".to_owned(), "40".to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ]);
    assert_eq!(
        handler.change_head(StatusCode::OK, &mut headers),
        BodyUse::Stream
    );
    assert_eq!(headers.len(), 3);
}

#[test]
fn an_allow_list_lets_nothing_else_through() {
    let run = |config: Value, body: &'static str| {
        let handler = handler(&config).expect("valid");
        let body = handler.change_body(StatusCode::OK, Bytes::from_static(body.as_bytes()));
        String::from_utf8(body.to_vec()).expect("UTF-8")
    };
    let nested = |names: &[&str]| json!({"dots_in_keys": false, "allow": {"json": names}});
    for (config, body, expected) in [
        (nested(&["u.id"]), r#"{"u":"secret"}"#, "{}"),
        (nested(&["u.id"]), r#"{"u":[{"id":1}]}"#, r#"{"u":[]}"#),
        (nested(&["l[2]"]), r#"{"l":[1,2,3]}"#, r#"{"l":[2]}"#),
        (
            nested(&["u", "u.id"]),
            r#"{"u":{"id":1,"pw":2}}"#,
            r#"{"u":{"id":1,"pw":2}}"#,
        ),
        (nested(&["a"]), "[1,2]", "[]"),
        (nested(&["[*].a"]), r#"[{"a":1,"b":2},5]"#, r#"[{"a":1}]"#),
        (json!({"allow": {"json": ["a"]}}), "[1,2]", "[1,2]"),
    ] {
        assert_eq!(run(config, body), expected, "{body}");
    }
}
