//! Custom plugins as documents: what is refused, what is shown, what may be sent back.

use super::*;
use crate::entities::LONGEST_SOURCE;
use crate::plugins::custom::{OFF, Source, read};
use crate::plugins::tests::custom::{handler, install, schema};

fn greeter() -> Value {
    json!({ "name": "greeter", "schema": schema("greeter", &["greeting hello"]), "handler": handler(7) })
}

fn with(members: Value) -> Value {
    let mut sent = greeter();
    for (name, value) in document(members) {
        sent[name] = value;
    }
    sent
}

#[test]
fn every_refusal_names_the_field() {
    install();
    let cases = [
        (
            json!({ "name": "Greeter" }),
            json!({ "name": "invalid value: Greeter" }),
        ),
        (
            json!({ "name": "-x" }),
            json!({ "name": "invalid value: -x" }),
        ),
        (
            json!({ "name": "" }),
            json!({ "name": "length must be at least 1" }),
        ),
        (
            json!({ "name": "x".repeat(65) }),
            json!({ "name": format!("invalid value: {}", "x".repeat(65)) }),
        ),
        (
            json!({ "name": "key-auth" }),
            json!({ "name": "'key-auth' is the name of a built-in plugin" }),
        ),
        (
            json!({ "name": "other" }),
            json!({ "schema": "expected name 'other', got \"greeter\"" }),
        ),
        (
            json!({ "schema": null }),
            json!({ "schema": "required field missing" }),
        ),
        (
            json!({ "handler": "" }),
            json!({ "handler": "length must be at least 1" }),
        ),
        (
            json!({ "handler": 1 }),
            json!({ "handler": "expected a string" }),
        ),
        (
            json!({ "handler": "x".repeat(LONGEST_SOURCE + 1) }),
            json!({ "handler": "length must be at most 1048576" }),
        ),
        (
            json!({ "handler": "\u{1b}LJ\u{2}" }),
            json!({ "handler": "expected Lua source, got a control character (0x1b) at byte 1" }),
        ),
        (
            json!({ "schema": "return {}\0" }),
            json!({ "schema": "expected Lua source, got a control character (0x00) at byte 10" }),
        ),
        (
            json!({ "schema": "no table", "handler": "unexpected" }),
            json!({ "schema": "schema.lua:3: no table", "handler": "handler.lua:3: unexpected" }),
        ),
        (
            json!({ "on_error": "ignore" }),
            json!({ "on_error": "expected one of: fail, skip" }),
        ),
        (
            json!({ "priority_": 1 }),
            json!({ "priority_": "unknown field" }),
        ),
    ];
    for (members, fields) in cases {
        let found = refusal(create("custom_plugins", with(members.clone())));
        assert_eq!(found, fields, "{members}");
    }
    let longest = format!(
        "{}{}",
        handler(1),
        " ".repeat(LONGEST_SOURCE - handler(1).len())
    );
    let stored = created("custom_plugins", with(json!({ "handler": longest })));
    assert_eq!(stored["on_error"], "fail", "as Kong has it");
    created("custom_plugins", with(json!({ "on_error": "skip" })));
}

#[test]
fn what_answers_show_beside_it_may_be_sent_back_and_changes_nothing() {
    install();
    let stored = created("custom_plugins", greeter());
    let computed = entity("custom_plugins")
        .computed
        .as_ref()
        .expect("it has some");
    let shown = computed.shown(&stored);
    assert_eq!(
        (&shown["priority"], &shown["version"], &shown["phases"]),
        (&json!(7), &json!("1.2.3"), &json!(["access", "log"]))
    );
    assert_eq!(shown["sha256"].as_str().map(str::len), Some(64));
    for (name, value) in [
        ("priority", json!(8)),
        ("sha256", json!("x")),
        ("phases", json!(1)),
    ] {
        let mut sent = shown.clone();
        sent.insert(name.to_owned(), value);
        assert_eq!(
            created("custom_plugins", Value::Object(sent.clone())),
            stored,
            "{name}"
        );
        let patched = patched("custom_plugins", greeter(), Value::Object(sent));
        assert_eq!(patched.expect("nothing is wrong with it"), stored, "{name}");
    }
}

#[test]
fn source_that_does_not_load_any_more_is_shown_all_the_same() {
    install();
    let computed = entity("custom_plugins")
        .computed
        .as_ref()
        .expect("it has some");
    let shown = computed.shown(&document(with(json!({ "handler": "unexpected" }))));
    assert!(shown["priority"].is_null() && shown["version"].is_null() && shown["phases"].is_null());
    assert!(shown["sha256"].is_string());
}

#[test]
fn what_cannot_be_stored_here_is_refused_whole() {
    install();
    let off = Catalog::builtin().clone().streaming(false);
    let (schema, handler) = (schema("greeter", &[]), handler(1));
    let source = Source {
        trusted: true,
        ..Source::streamed("greeter", &schema, &handler)
    };
    let house = Catalog::builtin().with([read(source).expect("good source")]);
    for (catalog, fields) in [
        (&off, json!({ "@entity": [OFF] })),
        (
            &house,
            json!({ "name": "'greeter' is the name of a trusted plugin" }),
        ),
    ] {
        let context = Context {
            catalog,
            ..context()
        };
        let refused = entity("custom_plugins").complete(document(greeter()), &context);
        assert_eq!(refusal(refused), fields);
    }
}
