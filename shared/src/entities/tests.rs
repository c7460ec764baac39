//! Tests of the entity declarations: what the reference answered, and what it was not asked.

mod credentials;
mod custom_plugins;
mod forms;
mod refusals;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Acl, Consumer, Context, Entity, KeyAuth, Plugin, Route, Service, all, find};
use crate::plugins::Catalog;
use crate::schema::{Document, FormOptions, Violations, form};

const ID: &str = "00000000-0000-4000-8000-000000000001";
const OTHER: &str = "00000000-0000-4000-8000-0000000000aa";

pub(crate) fn context() -> Context<'static> {
    Context {
        catalog: Catalog::builtin(),
        now: 1_700_000_000.75,
        new_id: &|| Uuid::parse_str(ID).expect("a valid UUID"),
        random_text: &|| "a".repeat(32),
        transform: true,
    }
}

pub(super) fn entity(kind: &str) -> &'static Entity {
    find(kind).expect("a known kind")
}

pub(super) fn document(value: Value) -> Document {
    match value {
        Value::Object(document) => document,
        other => panic!("not an object: {other}"),
    }
}

pub(super) fn create(kind: &str, input: Value) -> Result<Document, Violations> {
    entity(kind).complete(document(input), &context())
}

pub(super) fn created(kind: &str, input: Value) -> Document {
    create(kind, input).unwrap_or_else(|violations| panic!("{}", violations.message()))
}

pub(super) fn patched(kind: &str, stored: Value, patch: Value) -> Result<Document, Violations> {
    let stored = created(kind, stored);
    entity(kind).merge(&stored, document(patch), &context())
}

pub(super) fn refusal(result: Result<Document, Violations>) -> Value {
    result.expect_err("this should be refused").fields()
}

pub(super) fn form_of(kind: &str, body: &str) -> Document {
    let pairs = form_urlencoded::parse(body.as_bytes()).into_owned();
    entity(kind).infer(
        form::expand(pairs, true),
        Catalog::builtin(),
        &FormOptions::default(),
    )
}

/// One line of `cases/recorded.jsonl`: an Admin API exchange with the reference.
fn replay(case: &Value) -> Result<(), String> {
    let kind = case["entity"].as_str().unwrap_or_default();
    let input = case["input"].clone();
    let result = match case["op"].as_str() {
        Some("patch") => patched(kind, case["stored"].clone(), input),
        _ => create(kind, input),
    };
    match (result, case.get("fields")) {
        (Err(violations), Some(fields)) => {
            let (got, message) = (violations.fields(), violations.message());
            if got != *fields || message != case["message"] {
                return Err(format!(
                    "{got}\n  {message}\n  instead of {fields}\n  {}",
                    case["message"]
                ));
            }
        }
        (Ok(got), None) => {
            let expected = case["document"].as_object().ok_or("no document")?;
            for (name, value) in expected
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "id" | "consumer"))
            {
                if got.get(name) != Some(value) {
                    return Err(format!("{name} is {:?} instead of {value}", got.get(name)));
                }
            }
        }
        (Ok(got), Some(fields)) => return Err(format!("accepted as {got:?} instead of {fields}")),
        (Err(violations), None) => return Err(format!("refused: {}", violations.message())),
    }
    Ok(())
}

#[test]
fn documents_are_completed_and_refused_as_the_reference_does() {
    let cases = include_str!("cases/recorded.jsonl")
        .lines()
        .map(serde_json::from_str::<Value>);
    let mut failures = Vec::new();
    let mut count = 0;
    for case in cases {
        let case = case.expect("a case is JSON");
        count += 1;
        if let Err(why) = replay(&case) {
            failures.push(format!("{} {}: {why}", case["name"], case["input"]));
        }
    }
    assert!(count > 80, "only {count} cases");
    assert!(
        failures.is_empty(),
        "{} of {count} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn a_url_sets_protocol_host_port_and_path_together() {
    for (input, expected) in [
        (
            json!({"url": "http://h.test:81/p", "path": "/q"}),
            json!(["http", "h.test", 81, "/p"]),
        ),
        (
            json!({"url": "https://h.test", "path": "/q"}),
            json!(["https", "h.test", 443, null]),
        ),
        (
            json!({"url": "//h.test:443/p"}),
            json!(["https", "h.test", 443, "/p"]),
        ),
        (
            json!({"url": "//h.test:80"}),
            json!(["http", "h.test", 80, null]),
        ),
        (
            json!({"url": "http://u:p@[::1]:8080/p?q=1#f"}),
            json!(["http", "::1", 8080, "/p"]),
        ),
        (
            json!({"url": "grpc://h.test:9000"}),
            json!(["grpc", "h.test", 9000, null]),
        ),
    ] {
        let got = created("services", input.clone());
        assert_eq!(
            json!([got["protocol"], got["host"], got["port"], got["path"]]),
            expected,
            "{input}"
        );
        assert!(!got.contains_key("url"));
    }
    let refused = refusal(create("services", json!({"url": "invalid url"})));
    assert_eq!(
        refused,
        json!({"host": "required field missing", "path": "should start with: /"})
    );
}

#[test]
fn members_are_shown_whole_and_in_the_order_of_the_schema() {
    let got = created(
        "services",
        json!({"host": "h", "port": 80.0, "tags": ["b", "a", "b"]}),
    );
    let names: Vec<_> = got.keys().map(String::as_str).collect();
    let declared: Vec<_> = entity("services")
        .schema
        .fields
        .iter()
        .map(|field| field.name.as_ref())
        .collect();
    assert_eq!(names, declared);
    assert_eq!(got["id"], ID);
    assert_eq!(got["created_at"], 1_700_000_000);
    assert_eq!(got["updated_at"], 1_700_000_000);
    assert_eq!(got["port"].to_string(), "80");
    assert_eq!(
        got["tags"],
        json!(["b", "a"]),
        "a set keeps the first of equal elements"
    );
}

#[test]
fn times_follow_the_writes() {
    let stored = created(
        "services",
        json!({"host": "h", "created_at": 5, "updated_at": 6}),
    );
    assert_eq!(
        (&stored["created_at"], &stored["updated_at"]),
        (&json!(5), &json!(1_700_000_000))
    );
    let later = Context {
        now: 1_700_000_100.0,
        ..context()
    };
    let patch = document(json!({"updated_at": 7, "port": 81, "id": OTHER}));
    let merged = entity("services")
        .merge(&stored, patch, &later)
        .expect("a good update");
    assert_eq!(merged["updated_at"], 1_700_000_100);
    assert_eq!(merged["created_at"], 5);
    assert_eq!(merged["id"], ID, "an update cannot move a document");
}

#[test]
fn an_update_merges_records_and_replaces_the_rest() {
    let stored = json!({"name": "request-transformer", "config": {"add": {"headers": ["a:1"], "body": ["b:1"]}}});
    let patch = json!({"config": {"add": {"headers": ["c:2", "d:3"]}, "http_method": "GET"}});
    let got = patched("plugins", stored, patch).expect("a good update");
    assert_eq!(
        got["config"]["add"],
        json!({"body": ["b:1"], "headers": ["c:2", "d:3"], "querystring": []})
    );
    assert_eq!(got["config"]["http_method"], "GET");
    assert_eq!(got["config"]["remove"]["headers"], json!([]));
    let refused = refusal(patched(
        "consumers",
        json!({"username": "a"}),
        json!({"username": null}),
    ));
    let text =
        "when updating, at least one of these fields must be non-empty: 'custom_id', 'username'";
    assert_eq!(refused, json!({"@entity": [text]}));
}

#[test]
fn grpc_routes_keep_their_path_unless_told() {
    let got = created(
        "routes",
        json!({"protocols": ["grpc", "grpcs"], "paths": ["/a.B"]}),
    );
    assert_eq!(got["strip_path"], false);
    assert_eq!(
        created("routes", json!({"paths": ["/a"]}))["strip_path"],
        true
    );
}

#[test]
fn credentials_make_up_a_key_and_count_down() {
    let credential = json!({"consumer": {"id": OTHER.to_uppercase(), "username": "x"}, "ttl": 60});
    let got = created("keyauth_credentials", credential);
    assert_eq!(got["key"], "a".repeat(32).as_str());
    assert_eq!(got["consumer"], json!({"id": OTHER}));
    let (entity, now) = (entity("keyauth_credentials"), context().now);
    assert_eq!(entity.remaining(&got, now), Some(60));
    assert_eq!(entity.remaining(&got, now + 100.0), Some(0));
    let patch = |patch: Value| {
        entity
            .merge(&got, document(patch), &context())
            .expect("a good update")
    };
    assert_eq!(patch(json!({"tags": ["a"]}))["ttl"], got["ttl"]);
    assert_eq!(patch(json!({"ttl": null}))["ttl"], Value::Null);
    assert_eq!(patch(json!({"ttl": 0}))["ttl"], Value::Null);
    assert!(
        entity.validate(&got, Catalog::builtin()).is_empty(),
        "what was stored is valid"
    );
}

#[test]
fn unique_keys_and_references_name_what_the_store_must_hold() {
    let plugin = json!({"name": "acl", "instance_name": "i", "config": {"allow": ["g"]}, "service": {"id": OTHER}});
    let plugin = created("plugins", plugin);
    let entity = entity("plugins");
    let keys = entity.unique_keys(&plugin);
    let keys: Vec<_> = keys
        .iter()
        .map(|key| (key.field.as_str(), key.value.as_str()))
        .collect();
    let joined = format!(r#"["acl",null,{{"id":"{OTHER}"}},null]"#);
    assert_eq!(
        keys,
        [
            ("instance_name", "i"),
            ("name,route,service,consumer", joined.as_str())
        ]
    );
    let references = entity.references(&plugin);
    let references: Vec<_> = references
        .iter()
        .map(|r| (r.field.as_str(), r.to_kind, r.cascade))
        .collect();
    assert_eq!(references, [("service", "services", true)]);
    let route = created("routes", json!({"paths": ["/"], "service": {"id": OTHER}}));
    assert!(
        !self::entity("routes").references(&route)[0].cascade,
        "a service is held by its routes"
    );
}

#[test]
fn every_entity_has_what_kong_has() {
    let listed: Vec<_> = all()
        .iter()
        .map(|entity| {
            (
                entity.kind,
                entity.path,
                entity.nested_path.unwrap_or_default(),
                entity.lookup,
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("certificates", "certificates", "certificates", None),
            ("snis", "snis", "snis", Some("name")),
            (
                "ca_certificates",
                "ca_certificates",
                "ca_certificates",
                None
            ),
            ("vaults", "vaults", "vaults", Some("prefix")),
            ("key_sets", "key-sets", "key-sets", Some("name")),
            ("keys", "keys", "keys", Some("name")),
            ("services", "services", "services", Some("name")),
            ("routes", "routes", "routes", Some("name")),
            ("consumers", "consumers", "consumers", Some("username")),
            (
                "consumer_groups",
                "consumer_groups",
                "consumer_groups",
                Some("name")
            ),
            (
                "consumer_group_consumers",
                "consumer_group_consumers",
                "consumer_group_consumers",
                None,
            ),
            (
                "custom_plugins",
                "custom-plugins",
                "custom-plugins",
                Some("name")
            ),
            ("plugins", "plugins", "plugins", Some("instance_name")),
            ("keyauth_credentials", "key-auths", "key-auth", Some("key")),
            (
                "basicauth_credentials",
                "basic-auths",
                "basic-auth",
                Some("username")
            ),
            (
                "hmacauth_credentials",
                "hmac-auths",
                "hmac-auth",
                Some("username")
            ),
            ("jwt_secrets", "jwts", "jwt", Some("key")),
            ("acls", "acls", "acls", None),
            ("upstreams", "upstreams", "upstreams", Some("name")),
            ("targets", "targets", "targets", None),
        ]
    );
    let never_updated: Vec<_> = all()
        .iter()
        .filter(|entity| !entity.has_updated_at)
        .map(|entity| entity.kind)
        .collect();
    let expected = [
        "consumer_group_consumers",
        "keyauth_credentials",
        "basicauth_credentials",
        "hmacauth_credentials",
        "jwt_secrets",
        "acls",
    ];
    assert_eq!(never_updated, expected);
}

#[test]
fn what_is_stored_makes_the_struct() {
    fn read<T: super::Declared>(input: Value) -> T {
        let entity = find(T::KIND).expect("a known kind");
        let stored = Value::Object(created(T::KIND, input)).to_string();
        entity
            .schema
            .read(stored.as_bytes())
            .unwrap_or_else(|error| panic!("{error}"))
    }
    let service: Service = read(json!({"url": "https://h.test/p"}));
    assert_eq!((&*service.host, service.port), ("h.test", 443));
    let route: Route = read(
        json!({"paths": ["/a", "~/b$"], "hosts": ["*.x.test:8000"], "headers": {"x-a": ["~*1", "B"]}}),
    );
    assert_eq!(route.paths.map(|paths| paths.len()), Some(2));
    let consumer: Consumer = read(json!({"username": "a"}));
    assert_eq!(consumer.username.as_deref(), Some("a"));
    let plugin: Plugin = read(json!({"name": "key-auth"}));
    assert!(plugin.config.get().contains("\"apikey\""));
    let key: KeyAuth = read(json!({"consumer": {"id": OTHER}, "key": "k", "ttl": 60}));
    assert_eq!(key.expires_at.map(|at| at.0), Some(1_700_000_060));
    let acl: Acl = read(json!({"consumer": {"id": OTHER}, "group": "g"}));
    assert_eq!(acl.group, "g");
}

#[test]
fn documents_of_another_version_are_mended_or_explained() {
    let schema = &entity("services").schema;
    let older = format!(r#"{{"id":"{ID}","host":"h","colour":"red"}}"#);
    let service: Service = schema.read(older.as_bytes()).expect("defaults fill in");
    assert_eq!(
        (service.port, service.enabled, service.retries),
        (80, true, Some(5))
    );
    let plugin: Plugin = entity("plugins")
        .schema
        .read(br#"{"id":"00000000-0000-4000-8000-000000000001","name":"x","config":{"a":[1.50]}}"#)
        .expect("defaults fill in");
    assert_eq!(plugin.config.get(), r#"{"a":[1.50]}"#);
    for (bytes, field, message) in [
        (
            format!(r#"{{"id":"{ID}","host":"h:1"}}"#),
            "host",
            "must not have a port",
        ),
        (
            format!(r#"{{"id":"{ID}","host":"h","protocol":"x"}}"#),
            "protocol",
            "expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp",
        ),
        (
            format!(r#"{{"id":"{ID}","host":"h","tags":["a","b,c"]}}"#),
            "tags[1]",
            "invalid tag 'b,c': expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
        ),
        ("[]".to_owned(), ".", "expected a record"),
    ] {
        let error = schema
            .read::<Service>(bytes.as_bytes())
            .expect_err("this should be refused");
        assert_eq!(
            (error.field.as_str(), error.message.as_str()),
            (field, message),
            "{bytes}"
        );
    }
}

#[test]
fn schemas_are_shown_as_kong_shows_them() {
    let shown = entity("routes").render();
    let names: Vec<&str> = shown["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|f| f.as_object()?.keys().next().map(String::as_str))
        .collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "created_at",
            "destinations",
            "headers",
            "hosts",
            "https_redirect_status_code",
            "id",
            "methods",
            "name",
            "path_handling",
            "paths",
            "preserve_host",
            "protocols",
            "regex_priority",
            "request_buffering",
            "response_buffering",
            "service",
            "snis",
            "sources",
            "strip_path",
            "tags",
            "updated_at",
        ]
    );
    let field = |name: &str| {
        let at = names
            .iter()
            .position(|known| *known == name)
            .expect("a shown field");
        shown["fields"][at][name].clone()
    };
    let protocols = field("protocols");
    assert_eq!(protocols["type"], "set");
    assert_eq!(protocols["default"], json!(["http", "https"]));
    assert_eq!(protocols["elements"]["one_of"][0], "grpc");
    assert_eq!(
        field("service"),
        json!({"type": "foreign", "reference": "services",
        "description": "Where the requests go; without one, plugins answer."})
    );
    assert_eq!(
        field("sources")["elements"]["fields"][1]["port"]["between"],
        json!([0, 65535])
    );
    assert_eq!(entity("keyauth_credentials").render()["ttl"], true);
}
