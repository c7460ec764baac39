//! What counts as equal (transformers.md 2.9): headers by name and order of values, JSON as values, forms by name,
//! everything else byte for byte; the framing always fits what was sent.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::coding::decode;
use tests::upstream::Seen;
use tests::wire::Reply;

use super::{Body, Line, Vector};
use crate::compare::differences;

/// Which header the vectors' routes are told apart by.
pub(super) const BY: &str = "x-vector";
/// The Host of the service.
pub(super) const SERVICE_HOST: &str = "upstream.local";

/// What the gateway tells the upstream by itself, beside `x-forwarded-…` and `x-consumer-…`.
const TOLD: [&str; 8] = [
    BY,
    "host",
    "content-length",
    "connection",
    "via",
    "x-real-ip",
    "x-kong-request-id",
    "x-credential-identifier",
];
/// What the gateway adds to answers, beside `x-kong-…`.
const ADDED: [&str; 4] = ["connection", "content-length", "date", "via"];
/// What the gateway adds to the content type of a text, whichever plugin has run.
const CHARSET: &str = "; charset=UTF-8";

type Headers = BTreeMap<String, Vec<String>>;

impl Vector {
    /// How what the upstream saw differs from what it must see.
    pub(super) fn judge_sent(&self, seen: Option<&Seen>, port: u16) -> Vec<String> {
        let (Some(sent), Some(seen)) = (&self.sent, seen) else {
            return match self.sent {
                Some(_) => vec!["nothing reached the upstream".to_owned()],
                None => Vec::new(),
            };
        };
        let mut problems = Vec::new();
        let line = sent.line.as_ref().or(self.request.line.as_ref());
        expect(
            "line",
            line,
            Some(&format!("{} {}", seen.method, seen.path)),
            &mut problems,
        );
        let service = format!("{SERVICE_HOST}:{port}");
        let host = sent.host.as_ref().unwrap_or(&service);
        expect("host", Some(&**host), seen.header("host"), &mut problems);
        let own = |name: &str| {
            TOLD.contains(&name)
                || name.starts_with("x-forwarded-")
                || name.starts_with("x-consumer-")
        };
        headers(
            &grouped(&sent.headers, |_| false),
            &grouped(&seen.headers, own),
            &mut problems,
        );
        let before = self.request.body.as_ref().map(super::Bytes::bytes);
        match &sent.body {
            Some(expected) => expected.judge(&seen.body, &mut problems),
            None => same_bytes(
                before.as_deref().unwrap_or_default(),
                &seen.body,
                &mut problems,
            ),
        }
        if before.is_some() || !seen.body.is_empty() {
            let length = seen.body.len().to_string();
            expect(
                "content-length",
                Some(&*length),
                seen.header("content-length"),
                &mut problems,
            );
        }
        problems
    }

    /// How the reply differs from what the client must get.
    pub(super) fn judge_reply(&self, reply: &Reply, upstream_body: &[u8]) -> Vec<String> {
        let mut problems = Vec::new();
        let status = self.got.status.or(self.upstream.status).unwrap_or(200);
        expect("status", Some(status), Some(reply.status), &mut problems);
        if !reply.note.is_empty() {
            problems.push(format!("the answer is {}", reply.note));
        }
        // Answers to what goes up are about the request alone.
        if self.sent.is_some() || self.got.status.is_some() {
            return problems;
        }
        let own = |name: &str| ADDED.contains(&name) || name.starts_with("x-kong-");
        let mut found = grouped(&reply.headers, own);
        found.retain(|name, values| name != "server" || !values[0].starts_with("headgate/"));
        for text in found.get_mut("content-type").into_iter().flatten() {
            if let Some(bare) = text
                .strip_suffix(CHARSET)
                .filter(|t| t.starts_with("text/"))
            {
                *text = bare.to_owned();
            }
        }
        headers(
            &grouped(&self.got.headers, |_| false),
            &found,
            &mut problems,
        );
        let is_head = self.method() == "HEAD";
        if is_head || matches!(status, 204 | 304) {
            same_bytes(b"", &reply.body, &mut problems);
            if let Some(expected) = self.got.length {
                let is_there = reply.header("content-length").is_some();
                expect(
                    "content-length is there",
                    Some(expected),
                    Some(is_there),
                    &mut problems,
                );
            }
            return problems;
        }
        let length = reply.body.len().to_string();
        expect(
            "content-length",
            Some(&*length),
            reply.header("content-length"),
            &mut problems,
        );
        let coding = reply.header("content-encoding").unwrap_or_default();
        match &self.got.body {
            None => same_bytes(upstream_body, &reply.body, &mut problems),
            Some(expected) => match decode(coding, &reply.body) {
                Ok(plain) => expected.judge(&plain, &mut problems),
                Err(problem) => problems.push(problem),
            },
        }
        problems
    }
}

impl Body {
    fn judge(&self, body: &[u8], problems: &mut Vec<String>) {
        match self {
            Body::Text(expected) => same_bytes(&expected.bytes(), body, problems),
            Body::Json(expected) => match serde_json::from_slice::<Value>(body) {
                Ok(value) => problems.extend(
                    differences(expected, &value)
                        .iter()
                        .map(|difference| format!("body {difference}")),
                ),
                Err(error) => problems.push(format!("body: not JSON ({error}): {}", shown(body))),
            },
            Body::Form(expected) => {
                let expected = by_name(expected);
                let found = by_name(&String::from_utf8_lossy(body));
                expect("form", Some(expected), Some(found), problems);
            }
        }
    }
}

/// Values by lower-cased name, in their order, without those that are `own`.
fn grouped(lines: &[Line], own: impl Fn(&str) -> bool) -> Headers {
    let mut grouped = Headers::new();
    for (name, value) in lines {
        let name = name.to_ascii_lowercase();
        if !own(&name) {
            grouped.entry(name).or_default().push(value.clone());
        }
    }
    grouped
}

fn headers(expected: &Headers, found: &Headers, problems: &mut Vec<String>) {
    for name in expected.keys().chain(found.keys()) {
        let (expected, found) = (expected.get(name), found.get(name));
        let text = format!("header {name}");
        if problems.iter().all(|problem| !problem.starts_with(&text)) {
            expect(&text, expected, found, problems);
        }
    }
}

/// The segments of each name, as they stand.
fn by_name(form: &str) -> BTreeMap<String, Vec<String>> {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for segment in form.split('&') {
        let name = segment.split('=').next().unwrap_or_default();
        by_name
            .entry(name.to_owned())
            .or_default()
            .push(segment.to_owned());
    }
    by_name
}

fn same_bytes(expected: &[u8], found: &[u8], problems: &mut Vec<String>) {
    if expected != found {
        problems.push(format!(
            "body: expected {}, got {}",
            shown(expected),
            shown(found)
        ));
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: Option<T>,
    found: Option<T>,
    problems: &mut Vec<String>,
) {
    if expected != found {
        problems.push(format!("{what}: expected {expected:?}, got {found:?}"));
    }
}

fn shown(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(300).collect();
    format!("{text:?} ({} bytes)", body.len())
}

#[cfg(test)]
mod notices {
    use serde_json::json;

    use super::*;

    fn lines(lines: &[(&str, &str)]) -> Vec<Line> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        lines.iter().map(owned).collect()
    }

    #[test]
    fn whatever_reaches_the_upstream_otherwise_than_it_must() {
        let vector = json!({
            "id": "x", "config": {},
            "request": { "line": "POST /x?a=1", "headers": [["X-A", "1"]], "body": "{ \"a\":1}" },
            "sent": { "headers": [["x-a", "1"], ["x-a", "2"]], "body": { "json": { "a": 1 } } },
        });
        let vector: Vector = serde_json::from_value(vector).expect("a vector");
        let good = Seen {
            method: "POST".into(),
            path: "/x?a=1".into(),
            headers: lines(&[
                ("Host", "upstream.local:1"),
                ("X-A", "1"),
                ("x-a", "2"),
                ("X-Forwarded-For", "::1"),
                ("Content-Length", "9"),
            ]),
            body: b"{\"a\":1.0}".to_vec(),
            connection: 1,
        };
        assert_eq!(vector.judge_sent(Some(&good), 1), [""; 0]);
        assert_eq!(vector.judge_sent(None, 1).len(), 1);
        let changes: [fn(&mut Seen); 9] = [
            |seen| seen.method = "PUT".into(),
            |seen| seen.path = "/x".into(),
            |seen| seen.headers[0].1 = "gw.test".into(),
            |seen| seen.headers[1].1 = "2".into(),
            |seen| drop(seen.headers.remove(2)),
            |seen| seen.headers.push(("x-b".into(), "1".into())),
            |seen| seen.headers[4].1 = "8".into(),
            |seen| seen.body = b"{\"a\":2  }".to_vec(),
            |seen| seen.body = b"{\"a\":1   ".to_vec(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut seen = good.clone();
            change(&mut seen);
            assert_eq!(
                vector.judge_sent(Some(&seen), 1).len(),
                1,
                "change {number}"
            );
        }
    }

    #[test]
    fn whatever_reaches_the_client_otherwise_than_it_must() {
        let vector = json!({
            "id": "x", "config": {},
            "upstream": { "status": 404, "headers": [["X-A", "1"]], "body": "b=1&a=2" },
            "got": { "headers": [["x-a", "1"]], "body": { "form": "a=2&b=1" } },
        });
        let vector: Vector = serde_json::from_value(vector).expect("a vector");
        let good = Reply {
            status: 404,
            headers: lines(&[("X-A", "1"), ("Content-Length", "7"), ("Via", "1.1 x")]),
            body: b"b=1&a=2".to_vec(),
            ..Reply::default()
        };
        let judged = |reply: &Reply| vector.judge_reply(reply, b"b=1&a=2");
        assert_eq!(judged(&good), [""; 0]);
        let changes: [fn(&mut Reply); 6] = [
            |reply| reply.status = 200,
            |reply| reply.note = "truncated",
            |reply| drop(reply.headers.remove(0)),
            |reply| drop(reply.headers.remove(1)),
            |reply| reply.headers.push(("Server".into(), "up".into())),
            |reply| reply.body = b"b=1&a=3".to_vec(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut reply = good.clone();
            change(&mut reply);
            assert_eq!(judged(&reply).len(), 1, "change {number}");
        }
    }
}
