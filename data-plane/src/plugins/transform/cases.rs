//! Random documents, bodies and configurations for the property tests of the three plugins, and what the values of a
//! configuration become.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use shared::plugins::{Catalog, PluginConfig};

use super::reference::headers::Headers;
use super::reference::json as reference;

/// Entries of a list of pairs.
pub(crate) type Pairs = Vec<(String, String)>;

/// Few names, so that steps meet what is there; some of them read otherwise as paths.
pub(crate) fn name() -> impl Strategy<Value = String> + Clone {
    select(vec![
        "a", "a", "b", "b", "c", "d", "a.b", "é", "x/y", "q\"t", "l[1]",
    ])
    .prop_map(String::from)
}

/// A path, or what looks like one.
pub(crate) fn path() -> impl Strategy<Value = String> + Clone {
    let index = select(vec!["[1]", "[2]", "[*]", "[3]", "[0]", "[*][1]", "[*"]);
    let step = (
        select(vec!["a", "b", "c", "é"]),
        prop::option::weighted(0.3, index),
    )
        .prop_map(|(name, index)| format!("{name}{}", index.unwrap_or_default()));
    prop_oneof![
        8 => vec(step.clone(), 1..4).prop_map(|steps| steps.join(".")),
        2 => (select(vec!["[*]", "[1]", "[2]"]), vec(step, 0..3)).prop_map(|(index, steps)| {
            [vec![index.to_owned()], steps].concat().join(".")
        }),
        1 => name(),
    ]
}

/// What an entry says; empty ones included.
pub(crate) fn value() -> impl Strategy<Value = String> + Clone {
    let numbers = NUMBERS.iter().map(|(text, _)| *text);
    let texts = [
        "true", "false", "TRUE", "x y", " v", "/é\"\\", "a:b", "", "1,2", "\u{1}\t",
    ];
    select(numbers.chain(texts).collect::<Vec<_>>()).prop_map(String::from)
}

/// A list of pairs.
pub(crate) fn pairs(name: impl Strategy<Value = String>) -> impl Strategy<Value = Pairs> {
    vec((name, value()), 0..4)
}

/// As they are written in a configuration.
pub(crate) fn entries(pairs: &Pairs) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("{name}:{value}"))
        .collect()
}

/// Numbers as Lua reads them and as JSON has them.
const NUMBERS: &[(&str, Option<&str>)] = &[
    ("1", Some("1")),
    ("-1.5", Some("-1.5")),
    ("1e3", Some("1000")),
    ("0x10", Some("16")),
    (" 7 ", Some("7")),
    ("12345678901234567890", Some("12345678901234567890")),
    ("1x", None),
];

/// The value that an entry sets, by its type; `None` if the entry is skipped.
pub(crate) fn typed(text: &str, kind: Option<&String>) -> Option<reference::Tree> {
    let number = || NUMBERS.iter().find(|(lua, _)| *lua == text)?.1;
    let written = match kind.map(String::as_str) {
        Some("number") => number()?.as_bytes().to_vec(),
        Some("boolean") if text == "true" => b"true".to_vec(),
        Some("boolean") => b"false".to_vec(),
        _ if text.is_empty() => b"\"null\"".to_vec(),
        _ => reference::string(text.as_bytes()),
    };
    Some(reference::Tree::Scalar(written))
}

/// Some types; the list may be shorter or longer than what it is for.
pub(crate) fn types() -> impl Strategy<Value = Vec<String>> {
    vec(
        select(vec!["number", "boolean", "string"]).prop_map(String::from),
        0..4,
    )
}

/// What the handler of a plugin is made of.
pub(crate) fn config<T: PluginConfig>(plugin: &str, config: &Value) -> Arc<T> {
    let schema = Catalog::builtin().plugin(plugin).expect("declared");
    let parsed = schema
        .parse(config.to_string().as_bytes())
        .expect("a good one");
    parsed.downcast().expect("its own type")
}

fn blank() -> impl Strategy<Value = String> + Clone {
    prop_oneof![6 => Just(String::new()), 1 => "[ \t\r\n]{1,2}", 1 => Just(format!("\n{}", " ".repeat(17)))]
}

/// A JSON string in some spelling.
fn string() -> impl Strategy<Value = String> + Clone {
    let piece = select(vec![
        "a",
        "b",
        " ",
        "é",
        "😀",
        "long enough for a word",
        "\\n",
        "\\u00e9",
        "\\/",
        "\\u003c",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\uDE00",
        "\\\"",
        "\\\\",
        "{",
        "]",
        ",",
        ":",
        "\\u0061",
        "\u{7f}",
    ]);
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn member_name() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        6 => name().prop_map(|name| format!("\"{}\"", name.replace('"', "\\\""))),
        1 => select(vec!["\"\\u0061\"", "\"\\u00e9\"", "\"x\\/y\"", "\"\""]).prop_map(String::from),
        1 => string(),
    ]
}

/// A scalar that is written as it stands.
pub(crate) fn plain_scalar() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        select(vec![
            "null",
            "true",
            "false",
            "\"\"",
            "\"1\"",
            "\"\\u003c\\n\""
        ])
        .prop_map(String::from),
    ]
}

/// JSON text of any kind, spelled in any way.
fn json() -> impl Strategy<Value = String> + Clone {
    prop_oneof![plain_scalar(), string()].prop_recursive(5, 60, 6, |inner| {
        let element = (blank(), inner.clone(), blank()).prop_map(|(a, v, b)| format!("{a}{v}{b}"));
        let member = (blank(), member_name(), blank(), blank(), inner.clone(), blank())
            .prop_map(|(a, name, b, c, value, d)| format!("{a}{name}{b}:{c}{value}{d}"))
            .boxed();
        prop_oneof![
            3 => (vec(element, 0..5), blank()).prop_map(|(items, blank)| list('[', &items, &blank, ']')),
            5 => (vec(member.clone(), 0..6), blank()).prop_map(|(items, blank)| list('{', &items, &blank, '}')),
            // More than are looked at one by one.
            1 => (vec(member, 17..40), blank()).prop_map(|(items, blank)| list('{', &items, &blank, '}')),
            1 => (inner, 1..40usize).prop_map(|(value, depth)| format!("{}{value}{}", "[".repeat(depth), "]".repeat(depth))),
        ]
    })
}

fn list(open: char, items: &[String], blank: &str, close: char) -> String {
    let items = if items.is_empty() {
        blank.to_owned()
    } else {
        items.join(",")
    };
    format!("{open}{items}{close}")
}

/// The body of a message that says it is JSON: mostly an object, sometimes cut off, sometimes with bytes in it that are no UTF-8.
pub(crate) fn document() -> impl Strategy<Value = Vec<u8>> {
    let object = (vec((member_name(), json()), 0..6), blank()).prop_map(|(members, blank)| {
        let member = |(name, value)| format!("{blank}{name}{blank}:{value}");
        let members: Vec<String> = members.into_iter().map(member).collect();
        list('{', &members, &blank, '}')
    });
    let object = object.boxed();
    prop_oneof![
        8 => object.clone().prop_map(String::into_bytes),
        3 => json().prop_map(String::into_bytes),
        1 => object.clone().prop_map(|text| text.replace("é", "\\ud83d").replace('b', "\u{1}").into_bytes()),
        1 => object.clone().prop_map(|text| text.bytes().map(|b| if b == b'b' { 0xFF } else { b }).collect()),
        1 => (object, any::<prop::sample::Index>()).prop_map(|(text, at)| text.as_bytes()[..at.index(text.len())].to_vec()),
    ]
}

/// Lines of a head.
pub(crate) fn lines() -> impl Strategy<Value = Pairs> {
    let value =
        select(vec!["1", "v1", "v1,v2, v3", "a b", "", "v2", "a=1, b"]).prop_map(String::from);
    vec(
        (header_name().prop_map(|name| name.to_lowercase()), value),
        0..7,
    )
}

/// Names of headers; some are the same to a step.
pub(crate) fn header_name() -> impl Strategy<Value = String> + Clone {
    select(vec!["x-a", "X-A", "x_a", "X-B", "x-b", "X-C", "Set-Cookie"]).prop_map(String::from)
}

/// Pairs of a list of headers.
pub(crate) fn header_pairs() -> impl Strategy<Value = Pairs> {
    vec(
        (
            header_name(),
            select(vec!["1", "9", "v1", "a:b", ""]).prop_map(String::from),
        ),
        0..3,
    )
}

/// Renames of headers.
pub(crate) fn header_renames() -> impl Strategy<Value = Pairs> {
    vec((header_name(), header_name()), 0..3)
}

/// A head of such lines, without Host.
pub(crate) fn head(lines: &Pairs) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a field name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

/// What two equal heads have in common.
pub(crate) fn sorted(headers: &HeaderMap) -> Vec<(String, Vec<String>)> {
    let text = |value: &HeaderValue| value.to_str().expect("as made").to_owned();
    let lines = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)));
    Headers(lines.collect()).sorted()
}
