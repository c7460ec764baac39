//! The tables of transformers.md 3.6 (`testdata/response.jsonl`) and 3.7, without sockets.

use http::HeaderName;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::plugins::Catalog;

use super::*;

#[derive(Deserialize)]
struct Vector {
    id: String,
    config: Value,
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
    length_kept: bool,
    #[serde(default)]
    no_length: bool,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
}

fn handler(config: &Value) -> Handler {
    let schema = Catalog::builtin()
        .plugin("response-transformer")
        .expect("declared");
    let config = schema.parse(config.to_string().as_bytes()).expect("valid");
    Handler::new(&config.downcast().expect("its own type"))
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
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines
}

impl Vector {
    /// What the client gets, and whether the upstream's length survived.
    fn run(&self) -> (HeaderMap, String, bool) {
        let handler = handler(&self.config);
        let mut headers = header_map(&self.headers);
        let body = self.body.clone().unwrap_or_default();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let usage = handler.change_head(&mut headers);
        let had_length = headers.remove(CONTENT_LENGTH).is_some();
        let body = match usage {
            BodyUse::Stream => Bytes::from(body),
            _ if self.body.is_none() => Bytes::new(),
            _ => handler.change_body(Bytes::from(body)),
        };
        (
            headers,
            String::from_utf8(body.to_vec()).expect("UTF-8"),
            had_length,
        )
    }

    fn check(&self) -> bool {
        let (headers, body, had_length) = self.run();
        let expect = &self.expect;
        let sent = self.body.as_deref().unwrap_or_default();
        let value = |text: &str| serde_json::from_str::<Value>(text).ok();
        let body_holds = match &expect.body {
            // To the byte: order, spelling and blanks are those of the table.
            Some(expected) if ["R027", "R053", "R054", "R055"].contains(&&*self.id) => {
                body == *expected
            }
            Some(expected) => value(&body).is_some() && value(&body) == value(expected),
            None if expect.body_unchanged => {
                body == sent || (value(sent).is_some() && value(&body) == value(sent))
            }
            None => self.body.is_none(),
        };
        let mut listed = lines(&header_map(&expect.headers));
        let mut got = lines(&headers);
        if !listed.iter().any(|(name, _)| name == CONTENT_TYPE.as_str()) {
            got.retain(|(name, _)| name != CONTENT_TYPE.as_str());
        }
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        let headers_hold = expect.headers.is_empty() && !expect.no_header || got == listed;
        let length_holds = !(expect.length_kept && !had_length || expect.no_length && had_length);
        body_holds && headers_hold && length_holds
    }
}

#[test]
fn every_vector_holds() {
    let mut count = 0;
    let mut failures = Vec::new();
    for line in include_str!("../transform/testdata/response.jsonl").lines() {
        let vector: Vector = serde_json::from_str(line).expect(line);
        count += 1;
        if !vector.check() {
            failures.push(format!("{}: {:?}", vector.id, vector.run()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(count, 79);
}

#[test]
fn bodies_that_are_not_opened_keep_their_bytes() {
    for line in include_str!("../transform/testdata/response.jsonl").lines() {
        let vector: Vector = serde_json::from_str(line).expect(line);
        if ("R059"..="R070").contains(&&*vector.id) {
            assert_eq!(Some(vector.run().1), vector.body, "{}", vector.id);
        }
    }
}

#[test]
fn deliberate_differences_in_headers_hold() {
    for (id, config, expected) in [
        (
            "RD1",
            json!({"remove": {"headers": ["X-A"]}, "rename": {"headers": ["X-A:X-C"]}}),
            &[] as &[_],
        ),
        (
            "RD2",
            json!({"remove": {"headers": ["X-A"]}, "replace": {"headers": ["X-A:9"]}}),
            &[],
        ),
        (
            "RD3",
            json!({"remove": {"headers": ["X-A"]}, "add": {"headers": ["X-A:9"]}}),
            &[("x-a", "9")],
        ),
        (
            "RD4",
            json!({"rename": {"headers": ["X-A:X-C"]}, "add": {"headers": ["X-C:9"]}}),
            &[("x-c", "1")],
        ),
        (
            "RD5",
            json!({"add": {"headers": ["X-C:1", "X-C:2"]}}),
            &[("x-a", "1"), ("x-c", "1")],
        ),
        (
            "RD6",
            json!({"rename": {"headers": ["X-A:x-a"]}}),
            &[("x-a", "1")],
        ),
        (
            "RD6",
            json!({"rename": {"headers": ["X-A:X-A"]}}),
            &[("x-a", "1")],
        ),
        (
            "RD7",
            json!({"append": {"headers": ["X-A:"]}}),
            &[("x-a", "1")],
        ),
        (
            "3.1",
            json!({"add": {"headers": ["x y:1"]}, "remove": {"headers": ["x y"]}}),
            &[("x-a", "1")],
        ),
        (
            "3.2",
            json!({"add": {"headers": ["Transfer-Encoding:gzip"]}}),
            &[("x-a", "1")],
        ),
    ] {
        let mut headers = header_map(&[("x-a".to_owned(), "1".to_owned())]);
        handler(&config).change_head(&mut headers);
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        assert_eq!(lines(&headers), expected, "{id}");
    }
}

#[test]
fn deliberate_differences_in_bodies_hold() {
    let to_json = json!({"replace": {"headers": ["Content-Type:application/json"]}, "add": {"json": ["b:1"]}});
    let to_text =
        json!({"replace": {"headers": ["Content-Type:text/plain"]}, "add": {"json": ["b:1"]}});
    let append = json!({"append": {"json": ["p:2"]}});
    for (id, config, kind, body, expected) in [
        (
            "RD8",
            &to_json,
            "text/plain",
            r#"{"a":1}"#,
            r#"{"a":1,"b":"1"}"#,
        ),
        (
            "RD9",
            &to_text,
            "application/json",
            r#"{ "a":1}"#,
            r#"{ "a":1}"#,
        ),
        ("RD10", &append, "application/json", " 5 ", " 5 "),
        ("RD10", &append, "application/json", "null", "null"),
        (
            "RD11",
            &json!({"add": {"json": ["a:x\\y"]}}),
            "application/json",
            "{}",
            r#"{"a":"x\\y"}"#,
        ),
        (
            "RD12",
            &append,
            "application/json",
            r#"{"p":1}"#,
            r#"{"p":[1,"2"]}"#,
        ),
        (
            "RD12",
            &append,
            "application/json",
            r#"{"p":{"k":1}}"#,
            r#"{"p":[{"k":1},"2"]}"#,
        ),
        (
            "RD12",
            &append,
            "application/json",
            r#"{"p":false}"#,
            r#"{"p":[false,"2"]}"#,
        ),
        (
            "RD13",
            &append,
            "application/json",
            r#"{"i":12345678901234567890,"d":1.10}"#,
            r#"{"i":12345678901234567890,"d":1.10,"p":["2"]}"#,
        ),
    ] {
        let vector = Vector {
            id: id.to_owned(),
            config: config.clone(),
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: Some(body.to_owned()),
            expect: Expected::default(),
        };
        assert_eq!(vector.run().1, expected, "{id}");
    }
}
