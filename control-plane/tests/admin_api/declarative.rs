//! `/config` (admin-api.md 12.1, 12.5; checklist 40 to 42).

use crate::client::{Answer, Plane};
use serde_json::{Value, json};

const FILE: &str = r#"
_format_version: "3.0"
services:
- name: foo
  host: foo.test
  routes:
  - name: foo
    paths: [/foo]
    plugins:
    - name: key-auth
consumers:
- username: bobo
  keyauth_credentials:
  - key: secret
    ttl: 1000
"#;

async fn yaml(plane: &Plane, path: &str, text: &str) -> Answer {
    plane
        .raw("POST", path, &[("content-type", "text/yaml")], text)
        .await
}

/// The ids of a collection.
async fn ids(plane: &Plane, collection: &str) -> Vec<String> {
    let listed = plane.get(collection).await.expect(200);
    let listed = listed["data"].as_array().expect("a list").clone();
    listed
        .iter()
        .map(|one| one["id"].as_str().expect("an id").to_owned())
        .collect()
}

fn revision(answer: &Answer) -> u64 {
    answer
        .header("headgate-revision")
        .parse()
        .expect("a number")
}

#[tokio::test]
async fn a_configuration_may_come_in_every_form_that_kong_takes() {
    let plane = Plane::start().await;
    let table = json!({
        "_format_version": "3.0",
        "services": [{ "name": "foo", "host": "foo.test" }],
    });
    let text = table.to_string();
    let quoted = json!({ "config": text }).to_string();
    let yaml = "_format_version: '3.0'\nservices:\n- name: foo\n  host: foo.test\n";
    let form = format!(
        "config={}",
        percent_encoding::utf8_percent_encode(yaml, percent_encoding::NON_ALPHANUMERIC)
    );
    let multipart = format!(
        "--B\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n{yaml}\r\n--B--\r\n"
    );
    let cases = [
        ("application/json", text.as_str()),
        ("application/json", &quoted),
        ("text/yaml", yaml),
        ("application/yaml; charset=utf-8", yaml),
        ("text/yaml", &text),
        ("application/x-www-form-urlencoded", &form),
        ("application/x-www-form-urlencoded", yaml),
        ("multipart/form-data; boundary=B", &multipart),
    ];
    for (kind, body) in cases {
        let made = plane
            .raw("POST", "/config", &[("content-type", kind)], body)
            .await;
        let made = made.expect(201);
        let service = &made["services"]["2933fbcc-9d7c-54a7-a984-fe2bde836cea"];
        assert_eq!(
            (&service["name"], &service["path"]),
            (&json!("foo"), &Value::Null),
            "{kind}"
        );
    }
    let refused = plane
        .raw("POST", "/services", &[("content-type", "text/yaml")], yaml)
        .await;
    assert_eq!(
        (refused.status, refused.body.len()),
        (415, 0),
        "YAML is for /config alone"
    );
}

#[tokio::test]
async fn nothing_and_what_is_no_configuration_are_refused() {
    let plane = Plane::start().await;
    for (kind, body) in [
        ("application/json", "{}"),
        ("text/yaml", ""),
        ("application/x-www-form-urlencoded", ""),
    ] {
        let answer = plane
            .raw("POST", "/config", &[("content-type", kind)], body)
            .await;
        assert_eq!(
            answer.expect(400),
            json!({ "message": "expected a declarative configuration" }),
            "{kind}"
        );
    }
    let answer = plane.raw("POST", "/config", &[], "").await;
    assert_eq!(
        answer.expect(400),
        json!({ "message": "expected a declarative configuration" })
    );
    let answer = yaml(&plane, "/config", "just text").await;
    let error = "failed parsing declarative configuration: expected an object";
    assert_eq!(
        answer.expect(400),
        json!({
            "code": 14, "name": "invalid declarative configuration",
            "message": format!("declarative config is invalid: {{error=\"{error}\"}}"),
            "fields": { "error": error },
        })
    );
    let answer = plane
        .post("/config", json!({ "services": [] }))
        .await
        .expect(400);
    assert_eq!(
        answer["fields"],
        json!({ "_format_version": "required field missing" })
    );
    let answer = plane
        .raw(
            "POST",
            "/config",
            &[("content-type", "application/json")],
            "{",
        )
        .await;
    assert_eq!(
        answer.expect(400),
        json!({ "message": "Cannot parse JSON body" })
    );
    let mode = plane
        .post("/config?mode=append", json!({ "_format_version": "3.0" }))
        .await;
    assert_eq!(mode.expect(400)["code"], 11);
}

#[tokio::test]
async fn a_load_is_one_revision_and_the_same_load_again_none() {
    let plane = Plane::start().await;
    plane.service("goes").await;
    plane.consumer("goes-too").await;
    let first = yaml(&plane, "/config", FILE).await;
    let made = first.expect(201);
    assert_eq!(
        revision(&first),
        3,
        "one revision for all that came and went"
    );
    assert_eq!(
        ids(&plane, "/services").await,
        ["2933fbcc-9d7c-54a7-a984-fe2bde836cea"]
    );
    assert_eq!(
        ids(&plane, "/consumers").await,
        ["a331738c-d6d9-595e-a2cf-9cad8a78d622"]
    );
    let plugin = &made["plugins"]["94c03ff4-bf99-599f-a351-c7123559bc5a"];
    assert_eq!(
        plugin["route"]["id"],
        "fb94a9b8-3f5e-525c-b38d-61aa1cbaa69c"
    );
    let key = made["keyauth_credentials"]
        .as_object()
        .and_then(|keys| keys.values().next());
    let ttl = key.expect("the key")["ttl"].as_u64().expect("seconds");
    assert!((998..=1000).contains(&ttl), "{ttl}");

    let endless = FILE.replace("    ttl: 1000\n", "");
    let changed = yaml(&plane, "/config", &endless).await;
    assert_eq!((changed.status, revision(&changed)), (201, 4));
    let again = yaml(&plane, "/config", &endless).await;
    assert_eq!(
        (again.status, revision(&again)),
        (201, 4),
        "nothing to write"
    );
    let emptied = plane
        .post("/config", json!({ "_format_version": "3.0" }))
        .await;
    assert_eq!((emptied.expect(201), revision(&emptied)), (json!({}), 5));
    assert!(ids(&plane, "/plugins").await.is_empty());
}

#[tokio::test]
async fn a_refused_load_leaves_everything_as_it_was() {
    let plane = Plane::start().await;
    let id = plane.service("stays").await;
    let bad = FILE.replace("host: foo.test", "port: 70000");
    let refused = yaml(&plane, "/config", &bad).await.expect(400);
    assert_eq!(
        refused["fields"],
        json!({ "services": [
            { "host": "required field missing", "port": "value should be between 0 and 65535" },
        ] })
    );
    assert_eq!(ids(&plane, "/services").await, [id]);
}

#[tokio::test]
async fn documents_may_exchange_names_and_move_to_other_parents() {
    let plane = Plane::start().await;
    let [a, b] = [
        "00000000-0000-4000-8000-00000000000a",
        "00000000-0000-4000-8000-00000000000b",
    ];
    let file = |first: &str, second: &str, parent: &str| {
        json!({
            "_format_version": "3.0",
            "services": [
                { "id": a, "name": first, "host": "h" }, { "id": b, "name": second, "host": "h" },
            ],
            "plugins": [{ "id": b, "name": "key-auth", "service": parent }],
        })
    };
    plane.post("/config", file("x", "y", "x")).await.expect(201);
    plane.post("/config", file("y", "x", "x")).await.expect(201);
    let moved = plane.get("/services/x/plugins").await.expect(200);
    assert_eq!(moved["data"][0]["service"]["id"], b);
    // The parent goes, and its former child stays with another.
    let alone = json!({
        "_format_version": "3.0",
        "services": [{ "id": a, "name": "y", "host": "h" }],
        "plugins": [{ "id": b, "name": "key-auth", "service": "y" }],
    });
    plane.post("/config", alone).await.expect(201);
    assert_eq!(ids(&plane, "/services/y/plugins").await, [b]);
}

#[tokio::test]
async fn errors_can_be_asked_for_by_document() {
    let plane = Plane::start().await;
    let file = json!({
        "_format_version": "3.0",
        "oops": 1,
        "services": [{ "id": "00000000-0000-4000-8000-00000000000a", "name": "s", "host": "h", "tags": ["t"], "port": -1 }],
    });
    let told = json!({
        "code": 14, "name": "invalid declarative configuration",
        "message": "declarative config is invalid: {oops=\"unknown field\"}",
        "fields": { "oops": "unknown field" },
        "flattened_errors": [{
            "entity_type": "service", "entity_id": "00000000-0000-4000-8000-00000000000a",
            "entity_name": "s", "entity_tags": ["t"], "entity": file["services"][0],
            "errors": [{ "type": "field", "field": "port", "message": "value should be between 0 and 65535" }],
        }],
    });
    for word in ["1", "true", "on", "yes"] {
        let answer = plane
            .post(&format!("/config?flatten_errors={word}"), file.clone())
            .await;
        assert_eq!(answer.expect(400), told, "{word}");
    }
    let mut in_body = file.clone();
    in_body["flatten_errors"] = json!(true);
    assert_eq!(plane.post("/config", in_body).await.expect(400), told);
    for word in ["0", "false", "2"] {
        let answer = plane
            .post(&format!("/config?flatten_errors={word}"), file.clone())
            .await;
        let answer = answer.expect(400);
        assert!(answer.get("flattened_errors").is_none(), "{word}");
        assert_eq!(answer["fields"]["oops"], "unknown field");
    }
}

#[tokio::test]
async fn a_text_that_is_loaded_already_is_not_loaded_again_if_that_is_asked() {
    let plane = Plane::start().await;
    let check = |word: &'static str| {
        let plane = &plane;
        async move { yaml(plane, &format!("/config?check_hash={word}"), FILE).await }
    };
    assert_eq!(
        check("1").await.status,
        201,
        "there was nothing to compare with"
    );
    let known = check("1").await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    for word in ["true", "01", ""] {
        assert_eq!(check(word).await.status, 201, "only the literal 1: {word}");
    }
    let wrapped = plane
        .post("/config", json!({ "config": FILE, "check_hash": 1 }))
        .await;
    assert_eq!(wrapped.status, 304);
    // What comes as an object has no text to compare.
    let table =
        json!({ "_format_version": "3.0", "services": [{ "name": "foo", "host": "foo.test" }] });
    for _ in 0..2 {
        plane
            .post("/config?check_hash=1", table.clone())
            .await
            .expect(201);
    }
    assert_eq!(
        check("1").await.status,
        201,
        "something else was loaded since"
    );
    plane.service("other").await;
    assert_eq!(
        check("1").await.status,
        201,
        "something else was written since"
    );
    assert_eq!(check("1").await.status, 304);
}

#[tokio::test]
async fn what_is_exported_loads_again_without_a_change() {
    let plane = Plane::start().await;
    yaml(&plane, "/config", &FILE.replace("    ttl: 1000\n", ""))
        .await
        .expect(201);
    for format in ["", "?format=yaml", "?format=json"] {
        let exported = plane.get(&format!("/config{format}")).await;
        let revision_before = revision(&exported);
        let text = exported.expect(200)["config"]
            .as_str()
            .expect("a text")
            .to_owned();
        match format {
            "?format=json" => assert!(text.starts_with("{\n  \"_format_version\": \"3.0\",")),
            _ => {
                assert!(
                    text.starts_with(
                        "_format_version: \"3.0\"\n_transform: false\nservices:\n- id: \"2933fbcc-"
                    ),
                    "{text}"
                );
                assert!(
                    text.contains("  path: null\n"),
                    "nulls are spelled out: {text}"
                );
                assert!(
                    text.contains("\n  route: fb94a9b8-3f5e-525c-b38d-61aa1cbaa69c\n"),
                    "{text}"
                );
            }
        }
        let loaded = plane.post("/config", json!({ "config": text })).await;
        assert_eq!(
            (loaded.status, revision(&loaded)),
            (201, revision_before),
            "{format}"
        );
    }
    assert_eq!(
        plane.get("/config?format=toml").await.expect(400)["code"],
        11
    );
}

#[tokio::test]
async fn a_file_can_be_merged_into_what_exists() {
    let plane = Plane::start().await;
    let random = plane.service("foo").await;
    plane.service("untouched").await;
    let merged = yaml(&plane, "/config?mode=merge", FILE).await;
    assert_eq!(
        merged.expect(200),
        json!({ "created": 4, "changed": 1, "unchanged": 0, "deleted": 0 })
    );
    let service = plane.get("/services/foo").await.expect(200);
    assert_eq!(
        (&service["id"], &service["host"]),
        (&json!(random), &json!("foo.test"))
    );
    assert_eq!(ids(&plane, "/services").await.len(), 2);

    let endless = FILE.replace("    ttl: 1000\n", "");
    yaml(&plane, "/config?mode=merge", &endless)
        .await
        .expect(200);
    for (mode, deleted) in [("merge", 0), ("prune", 1), ("prune", 0)] {
        let before = revision(&plane.get("/config").await);
        let answer = yaml(&plane, &format!("/config?mode={mode}"), &endless).await;
        assert_eq!(
            answer.expect(200),
            json!({ "created": 0, "changed": 0, "unchanged": 5, "deleted": deleted }),
            "{mode}"
        );
        assert_eq!(
            revision(&answer) - before,
            deleted,
            "{mode}: a revision only where something changed"
        );
    }
    assert_eq!(plane.get("/services/foo").await.id(), random);
}

#[tokio::test]
async fn configurations_have_a_limit_and_a_switch_of_their_own() {
    let plane = Plane::start_with(&[
        ("admin_max_body_size", "1k"),
        ("admin_max_config_size", "4k"),
    ])
    .await;
    let file = |bytes: usize| {
        let comment = "x".repeat(bytes);
        json!({ "_format_version": "3.0", "_comment": comment })
    };
    plane.post("/config", file(3000)).await.expect(201);
    let refused = plane.post("/config", file(5000)).await.expect(413);
    assert_eq!(
        refused,
        json!({ "message": "the body is longer than 4096 bytes (setting 'admin_max_config_size')" })
    );
    let off = Plane::start_with(&[("admin_config_import", "off")]).await;
    let message = json!({ "message": "this endpoint is only available when Kong is configured to not use a database" });
    assert_eq!(off.get("/config").await.expect(400), message);
    assert_eq!(off.post("/config", file(1)).await.expect(400), message);
    let strict = Plane::start_with(&[("declarative_lenient_config", "off")]).await;
    let dotted = json!({
        "_format_version": "3.0",
        "plugins": [{ "name": "request-transformer", "config": { "remove.headers": "x-a" } }],
    });
    let refused = strict.post("/config", dotted.clone()).await.expect(400);
    assert_eq!(
        refused["fields"]["plugins"][0]["config"]["remove.headers"],
        "unknown field"
    );
    plane.post("/config", dotted).await.expect(201);
}

#[tokio::test]
async fn one_load_at_a_time() {
    let plane = Plane::start().await;
    let services: Vec<Value> = (0..2000)
        .map(|n| json!({ "name": format!("s{n}"), "host": "h" }))
        .collect();
    let file = json!({ "_format_version": "3.0", "services": services });
    let (one, other) = tokio::join!(
        plane.post("/config", file.clone()),
        plane.post("/config", file)
    );
    let (refused, done) = if one.status == 429 {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(done.status, 201);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(
        refused.expect(429),
        json!({ "message": "Currently loading previous configuration" })
    );
}

#[tokio::test]
async fn paths_of_older_formats_are_migrated() {
    let plane = Plane::start().await;
    let text = "_format_version: '1.1'\nservices:\n- name: s\n  url: http://h\n  routes:\n  - name: regex\n    paths: [/a(b)]\n  - name: prefix\n    paths: [/a//b]\n";
    yaml(&plane, "/config", text).await.expect(201);
    for (route, path) in [("regex", "~/a(b)"), ("prefix", "/a/b")] {
        let found = plane.get(&format!("/routes/{route}")).await.expect(200);
        assert_eq!(found["paths"], json!([path]));
    }
}

/// A file with documents of every kind: loaded, exported and loaded again in each way, without another revision.
#[tokio::test]
async fn every_kind_goes_there_and_back() {
    let plane = Plane::start().await;
    let pair = crate::pem::pair();
    let file = json!({
        "_format_version": "3.0",
        "certificates": [{
            "cert": pair.cert, "key": pair.key, "snis": [{ "name": "a.test" }, { "name": "*.b.test" }],
        }],
        "ca_certificates": [{ "cert": crate::pem::authority(2099) }],
        "vaults": [{ "prefix": "mine", "name": "env", "config": { "prefix": "SECRET_" } }],
        "custom_plugins": [super::custom_plugins::greeter()],
        "key_sets": [{ "name": "set", "keys": [{ "kid": "k", "jwk": "{vault://mine/jwk}" }] }],
        "upstreams": [{
            "name": "up.test", "targets": [{ "target": "10.0.0.1" }, { "target": "h.test:81", "weight": 5 }],
        }],
        "services": [{
            "name": "s", "url": "https://up.test",
            "routes": [{ "paths": ["/"], "plugins": [{ "name": "key-auth" }] }],
            "plugins": [{ "name": "request-transformer", "config": { "add.headers": "a:b, c:d" } }],
        }],
        "consumer_groups": [{ "name": "g", "consumer_group_consumers": [{ "consumer": "bob" }] }],
        "consumers": [{
            "username": "bob", "custom_id": "b",
            "keyauth_credentials": [{ "key": "k" }], "acls": [{ "group": "g" }],
            "basicauth_credentials": [{ "username": "bob", "password": "p" }],
            "hmacauth_credentials": [{ "username": "bob", "secret": "s" }],
            "jwt_secrets": [{ "key": "j", "secret": "s" }],
        }],
    });
    let made = plane.post("/config", file.clone()).await;
    let first = revision(&made);
    let made = made.expect(201);
    let kinds = made.as_object().expect("an object");
    let every: Vec<&str> = shared::entities::all()
        .iter()
        .map(|entity| entity.kind)
        .collect();
    let missing: Vec<_> = every
        .iter()
        .filter(|kind| !kinds.contains_key(**kind))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");

    let certificate = plane.get("/certificates").await.expect(200)["data"][0].clone();
    assert_eq!(certificate["snis"], json!(["*.b.test", "a.test"]));
    for mode in ["replace", "merge", "prune"] {
        let again = plane
            .post(&format!("/config?mode={mode}"), file.clone())
            .await;
        assert_eq!(
            revision(&again),
            first,
            "{mode}: {}",
            String::from_utf8_lossy(&again.body)
        );
    }
    for format in ["yaml", "json"] {
        let exported = plane
            .get(&format!("/config?format={format}"))
            .await
            .expect(200);
        let again = plane.post("/config", exported).await;
        assert_eq!((again.status, revision(&again)), (201, first), "{format}");
    }
}
