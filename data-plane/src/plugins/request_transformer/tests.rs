//! The tables of transformers.md 2.9 (`testdata/request.jsonl`) and 2.10, without sockets.

use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::plugins::{Catalog, RequestTransformer};
use shared::types::Step;

use super::compile::Plan;
use super::steps::Parts;
use crate::plugins::transform::args::Args;

/// Expressions that only a Lua engine evaluates; their configurations are refused until there is one.
const NEEDS_LUA: &[&str] = &[
    "Q114", "Q117", "Q118", "Q121", "Q130", "Q132", "Q133", "Q134", "Q136", "Q137", "Q138", "Q139",
    // Evaluated, but only Lua plugins can set what it reads.
    "Q123",
];

#[derive(Deserialize)]
struct Vector {
    id: String,
    config: Value,
    method: String,
    target: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    captures: Map<String, Value>,
    expect: Expected,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    unchanged: bool,
    #[serde(default)]
    no_header: bool,
    #[serde(default)]
    fails: bool,
    log: Option<String>,
    #[serde(default)]
    body_unchanged: bool,
    host: Option<String>,
    body: Option<String>,
    request: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

/// What goes up.
#[derive(Debug, PartialEq)]
struct Sent {
    request: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: String,
}

fn plan(config: &Value) -> Result<Plan, String> {
    let schema = Catalog::builtin()
        .plugin("request-transformer")
        .expect("declared");
    let config = schema
        .parse(config.to_string().as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(Plan::new(
        &config
            .downcast::<RequestTransformer>()
            .expect("its own type"),
    ))
}

/// The line in the error log: the chain says whose failure it is.
fn logged(error: &str) -> String {
    format!("[request-transformer] {error}")
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().expect("text").to_owned())
    };
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines
}

fn header_map(lines: &[(String, String)]) -> HeaderMap {
    let line = |(name, value): &(String, String)| {
        (name.parse().expect("name"), value.parse().expect("value"))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        HeaderMap::<HeaderValue>::append::<HeaderName>(&mut headers, name, value);
    }
    headers
}

impl Vector {
    /// As the handler runs it, with the body at hand.
    fn run(&self, plan: &Plan) -> Result<Sent, String> {
        let mut headers = header_map(&self.headers);
        let (path, client_query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&*self.target, None),
        };
        let (mut method, mut path, mut query, mut host) = (None, path.to_owned(), None, None);
        let captures = |step: &Step| {
            let name = match step {
                Step::Key(name) => name.clone(),
                Step::Index(number) => number.to_string(),
            };
            Some(self.captures.get(&name)?.as_str()?.to_owned())
        };
        let expects_body = plan.may_read_body(&headers);
        let client_host = HeaderValue::from_static("gw.test");
        let mut parts = Parts {
            headers: &mut headers,
            client_host: Some(&client_host),
            client_query,
            captures: &captures,
            templates: true,
            method: &mut method,
            path: &mut path,
            query: &mut query,
            host: &mut host,
        };
        let texts = plan.render(&parts)?;
        let form = plan
            .copies_form(parts.headers)
            .then_some(self.body.as_bytes());
        plan.head(&mut parts, &texts, form)?;
        let mut body = self.body.clone();
        if let Some(kind) = plan.body_kind(parts.headers) {
            assert!(expects_body, "{}: the body is needed unforeseen", self.id);
            if let Some(changed) = plan.change_body(kind, parts.headers, body.as_bytes(), &texts)? {
                body = String::from_utf8(changed).expect("UTF-8");
            }
        }
        plan.change_query(&mut parts, &texts);
        let query = query.unwrap_or(client_query.map(str::to_owned));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Sent {
            request: format!(
                "{} {path}{query}",
                method.as_ref().map_or(&*self.method, Method::as_str)
            ),
            host: host.map(|host| host.to_str().expect("text").to_owned()),
            headers: lines(&headers),
            body,
        })
    }

    fn check(&self, plan: &Plan) -> Result<(), String> {
        let expect = &self.expect;
        let sent = match self.run(plan) {
            Ok(sent) if !expect.fails => sent,
            Err(error)
                if expect.fails
                    && logged(&error).contains(expect.log.as_deref().unwrap_or_default()) =>
            {
                return Ok(());
            }
            other => return Err(format!("{other:?}")),
        };
        let request = match &expect.request {
            Some(request) => request.clone(),
            None => format!("{} {}", self.method, self.target),
        };
        let host = expect.host.clone().filter(|host| host != "(service host)");
        let body = match &expect.body {
            Some(body) if !expect.body_unchanged && !expect.unchanged => body,
            _ => &self.body,
        };
        if sent.request != request
            || sent.host != host
            || !self.same_body(&sent, body)
            || !self.same_headers(&sent)
        {
            return Err(format!("{sent:?}"));
        }
        Ok(())
    }

    /// JSON compares as values (but byte for byte where nothing may change), forms by name, the rest as bytes.
    fn same_body(&self, sent: &Sent, expected: &str) -> bool {
        let kind = sent
            .headers
            .iter()
            .find(|(name, _)| name == CONTENT_TYPE.as_str())
            .map(|(_, value)| &**value);
        if sent.body == expected {
            return true;
        }
        match kind {
            Some("application/x-www-form-urlencoded") => {
                Args::parse(sent.body.as_bytes()).query()
                    == Args::parse(expected.as_bytes()).query()
            }
            Some(kind) if kind.starts_with("application/json") && !self.keeps_bytes() => {
                let value = |text: &str| serde_json::from_str::<Value>(text).ok();
                value(&sent.body).is_some() && value(&sent.body) == value(expected)
            }
            _ => false,
        }
    }

    fn keeps_bytes(&self) -> bool {
        ["Q082", "Q083", "Q084", "Q085"].contains(&&*self.id)
    }

    /// Listed headers are as listed; others as the client sent them, unless the configuration takes them away.
    fn same_headers(&self, sent: &Sent) -> bool {
        let before = lines(&header_map(&self.headers));
        if self.expect.unchanged {
            return sent.headers == before;
        }
        let listed = lines(&header_map(&self.expect.headers));
        let is_listed = |name: &str| listed.iter().any(|(other, _)| other == name);
        let taken = |name: &str| {
            ["remove", "rename"].iter().any(|step| {
                let entries = self.config[*step]["headers"].as_array();
                entries.into_iter().flatten().any(|entry| {
                    let entry = entry.as_str().unwrap_or_default();
                    entry
                        .split(':')
                        .next()
                        .unwrap_or_default()
                        .eq_ignore_ascii_case(name)
                })
            })
        };
        let mut expected = listed.clone();
        expected.extend(
            before
                .into_iter()
                .filter(|(name, _)| !is_listed(name) && !taken(name)),
        );
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        (!self.expect.no_header || listed.is_empty()) && sent.headers == expected
    }
}

#[test]
fn every_vector_holds_or_needs_lua() {
    let table = include_str!("../transform/testdata/request.jsonl");
    let (mut held, mut failures, mut needs_lua) = (0, Vec::new(), Vec::new());
    for line in table.lines() {
        let vector: Vector = serde_json::from_str(line).expect(line);
        match plan(&vector.config) {
            _ if vector.id == "Q123" => needs_lua.push(vector.id),
            Err(error) if error.contains("needs Lua") => needs_lua.push(vector.id),
            Err(error) => failures.push(format!("{}: {error}", vector.id)),
            Ok(plan) => match vector.check(&plan) {
                Ok(()) => held += 1,
                Err(sent) => failures.push(format!("{}: {sent}", vector.id)),
            },
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let mut expected = NEEDS_LUA.to_vec();
    expected.sort_unstable();
    assert_eq!(needs_lua, expected);
    assert_eq!(held + needs_lua.len(), 145);
}

/// The table of differences, as far as it is about one request: configuration, request line, header, body, and what
/// goes up.
#[test]
fn deliberate_differences_from_kong_hold() {
    let json = "application/json";
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(9000));
    let long_and_more = format!("{{\"x\":\"{}\",\"a\":\"1\"}}", "y".repeat(9000));
    let long_form = format!("b=1&x={}", "y".repeat(9000));
    let part = |name: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n1\r\n")
    };
    let end = "--XX--\r\n";
    let many: String = (0..150).map(|i| format!("a{i:03}=1&")).collect();
    let form = "application/x-www-form-urlencoded";
    let multipart = "multipart/form-data; boundary=XX; charset=utf-8";
    let cases = [
        (
            "QD1",
            json!({"add": {"body": ["a:1"]}}),
            "/",
            json,
            &*long,
            "/",
            long_and_more.clone(),
        ),
        (
            "QD2",
            json!({"remove": {"body": ["b"]}}),
            "/",
            form,
            &*long_form,
            "/",
            long_form[4..].to_owned(),
        ),
        (
            "QD3",
            json!({"append": {"headers": ["Host:x"]}}),
            "/",
            json,
            "",
            "/",
            String::new(),
        ),
        (
            "QD4",
            json!({"http_method": "GET"}),
            "/?n=1",
            form,
            "n=2&n=3",
            "/?n=1&n=2&n=3",
            "n=2&n=3".to_owned(),
        ),
        (
            "QD5",
            json!({"add": {"body": ["a:1"]}}),
            "/",
            json,
            "\"s\"",
            "/",
            "\"s\"".to_owned(),
        ),
        (
            "QD5",
            json!({"append": {"body": ["a:1"]}}),
            "/",
            json,
            " null",
            "/",
            " null".to_owned(),
        ),
        (
            "QD6",
            json!({"append": {"body": ["n:2"]}}),
            "/",
            json,
            r#"{"n":1}"#,
            "/",
            r#"{"n":[1,"2"]}"#.to_owned(),
        ),
        (
            "QD7",
            json!({"append": {"body": ["o:2"]}}),
            "/",
            json,
            r#"{"o":{"k":"v"}}"#,
            "/",
            r#"{"o":[{"k":"v"},"2"]}"#.to_owned(),
        ),
        (
            "QD10",
            json!({"add": {"body": ["b:1"]}}),
            "/",
            multipart,
            &*(part("a") + end),
            "/",
            part("a") + &part("b") + end,
        ),
        (
            "QD11",
            json!({"remove": {"body": ["b"]}}),
            "/",
            multipart,
            &*(part("b") + &part("b") + &part("a") + end),
            "/",
            part("a") + end,
        ),
        (
            "QD12",
            json!({"add": {"body": ["a:1"]}}),
            "/",
            json,
            r#"{"i":12345678901234567890}"#,
            "/",
            r#"{"i":12345678901234567890,"a":"1"}"#.to_owned(),
        ),
        (
            "QD15",
            json!({"add": {"querystring": ["z:1"]}}),
            &*format!("/?{}", many.trim_end_matches('&')),
            json,
            "",
            &*format!("/?{many}z=1"),
            String::new(),
        ),
        (
            "QD16",
            json!({"add": {"body": ["b:1"]}}),
            "/",
            "multipart/form-data",
            &*(part("a") + end),
            "/",
            part("a") + end,
        ),
    ];
    for (id, config, target, content_type, body, expected_target, expected_body) in cases {
        let vector = request(config, target, &[("content-type", content_type)], body);
        let sent = vector
            .run(&plan(&vector.config).expect("valid"))
            .expect("goes up");
        let path = sent.request.split_once(' ').expect("method and target").1;
        assert_eq!(
            (path, sent.body, sent.host),
            (expected_target, expected_body, None),
            "{id}"
        );
    }
}

#[test]
fn differences_about_headers_hold() {
    let cases = [
        (
            "QD8",
            json!({"append": {"headers": ["X-A:2", "x-a:3"]}}),
            &[("x-a", "1")] as &[_],
            &[("x-a", "1"), ("x-a", "2"), ("x-a", "3")] as &[_],
        ),
        (
            "QD9",
            json!({"remove": {"headers": ["Content-Length"]}}),
            &[("content-length", "3")],
            &[("content-length", "3")],
        ),
        (
            "QD14",
            json!({"add": {"headers": ["x-l:$(headers['x-foo'])"]}}),
            &[("x-foo", "1"), ("x-foo", "2")],
            &[("x-foo", "1"), ("x-foo", "2"), ("x-l", "1, 2")],
        ),
    ];
    for (id, config, headers, expected) in cases {
        let vector = request(config, "/", headers, "");
        let sent = vector
            .run(&plan(&vector.config).expect("valid"))
            .expect("goes up");
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        assert_eq!(sent.headers, expected, "{id}");
    }
    let config = json!({
        "replace": {"headers": ["X-A:new"]}, "add": {"querystring": ["q:$(headers['x-a'])"]}
    });
    let vector = request(config, "/", &[("x-a", "old")], "");
    assert_eq!(
        vector
            .run(&plan(&vector.config).expect("valid"))
            .expect("goes up")
            .request,
        "POST /?q=old",
        "QD13"
    );
}

#[test]
fn a_query_of_too_many_arguments_is_left_alone() {
    let target = format!("/?{}", "a&".repeat(1000));
    let vector = request(json!({"add": {"querystring": ["z:1"]}}), &target, &[], "");
    let sent = vector
        .run(&plan(&vector.config).expect("valid"))
        .expect("goes up");
    assert_eq!(sent.request, format!("POST {target}"));
}

#[test]
fn what_clients_send_can_not_break_out_of_a_header() {
    let vector = request(
        json!({"add": {"headers": ["x-q:$(query_params.q)"]}}),
        "/?q=a%0d%0aX-Evil:%201",
        &[],
        "",
    );
    let sent = vector
        .run(&plan(&vector.config).expect("valid"))
        .expect("goes up");
    assert_eq!(
        sent.headers,
        [("x-q".to_owned(), "a%0D%0AX-Evil: 1".to_owned())]
    );
}

#[test]
fn only_configurations_that_may_change_a_body_ask_for_it() {
    for (config, content_type, asks) in [
        (
            json!({"add": {"headers": ["a:1"]}}),
            "application/json",
            false,
        ),
        (json!({"add": {"body": ["a:1"]}}), "application/json", true),
        (json!({"add": {"body": ["a:1"]}}), "text/plain", false),
        (
            json!({"add": {"body": ["a:1"]}, "replace": {"headers": ["content_type:x"]}}),
            "text/plain",
            true,
        ),
        (
            json!({"add": {"body": ["a:1"]}, "replace": {"headers": ["Content-Type:x"]}}),
            "text/plain",
            true,
        ),
        (
            json!({"http_method": "GET"}),
            "application/x-www-form-urlencoded",
            true,
        ),
        (json!({"http_method": "GET"}), "application/json", false),
        (
            json!({"http_method": "POST"}),
            "application/x-www-form-urlencoded",
            false,
        ),
    ] {
        let headers = header_map(&[(CONTENT_TYPE.to_string(), content_type.to_owned())]);
        assert_eq!(
            plan(&config).expect("valid").may_read_body(&headers),
            asks,
            "{config} {content_type}"
        );
    }
}

fn request(config: Value, target: &str, headers: &[(&str, &str)], body: &str) -> Vector {
    assert!(!headers.iter().any(|(name, _)| *name == HOST.as_str()));
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| json!([name, value]))
        .collect();
    serde_json::from_value(json!({
        "id": "", "config": config, "method": "POST", "target": target, "headers": headers, "body": body, "expect": {},
    }))
    .expect("a vector")
}
