use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// Text that YAML could take for something else, and some that it could not.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9._~-]{1,12}",
        "\\PC{1,12}",
        prop::sample::select(vec![
            "yes",
            "null",
            "1e3",
            "0x1F",
            "- a",
            "a: b",
            "#",
            "~",
            "'",
            "\"",
            "&a",
            "*a",
            "!t",
            "|",
            "%",
            "a\nb",
            " x ",
            "\u{feff}",
            "\u{2028}",
            "1_000",
            "0755",
            "<<",
            "=",
            "2001-01-01",
            "é"
        ])
        .prop_map(str::to_owned),
    ]
}

fn service() -> impl Strategy<Value = Value> {
    let parts = (
        option::of("[a-z][a-z0-9.-]{0,10}"),
        0u16..,
        option::of(prop::sample::select(vec!["/", "/a", "/a/b"])),
        option::of(0u16..32768),
        any::<bool>(),
        vec(
            texts().prop_filter("a tag", |text| {
                !text.contains([',', '/']) && text.chars().all(|c| !c.is_control())
            }),
            0..3,
        ),
    );
    parts.prop_map(|(name, port, path, retries, enabled, tags)| {
        json!({ "name": name, "host": "h.test", "port": port, "path": path, "retries": retries, "enabled": enabled, "tags": tags })
    })
}

/// Consumers with credentials: any text may be a name.
fn consumer() -> impl Strategy<Value = Value> {
    let parts = (
        texts(),
        option::of(texts()),
        vec(texts(), 0..3),
        vec("[a-z]{1,8}", 0..3),
    );
    parts.prop_map(|(username, custom_id, keys, groups)| {
        let keys: Vec<_> = keys.into_iter().map(|key| json!({ "key": key })).collect();
        let groups: Vec<_> = groups.into_iter().map(|group| json!({ "group": group })).collect();
        json!({ "username": username, "custom_id": custom_id, "keyauth_credentials": keys, "acls": groups })
    })
}

fn plugin() -> impl Strategy<Value = Value> {
    let config = (vec("[a-z]{1,6}:[ -~]{1,8}", 0..3), option::of(200u16..600));
    config.prop_map(|(headers, status)| match status {
        Some(status) => {
            json!({ "name": "request-termination", "config": { "status_code": status } })
        }
        None => {
            json!({ "name": "request-transformer", "config": { "add": { "headers": headers } } })
        }
    })
}

proptest! {
    /// Whatever loads is written as a text, YAML or JSON, that loads to the same documents and is the same text again.
    #[test]
    fn what_is_exported_loads_to_the_same_documents(
        services in vec(service(), 0..5),
        consumers in vec(consumer(), 0..5),
        plugin in plugin(),
    ) {
        let text = file(json!({ "services": services, "consumers": consumers, "plugins": [plugin] }));
        // Generated names collide now and then; that is another test's affair.
        if let Ok(loaded) = load_text(&text) {
            let state = state_of(&loaded);
            for format in [Format::Yaml, Format::Json] {
                let written = export(&state, format, NOW);
                let again = load_text(&written);
                let again = again.map_err(|report| TestCaseError::fail(format!("{}\n{written}", report.message())))?;
                // The time of an update is nobody's to say.
                let again = load_over(&written, &state, Mode::Replace, NOW + 1.0).map(|_| again).expect("it loaded");
                prop_assert!(state_of(&again) == state, "{}", written);
                prop_assert_eq!(export(&state_of(&again), format, NOW), written);
            }
        }
    }

    #[test]
    fn any_bytes_load_or_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(report) = load_text(&text) {
            let _ = (report.message(), report.flatten(), explain(&report.fields(), &text));
        }
    }

    /// Files that are nearly right: known names, wrong values in every place.
    #[test]
    fn any_values_load_or_are_refused(
        kind in prop::sample::select(vec!["services", "routes", "plugins", "consumers", "acls", "_comment", "_ignore", "_transform"]),
        member in prop::sample::select(vec!["id", "name", "paths", "routes", "plugins", "service", "config", "tags", "ttl", "_comment", "remove.headers", "username"]),
        value in value(),
        inner in value(),
    ) {
        for item in [value.clone(), json!([{ member: value, "name": inner }]), json!([{ "plugins": [{ "name": "request-transformer", "config": { member: inner } }], member: value }])] {
            let text = json!({ "_format_version": "1.1", kind: item }).to_string();
            if let Err(report) = load_text(&text) {
                prop_assert!(report.message().starts_with("declarative config is invalid: "));
                prop_assert!(!explain(&report.fields(), &text).is_empty());
                let _ = report.flatten();
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z_@.]{0,6}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
