use super::*;

const YAML: &str = r#"
_format_version: "3.0"
_comment: what a comment may be
_ignore: [anything, {at: all}]
services:
- name: orders
  url: http://orders.test:81/v1
  _comment: nested comments too
  routes:
  - name: orders
    paths: [/orders]
    plugins:
    - name: request-transformer
      consumer: bob
      config: { remove.headers: "x-a, x-b", add: { headers: h1:v1 } }
consumers:
- username: bob
  keyauth_credentials:
  - key: secret
  acls:
  - group: staff
"#;

#[test]
fn a_nested_file_gives_documents_that_refer_to_each_other() {
    let service = &documents(YAML, "services")[0];
    let route = &documents(YAML, "routes")[0];
    let plugin = &documents(YAML, "plugins")[0];
    let consumer = &documents(YAML, "consumers")[0];
    assert_eq!(
        (&service["port"], &service["path"]),
        (&json!(81), &json!("/v1"))
    );
    assert_eq!(route["service"], json!({ "id": service["id"] }));
    assert_eq!(plugin["route"], json!({ "id": route["id"] }));
    assert_eq!(plugin["consumer"], json!({ "id": consumer["id"] }));
    assert_eq!(plugin["service"], Value::Null);
    assert_eq!(plugin["config"]["remove"]["headers"], json!(["x-a", "x-b"]));
    assert_eq!(plugin["config"]["add"]["headers"], json!(["h1:v1"]));
    for kind in ["keyauth_credentials", "acls"] {
        assert_eq!(
            documents(YAML, kind)[0]["consumer"],
            json!({ "id": consumer["id"] }),
            "{kind}"
        );
    }
    assert_eq!(service["created_at"], json!(1_700_000_000));
    assert!(!service.contains_key("_comment") && !service.contains_key("routes"));
}

#[test]
fn references_are_names_or_ids_or_objects_of_either() {
    let id = "2933fbcc-9d7c-54a7-a984-fe2bde836cea";
    for reference in [
        json!("foo"),
        json!(id),
        json!({ "id": id }),
        json!({ "name": "foo" }),
    ] {
        let text = file(json!({
            "routes": [{ "name": "r", "paths": ["/"], "service": reference }],
            "services": [{ "name": "foo", "host": "h" }],
        }));
        assert_eq!(
            documents(&text, "routes")[0]["service"],
            json!({ "id": id }),
            "{reference}"
        );
    }
    let none = file(json!({ "routes": [{ "paths": ["/"], "service": null }] }));
    assert_eq!(documents(&none, "routes")[0]["service"], Value::Null);
}

#[test]
fn the_parent_is_the_reference_whatever_the_child_says() {
    let text = file(json!({
        "services": [
            { "name": "a", "host": "h", "routes": [{ "name": "r", "paths": ["/"], "service": "b" }] },
            { "name": "b", "host": "h" },
        ],
    }));
    let parent = documents(&text, "services")[0]["id"].clone();
    assert_eq!(
        documents(&text, "routes")[0]["service"],
        json!({ "id": parent })
    );
}

#[test]
fn paths_of_older_formats_are_written_as_the_present_one_does() {
    for (format, path, expected) in [
        ("1.1", "/a(b)", "~/a(b)"),
        ("2.1", "/a(b)", "~/a(b)"),
        ("1.1", "/a//b", "/a/b"),
        ("3.0", "~/a(b)", "~/a(b)"),
    ] {
        let route = json!([{ "name": "r", "paths": [path] }]);
        let text = json!({ "_format_version": format, "services": [
            { "name": "s", "host": "h", "routes": route },
        ] });
        let found = &documents(&text.to_string(), "routes")[0];
        assert_eq!(found["paths"], json!([expected]), "{format} {path}");
    }
    // Quotes are easily forgotten in YAML.
    let text = "_format_version: 2.1\nroutes:\n- paths: [/a//b]\n";
    assert_eq!(documents(text, "routes")[0]["paths"], json!(["/a/b"]));
}

#[test]
fn json_keeps_the_text_of_its_numbers_and_yaml_reads_anchors() {
    let text =
        r#"{"_format_version": "3.0", "services": [{"name": "s", "host": "h", "port": 8.1e1}]}"#;
    assert_eq!(documents(text, "services")[0]["port"], json!(81));
    let text = "_format_version: '3.0'\nservices:\n- &s {name: a, host: h, port: 81}\n- <<: *s\n  name: b\n";
    let found = documents(text, "services");
    assert_eq!(
        (&found[1]["name"], &found[1]["port"]),
        (&json!("b"), &json!(81))
    );
}

#[test]
fn loading_a_file_again_changes_nothing() {
    let nameless = file(json!({
        "services": [{ "host": "nameless" }, { "host": "nameless" }],
        "routes": [{ "paths": ["/nameless"], "plugins": [{ "name": "key-auth" }] }],
        "consumers": [
            { "custom_id": "only", "keyauth_credentials": [{ "tags": ["no-key"] }, { "key": "k" }] },
        ],
        "plugins": [{ "name": "correlation-id" }],
    }));
    for (mode, text) in [Mode::Replace, Mode::Prune, Mode::Merge]
        .into_iter()
        .flat_map(|mode| [(mode, YAML), (mode, nameless.as_str())])
    {
        let state = State::new();
        let first = load_over(text, &state, mode, NOW).expect("a good file");
        assert!(first.iter().all(|one| one.change == Change::New));
        let state = state_of(&first);
        let second = load_over(text, &state, mode, NOW + 100.0).expect("a good file");
        let changed: Vec<_> = second
            .iter()
            .filter(|one| one.change != Change::Same)
            .collect();
        assert!(changed.is_empty(), "{mode:?}: {changed:?}");
        assert_eq!(state_of(&second), state);
    }
}

#[test]
fn a_changed_document_keeps_when_it_was_created() {
    let text = |port| file(json!({ "services": [{ "name": "s", "host": "h", "port": port }] }));
    let first = load_text(&text(80)).expect("a good file");
    let second = load_over(&text(81), &state_of(&first), Mode::Replace, NOW + 5.0);
    let second = &second.expect("a good file")[0];
    assert_eq!(second.change, Change::Changed);
    assert_eq!(second.document["created_at"], json!(1_700_000_000));
    assert_eq!(second.document["updated_at"], json!(1_700_000_005));
}

#[test]
fn a_file_that_is_merged_means_what_exists_by_its_name() {
    let random = "00000000-0000-4000-8000-00000000000a";
    let before = file(json!({ "services": [{ "id": random, "name": "foo", "host": "h" }] }));
    let state = state_of(&load_text(&before).expect("a good file"));
    let after = file(json!({ "services": [{ "name": "foo", "host": "other" }] }));
    let id = |mode| {
        let loaded = load_over(&after, &state, mode, NOW).expect("a good file");
        loaded[0].document["id"].clone()
    };
    assert_eq!(id(Mode::Merge), random);
    assert_eq!(id(Mode::Prune), random);
    assert_eq!(id(Mode::Replace), "2933fbcc-9d7c-54a7-a984-fe2bde836cea");

    let route = file(json!({ "routes": [{ "paths": ["/"], "service": "foo" }] }));
    let merged = load_over(&route, &state, Mode::Merge, NOW).expect("foo exists");
    assert_eq!(merged[0].document["service"], json!({ "id": random }));
    let alone = load_over(&route, &state, Mode::Prune, NOW).expect_err("foo will be gone");
    assert!(alone.message().contains("invalid reference 'service: foo'"));
}

#[test]
fn seconds_to_live_become_the_end_of_a_life() {
    let text = file(json!({ "consumers": [
        { "username": "bob", "keyauth_credentials": [{ "key": "k", "ttl": 60 }, { "key": "l" }] },
    ] }));
    let keys = documents(&text, "keyauth_credentials");
    assert_eq!(
        (&keys[0]["ttl"], &keys[1]["ttl"]),
        (&json!(1_700_000_060), &Value::Null)
    );
}

#[test]
fn plugin_configurations_are_lenient_only_as_far_as_the_page_goes() {
    let plugin = |config: Value| {
        file(json!({ "plugins": [{ "name": "request-transformer", "config": config }] }))
    };
    let good = [
        (
            json!({ "remove.headers": "x-a, x-b" }),
            json!(["x-a", "x-b"]),
        ),
        (json!({ "remove.headers": "x-a" }), json!(["x-a"])),
        (
            json!({ "remove.headers": ["x-a", "x-b"] }),
            json!(["x-a", "x-b"]),
        ),
        (
            json!({ "remove": { "headers": "x-a,x-b" } }),
            json!(["x-a", "x-b"]),
        ),
        (
            json!({ "remove.headers": "x-a", "remove": { "body": ["b"] } }),
            json!(["x-a"]),
        ),
    ];
    for (config, expected) in good {
        let text = plugin(config.clone());
        let found = match load_text(&text) {
            Ok(loaded) => loaded[0].document["config"]["remove"]["headers"].clone(),
            Err(report) => panic!("{config}: {}", report.message()),
        };
        assert_eq!(found, expected, "{config}");
    }
    let conflict = plugin(json!({ "remove.headers": "x-a", "remove": { "headers": ["x-b"] } }));
    assert_eq!(
        fields(&conflict)["plugins"][0]["config"],
        json!({ "remove.headers": "conflicts with nested value" })
    );
    let element = plugin(json!({ "remove": { "headers": ["x-a,x-b"] } }));
    assert_eq!(
        fields(&element)["plugins"][0]["config"]["remove"]["headers"],
        json!(["'x-a,x-b' is not a valid header"])
    );
    let unknown = plugin(json!({ "nothing.headers": "x" }));
    assert_eq!(
        fields(&unknown)["plugins"][0]["config"],
        json!({ "nothing.headers": "unknown field" })
    );
    let nothing = State::new();
    let strict = Options {
        catalog: Catalog::builtin(),
        now: NOW,
        new_id: &Uuid::new_v4,
        random_text: &String::new,
        lenient_config: false,
        base: Base::new(&nothing, Mode::Replace),
    };
    let text = plugin(json!({ "remove.headers": "x-a" }));
    let report = load(&parse(&text).expect("JSON"), &strict).expect_err("Kong refuses it");
    assert_eq!(
        report.fields()["plugins"][0]["config"],
        json!({ "remove.headers": "unknown field" })
    );
}

#[test]
fn many_documents_are_loaded_in_order() {
    let services: Vec<Value> = (0..3000)
        .map(|n| json!({ "name": format!("s{n}"), "host": "h" }))
        .collect();
    let found = documents(&file(json!({ "services": services })), "services");
    assert_eq!(found.len(), 3000);
    assert!(
        found
            .iter()
            .enumerate()
            .all(|(n, service)| service["name"] == format!("s{n}"))
    );
}

#[test]
fn a_merged_document_is_recognised_by_what_it_becomes() {
    let random = "00000000-0000-4000-8000-00000000000a";
    let target =
        |target: Value| file(json!({ "upstreams": [{ "name": "u", "targets": [target] }] }));
    let before = target(json!({ "id": random, "target": "h.test:8000" }));
    let state = state_of(&load_text(&before).expect("a good file"));
    let after = target(json!({ "target": "h.test", "weight": 7 }));
    let merged = load_over(&after, &state, Mode::Merge, NOW).expect("a good file");
    let merged = merged
        .iter()
        .find(|one| one.entity.kind == "targets")
        .expect("the target");
    assert_eq!(
        (merged.id.to_string().as_str(), merged.change),
        (random, Change::Changed)
    );
}
