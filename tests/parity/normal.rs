//! Replaces what legitimately differs between two runs: generated ids, times, ports, framing. One value per scenario, so
//! that equal ids stay equal. The rules are those of `README.md` beside the vectors; the recorded answers went through
//! the same ones.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use regex::{Captures, Regex};
use serde_json::{Map, Value, json};
use tests::wire::Reply;

use crate::scenario::{Opts, Scenario, Target};

static UUID: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"));
static WORD: LazyLock<Regex> = LazyLock::new(|| regex("[0-9A-Za-z]+"));
static GATEWAY: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\b(?:kong|headgate)/\d[\w.\-]*"));
static NAMES_GATEWAY: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\b(?:kong|headgate)\b"));
static OFFSET: LazyLock<Regex> = LazyLock::new(|| regex(r"\boffset=[A-Za-z0-9_%=-]+"));
static OPENSSL: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?:x509\.new|pkey\.new)[^"\n]*?:\d+:"#));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a literal")
}

/// Compared for presence only.
const PRESENT: [&str; 9] = [
    "date",
    "x-kong-proxy-latency",
    "x-kong-upstream-latency",
    "x-kong-response-latency",
    "x-kong-admin-latency",
    "x-kong-request-id",
    "x-kong-total-latency",
    "x-kong-third-party-latency",
    "x-kong-client-latency",
];
/// Must be a number, whichever.
const NUMBER: [&str; 4] = ["ratelimit-reset", "retry-after", "x-ratelimit-reset", "age"];
const IGNORED: [&str; 4] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "headgate-revision", // on every write, beside what the reference answers (sync-protocol.md 3.2)
];
/// Folded into one fact: framed or not.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// A port that has a name in the vectors.
pub type Port = (&'static str, u16);

pub struct Norm<'a> {
    source: &'a str,
    opts: &'a Opts,
    ports: &'a [Port],
    ids: BTreeMap<String, String>,
    target: Target,
    request_id: Option<String>,
}

impl<'a> Norm<'a> {
    pub fn new(scenario: &'a Scenario, ports: &'a [Port]) -> Norm<'a> {
        let (source, opts) = (&scenario.source, &scenario.opts);
        Norm {
            source,
            opts,
            ports,
            ids: BTreeMap::new(),
            target: Target::Admin,
            request_id: None,
        }
    }

    /// The comparable form of a reply to a request with this method.
    pub fn reply(&mut self, reply: &Reply, method: &str, target: Target) -> Value {
        if reply.status == 0 {
            return json!({ "status": 0, "headers": {}, "body": { "text": "" }, "note": reply.note });
        }
        self.target = target;
        self.request_id = reply
            .header("x-kong-request-id")
            .filter(|id| is_hex(id, 32))
            .map(str::to_owned);
        let headers = self.reply_headers(reply, method);
        let mut normal =
            json!({ "status": reply.status, "headers": headers, "body": self.reply_body(reply) });
        if !reply.note.is_empty() {
            normal["note"] = reply.note.into();
        }
        normal
    }

    fn reply_headers(&mut self, reply: &Reply, method: &str) -> Value {
        let mut headers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut framed = false;
        for (name, value) in &reply.headers {
            let name = name.to_ascii_lowercase();
            framed |= FRAMING.contains(&name.as_str());
            if FRAMING.contains(&name.as_str()) || IGNORED.contains(&name.as_str()) {
                continue;
            }
            let value = self.header(&name, value);
            headers.entry(name).or_default().push(value.into());
        }
        if method != "HEAD" && !matches!(reply.status, 204 | 304) {
            headers.insert(
                "$framed".into(),
                vec![if framed { "yes" } else { "no" }.into()],
            );
        }
        let single = |mut values: Vec<Value>| match values.len() {
            1 => values.remove(0),
            _ => Value::Array(values),
        };
        headers
            .into_iter()
            .map(|(name, values)| (name, single(values)))
            .collect::<Map<_, _>>()
            .into()
    }

    fn reply_body(&mut self, reply: &Reply) -> Value {
        let mut normal = Map::new();
        let mut body = reply.body.clone();
        let gzip = reply
            .header("content-encoding")
            .is_some_and(|v| v.eq_ignore_ascii_case("gzip"));
        if let Some(plain) = (gzip && !body.is_empty()).then(|| gunzip(&body)).flatten() {
            body = plain;
            normal.insert("gzip".into(), true.into());
        }
        let Ok(text) = std::str::from_utf8(&body) else {
            normal.insert("b64".into(), STANDARD.encode(&body).into());
            return normal.into();
        };
        let is_json = reply
            .header("content-type")
            .is_some_and(|v| v.to_ascii_lowercase().contains("json"));
        match serde_json::from_str(text).ok().filter(|_| is_json) {
            Some(value) => normal.insert("json".into(), self.json(value, "")),
            None => normal.insert("text".into(), self.text(text).into()),
        };
        normal.into()
    }

    fn json(&mut self, value: Value, key: &str) -> Value {
        match value {
            Value::Object(map) => {
                let mut map = map;
                // Ours, beside Kong's members: what the sender may have meant.
                if map.contains_key("code") && map.contains_key("message") {
                    map.shift_remove("hints");
                }
                let echo = map.get("echo").is_some_and(|echo| echo == "upstream")
                    && map.get("headers").is_some_and(Value::is_array);
                let map = if echo { self.echo(map) } else { map };
                let mut members: Vec<_> = map.into_iter().collect();
                // Ids are numbered in order of appearance: the order must not depend on the writer.
                members.sort_by(|a, b| a.0.cmp(&b.0));
                let members = members.into_iter().map(|(name, value)| {
                    let renamed = self.text(&name);
                    (renamed, self.json(value, &name))
                });
                members.collect::<Map<_, _>>().into()
            }
            Value::Array(mut items) => {
                if key == "data" && items.iter().all(Value::is_object) && !self.opts.ordered {
                    items.sort_by_cached_key(|item| self.plain(item));
                }
                items.into_iter().map(|item| self.json(item, "")).collect()
            }
            Value::String(text) => match key {
                "offset" => "$offset".into(),
                "hostname" => "$hostname".into(),
                _ => self.text(&text).into(),
            },
            other if key == "worker_pid" && !other.is_null() => "$int".into(),
            Value::Number(number) => {
                let text = number.to_string();
                let whole = !text.contains(['.', 'e', 'E']);
                match (key, self.port(&text)) {
                    ("created_at" | "updated_at", _) => {
                        if whole { "$int_time" } else { "$float_time" }.into()
                    }
                    (_, Some(name)) if whole => format!("${name}").into(),
                    _ => Value::Number(number),
                }
            }
            other => other,
        }
    }

    /// A copy without generated parts, to sort by.
    fn plain(&self, item: &Value) -> String {
        static TIMES: LazyLock<Regex> =
            LazyLock::new(|| regex(r#""(created_at|updated_at)": [0-9.]+"#));
        static LONG: LazyLock<Regex> = LazyLock::new(|| regex(r"\b[0-9a-zA-Z]{32,40}\b"));
        let text = python_json(item);
        let known = |found: &Captures| match self.source.contains(&found[0]) {
            true => found[0].to_owned(),
            false => "$".to_owned(),
        };
        let text = UUID.replace_all(&text, known);
        let text = TIMES.replace_all(&text, r#""$1": 0"#);
        LONG.replace_all(&text, known).into_owned()
    }

    fn text(&mut self, text: &str) -> String {
        let mut text = match &self.request_id {
            Some(id) => text.replace(id.as_str(), "$request_id"),
            None => text.to_owned(),
        };
        text = UUID
            .replace_all(&text, |found: &Captures| self.id(&found[0]))
            .into_owned();
        text = self.name_ports(&text);
        text = GATEWAY.replace_all(&text, "$$gateway").into_owned();
        text = OFFSET.replace_all(&text, "offset=$$offset").into_owned();
        text = OPENSSL.replace_all(&text, "$$openssl_error").into_owned();
        WORD.replace_all(&text, |found: &Captures| self.generated(&found[0]))
            .into_owned()
    }

    fn id(&mut self, id: &str) -> String {
        if self.source.contains(id) {
            return id.to_owned();
        }
        let next = format!("$id{}", self.ids.len() + 1);
        self.ids.entry(id.to_owned()).or_insert(next).clone()
    }

    /// Keys and hashes are whole words of a known length and alphabet.
    fn generated(&self, word: &str) -> String {
        let mixed = word.contains(|c: char| c.is_ascii_lowercase())
            && word.contains(|c: char| c.is_ascii_uppercase());
        let name = match word.len() {
            32 if is_hex(word, 32) => "$hex32",
            32 if mixed => "$rand32",
            40 if is_hex(word, 40) => "$hex40",
            _ => return word.to_owned(),
        };
        if self.source.contains(word) {
            word.to_owned()
        } else {
            name.to_owned()
        }
    }

    /// A port is a whole word and not the fraction of a number.
    fn name_ports(&self, text: &str) -> String {
        let replaced = WORD.replace_all(text, |found: &Captures| {
            let word = found.get(0).expect("the whole match");
            let fraction = text[..word.start()].ends_with('.');
            match self.port(word.as_str()).filter(|_| !fraction) {
                Some(name) => format!("${name}"),
                None => word.as_str().to_owned(),
            }
        });
        replaced.into_owned()
    }

    fn port(&self, text: &str) -> Option<&'static str> {
        let known = self.ports.iter().find(|(_, port)| port.to_string() == text);
        // In the Admin API's answers only the upstream's ports can be meant.
        known
            .map(|(name, _)| *name)
            .filter(|name| matches!(*name, "up" | "down") || self.target != Target::Admin)
    }

    fn header(&mut self, name: &str, value: &str) -> String {
        if PRESENT.contains(&name) {
            return "$present".into();
        }
        match name {
            _ if NUMBER.contains(&name) => match is_number(value) {
                true => "$num".into(),
                false => value.into(),
            },
            "x-cache-key" => match (32..=64).contains(&value.len()) && is_hex(value, value.len()) {
                true => "$hash".into(),
                false => value.into(),
            },
            "server" | "via" if NAMES_GATEWAY.is_match(value) => "$present".into(),
            "x-consumer-groups" => {
                let mut groups: Vec<&str> = value.split(',').map(str::trim).collect();
                groups.sort_unstable();
                groups.join(", ")
            }
            _ => self.text(value),
        }
    }

    /// What the upstream saw, without what depends on the hop.
    fn echo(&mut self, mut echo: Map<String, Value>) -> Map<String, Value> {
        let lines = echo["headers"].as_array().cloned().unwrap_or_default();
        let (mut headers, mut framed, mut content_type) = (Vec::new(), false, String::new());
        for line in &lines {
            let (name, value) = (
                line[0].as_str().unwrap_or_default(),
                line[1].as_str().unwrap_or_default(),
            );
            let lower = name.to_ascii_lowercase();
            framed |= FRAMING.contains(&lower.as_str());
            if FRAMING.contains(&lower.as_str()) || IGNORED.contains(&lower.as_str()) {
                continue;
            }
            if lower == "content-type" {
                content_type = value.to_owned();
            }
            let same_id = lower == "x-kong-request-id" && self.request_id.as_deref() == Some(value);
            let value = if same_id {
                "$request_id".to_owned()
            } else {
                self.header(&lower, value)
            };
            headers.push((
                if self.opts.case {
                    name.to_owned()
                } else {
                    lower
                },
                value,
            ));
        }
        headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        echo.insert("headers".into(), json!(headers));
        echo.insert("framed".into(), framed.into());
        let path = echo
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if let Some((path, query)) = path.split_once('?').filter(|_| !self.opts.raw_query) {
            echo.insert("path".into(), path.into());
            echo.insert("query".into(), by_name(query));
        }
        if let Some(body) = echo
            .get("body")
            .and_then(Value::as_str)
            .filter(|body| !body.is_empty())
            && let Some(parsed) = parsed_body(body, &content_type)
        {
            echo.insert("body".into(), parsed);
        }
        echo
    }
}

/// A body by its type: JSON as a value, forms and parts in any order.
fn parsed_body(body: &str, content_type: &str) -> Option<Value> {
    let lower = content_type.to_ascii_lowercase();
    if lower.contains("json") {
        return serde_json::from_str::<Value>(body)
            .ok()
            .map(|value| json!({ "json": value }));
    }
    if lower.contains("x-www-form-urlencoded") {
        return Some(json!({ "form": by_name(body) }));
    }
    let boundary = content_type
        .split_once("boundary=")
        .filter(|_| lower.contains("multipart/form-data"))?
        .1;
    let boundary = boundary
        .split(';')
        .next()
        .unwrap_or_default()
        .trim_matches('"');
    let delimiter = format!("--{boundary}");
    let parts = body
        .split(&delimiter)
        .map(|part| part.trim_matches(['\r', '\n']));
    let mut parts: Vec<&str> = parts
        .filter(|part| !part.is_empty() && *part != "--")
        .collect();
    parts.sort_unstable();
    Some(json!({ "multipart": parts }))
}

/// `a=1&b=2` sorted by name, equal names in their order.
fn by_name(pairs: &str) -> Value {
    let mut pairs: Vec<&str> = pairs.split('&').collect();
    pairs.sort_by_key(|pair| pair.split('=').next().unwrap_or_default());
    json!(pairs)
}

fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).ok()?;
    Some(plain)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// JSON as the recording program wrote it to sort by: members sorted, blanks after `:` and `,`, ASCII only.
fn python_json(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            let members = members
                .into_iter()
                .map(|(name, value)| format!("{}: {}", ascii(name), python_json(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(python_json).collect::<Vec<_>>().join(", ")
        ),
        Value::String(text) => ascii(text),
        other => other.to_string(),
    }
}

fn ascii(text: &str) -> String {
    let mut out = String::new();
    for c in Value::from(text).to_string().chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => c
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| out += &format!("\\u{unit:04x}")),
        }
    }
    out
}

#[cfg(test)]
mod golden {
    use super::*;
    use crate::compare::differences;

    const PORTS: [Port; 5] = [
        ("up", 40001),
        ("down", 40002),
        ("admin_port", 40003),
        ("proxy_port", 40004),
        ("proxy_ssl_port", 40005),
    ];

    /// `normal.json` was written by the program that recorded the vectors.
    #[test]
    fn replies_are_levelled_as_the_recorder_levelled_them() {
        let cases: Value =
            serde_json::from_str(include_str!("normal.json")).expect("normal.json is JSON");
        for case in cases.as_array().expect("a list of cases") {
            let scenario = json!({ "name": "a/b", "area": "a", "opts": case["opts"], "steps": [], "expect": [] });
            let mut scenario: Scenario = serde_json::from_value(scenario).expect("a scenario");
            scenario.source = case["steps"].to_string();
            let target = if case["target"] == "proxy" {
                Target::Proxy
            } else {
                Target::Admin
            };
            let mut norm = Norm::new(&scenario, &PORTS);
            let replies = case["replies"].as_array().expect("replies");
            for (reply, expected) in replies
                .iter()
                .zip(case["expected"].as_array().expect("their normal forms"))
            {
                let method = case["method"].as_str().expect("a method");
                let found = differences(expected, &norm.reply(&raw(reply), method, target));
                assert!(found.is_empty(), "{}: {found:#?}", case["what"]);
            }
        }
    }

    fn raw(reply: &Value) -> Reply {
        let lines = reply["headers"].as_array().expect("headers").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Reply {
            status: reply["status"].as_u64().expect("a status") as u16,
            headers: lines.map(|line| (text(&line[0]), text(&line[1]))).collect(),
            body: STANDARD.decode(text(&reply["body_b64"])).expect("base64"),
            note: match reply["note"].as_str() {
                Some("connection closed") => "connection closed",
                Some("truncated") => "truncated",
                _ => "",
            },
            ..Reply::default()
        }
    }
}
