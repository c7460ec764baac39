use super::*;

#[test]
fn a_text_that_is_no_object_says_so() {
    for text in ["", "just text", "[]", "42", "null"] {
        let report = load_text(text).expect_err(text);
        let expected = "failed parsing declarative configuration: expected an object";
        assert_eq!(report.fields(), json!({ "error": expected }), "{text}");
        let message = format!("declarative config is invalid: {{error=\"{expected}\"}}");
        assert_eq!(report.message(), message);
    }
    for (text, line) in [
        ("a: [1,\nb: ]: }", 2),
        ("{\"a\": 1,\n \"b\" 2}", 2),
        ("a: b\n\tc: d", 1),
    ] {
        let report = load_text(text).expect_err(text);
        let error = report.fields()["error"]
            .as_str()
            .expect("a text")
            .to_owned();
        assert!(
            error.starts_with("failed parsing declarative configuration: "),
            "{error}"
        );
        let at = report
            .unread()
            .and_then(|unread| unread.at)
            .expect("a place");
        assert_eq!(at.0, line, "{text}: {error}");
    }
}

#[test]
fn the_top_of_a_file_has_rules_of_its_own() {
    let cases = [
        (
            json!({}),
            json!({ "_format_version": "required field missing" }),
        ),
        (
            json!({ "_format_version": "2.0" }),
            json!({ "_format_version": "expected one of: 1.1, 2.1, 3.0" }),
        ),
        (
            json!({ "_format_version": [] }),
            json!({ "_format_version": "expected a string" }),
        ),
        (
            json!({ "_format_version": "3.0", "_transform": 1, "_comment": [], "_ignore": "x" }),
            json!({
                "_transform": "expected a boolean", "_comment": "expected a string",
                "_ignore": "expected an array",
            }),
        ),
        (
            json!({ "_format_version": "3.0", "servces": [], "services": {}, "routes": [1] }),
            json!({
                "servces": "unknown field", "services": "expected an array",
                "routes": ["expected a record"],
            }),
        ),
    ];
    for (root, expected) in cases {
        assert_eq!(fields(&root.to_string()), expected, "{root}");
    }
}

/// The example of admin-api.md 12.5.
#[test]
fn errors_stand_where_the_mistakes_do() {
    let text = file(json!({ "services": [{ "port": 70000 }] }));
    let report = load_text(&text).expect_err("no host");
    assert_eq!(
        report.message(),
        "declarative config is invalid: {services={{host=\"required field missing\",\
         port=\"value should be between 0 and 65535\"}}}"
    );
    assert_eq!(
        report.fields(),
        json!({ "services": [
            { "host": "required field missing", "port": "value should be between 0 and 65535" },
        ] })
    );
}

#[test]
fn all_errors_are_told_at_once() {
    let text = file(json!({
        "services": [
            { "name": "good", "host": "h" },
            {
                "name": "bad", "host": "h", "port": "80", "_comment": 1,
                "routes": [{ "paths": ["/"] }, { "paths": ["x"], "plugins": [{ "name": "nope" }] }],
            },
            { "name": "good", "host": "h" },
        ],
        "plugins": [{ "name": "key-auth", "service": "nobody", "config": { "oops": 1 } }],
        "consumers": [{ "username": "a", "custom_id": "c" }, { "username": "b", "custom_id": "c" }],
    }));
    assert_eq!(
        fields(&text),
        json!({
            "services": [
                null,
                {
                    "_comment": "expected a string",
                    "port": "expected an integer",
                    "routes": [null, {
                        "paths": ["should start with: / (fixed path) or ~/ (regex path)"],
                        "plugins": [
                            { "name": "plugin 'nope' not enabled; add it to the 'plugins' configuration property" },
                        ],
                    }],
                },
                "uniqueness violation: 'services' entity with name set to 'good' already declared",
            ],
            "plugins": [{
                "@entity": ["invalid reference 'service: nobody' (no such entry in 'services')"],
                "config": { "oops": "unknown field" },
            }],
            "consumers": {
                "b": "uniqueness violation: 'consumers' entity with custom_id set to 'c' already declared",
            },
        })
    );
}

#[test]
fn duplicates_are_named_by_what_they_share() {
    let id = "00000000-0000-4000-8000-00000000000a";
    let cases = [
        (
            json!({ "services": [{ "id": id, "host": "h" }, { "id": id, "host": "h" }] }),
            format!("{{services={{[2]=\"uniqueness violation: 'services' entity with primary key set to '{id}' already declared\"}}}}"),
        ),
        (
            json!({ "plugins": [{ "name": "key-auth" }, { "name": "key-auth" }] }),
            "{plugins={[2]=\"uniqueness violation: 'plugins' entity with primary key set to '6b4f38d1-e026-540b-a5ea-8634739dd2a7' already declared\"}}".to_owned(),
        ),
        (
            json!({ "plugins": [{ "name": "key-auth" }, { "name": "key-auth", "id": id }] }),
            "{plugins={[2]=\"uniqueness violation: 'plugins' entity with name, route, service, consumer set to '{consumer=null,name=\"key-auth\",route=null,service=null}' already declared\"}}".to_owned(),
        ),
        (
            json!({ "consumers": [{ "username": "foo" }, { "username": "bar", "custom_id": "conflict" }, { "username": "x", "custom_id": "conflict" }] }),
            "{consumers={x=\"uniqueness violation: 'consumers' entity with custom_id set to 'conflict' already declared\"}}".to_owned(),
        ),
        (
            json!({ "services": [{ "name": "a", "host": "h", "routes": [{ "name": "r", "paths": ["/"] }] }, { "name": "b", "host": "h", "routes": [{ "name": "r", "paths": ["/"] }] }] }),
            "{services={[2]={routes={\"uniqueness violation: 'routes' entity with name set to 'r' already declared\"}}}}".to_owned(),
        ),
    ];
    for (members, expected) in cases {
        let report = load_text(&file(members.clone())).expect_err("a duplicate");
        assert_eq!(
            report.message(),
            format!("declarative config is invalid: {expected}"),
            "{members}"
        );
    }
}

#[test]
fn references_that_nothing_answers_to_are_told_as_they_were_written() {
    for (reference, shown) in [
        (json!("foo"), "foo"),
        (
            json!("00000000-0000-4000-8000-00000000000a"),
            "00000000-0000-4000-8000-00000000000a",
        ),
        (json!({ "name": "foo" }), "{\"name\":\"foo\"}"),
    ] {
        let text = file(json!({ "routes": [{ "paths": ["/"], "service": reference }] }));
        let expected =
            format!("invalid reference 'service: {shown}' (no such entry in 'services')");
        assert_eq!(
            fields(&text),
            json!({ "routes": [{ "@entity": [expected] }] })
        );
    }
    for (reference, expected) in [
        (json!({}), json!({ "id": "missing primary key" })),
        (
            json!({ "id": "x" }),
            json!({ "id": "expected a valid UUID" }),
        ),
        (json!(1), json!({ "id": "missing primary key" })),
    ] {
        let text = file(json!({ "routes": [{ "paths": ["/"], "service": reference }] }));
        assert_eq!(
            fields(&text),
            json!({ "routes": [{ "service": expected }] })
        );
    }
}

#[test]
fn a_parent_with_a_bad_id_is_the_only_one_to_blame() {
    let text = file(json!({ "services": [
        { "id": "x", "host": "h", "routes": [{ "paths": ["/"], "plugins": [{ "name": "key-auth" }] }] },
    ] }));
    assert_eq!(
        fields(&text),
        json!({ "services": [{ "id": "expected a valid UUID" }] })
    );
}

#[test]
fn flattened_errors_are_told_by_document() {
    let id = "00000000-0000-4000-8000-00000000000a";
    let text = file(json!({
        "servces": [],
        "services": [{
            "id": id, "host": "h",
            "routes": [{ "id": "y", "name": "r", "tags": ["t"], "paths": ["x"], "protocols": ["http"] }],
        }],
        "consumers": [{ "tags": [1] }],
        "plugins": [{ "name": "key-auth", "service": "nobody", "config": { "key_names": "x y" } }],
    }));
    let report = load_text(&text).expect_err("many mistakes");
    let flattened = report.flatten();
    assert_eq!(flattened.fields, json!({ "servces": "unknown field" }));
    let told = "declarative config is invalid: {servces=\"unknown field\"}";
    assert_eq!(flattened.message, told);
    let route = &flattened.errors[0];
    assert_eq!(
        *route,
        json!({
            "entity_type": "route", "entity_name": "r", "entity_tags": ["t"],
            "entity": {
                "id": "y", "name": "r", "tags": ["t"], "paths": ["x"], "protocols": ["http"],
                "service": { "id": id },
            },
            "errors": [
                { "type": "field", "field": "id", "message": "expected a valid UUID" },
                { "type": "field", "field": "paths.1", "message": "should start with: / (fixed path) or ~/ (regex path)" },
            ],
        })
    );
    let consumer = flattened
        .errors
        .iter()
        .find(|error| error["entity_type"] == "consumer");
    let consumer = consumer.expect("the consumer is told of");
    assert!(consumer.get("entity_tags").is_none(), "{consumer}");
    assert_eq!(consumer["errors"][0]["type"], "entity");
    let plugin = flattened
        .errors
        .iter()
        .find(|error| error["entity_type"] == "plugin");
    let plugin = plugin.expect("the plugin is told of");
    assert_eq!(
        plugin["errors"][0],
        json!({ "type": "entity", "message": "invalid reference 'service: nobody' (no such entry in 'services')" })
    );
    assert_eq!(flattened.errors.len(), 3, "a good parent has no entry");
}

#[test]
fn a_person_is_told_line_and_column() {
    let text = "\
_format_version: \"3.0\"
services:
- name: a
  host: h
  port: 70000
- name: b
  routes:
  - paths:
    - /good
    - bad
";
    let fields = load_text(text).expect_err("three mistakes").fields();
    let lines: Vec<String> = explain(&fields, text)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        lines,
        [
            "5:9: services[0].port: value should be between 0 and 65535",
            "6:3: services[1].host: required field missing",
            "10:7: services[1].routes[0].paths[1]: should start with: / (fixed path) or ~/ (regex path)",
        ]
    );
    let json = "{\"_format_version\": \"3.0\",\n  \"services\": [\n    {\"host\": \"h\", \"port\": true}\n]}";
    let fields = load_text(json).expect_err("one mistake").fields();
    let lines: Vec<String> = explain(&fields, json)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(lines, ["3:27: services[0].port: expected an integer"]);
}

#[test]
fn a_secret_that_two_documents_share_is_not_repeated() {
    let key = json!({ "key": "top-secret" });
    let text =
        file(json!({ "consumers": [{ "username": "bob", "keyauth_credentials": [key, key] }] }));
    let report = load_text(&text).expect_err("a duplicate");
    let told = report.flatten();
    let everything = format!("{} {} {told:?}", report.message(), report.fields());
    assert!(
        everything.contains("entity with key set to '******' already declared"),
        "{everything}"
    );
    assert!(!everything.contains("top-secret"), "{everything}");
}
