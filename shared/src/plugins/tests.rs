//! Tests of the plugin declarations.

mod authentication;
pub(crate) mod custom;
mod installed;

use serde_json::{Map, Value, json};

use super::*;
use crate::entities::{self, tests::context};
use crate::schema::{Document, Violations};

fn store(name: &str, config: Value) -> Result<Document, Violations> {
    let document: Map<_, _> = [
        ("name".to_owned(), name.into()),
        ("config".to_owned(), config),
    ]
    .into_iter()
    .collect();
    entities::find("plugins")
        .expect("a known kind")
        .complete(document, &context())
}

fn stored(name: &str, config: Value) -> Value {
    let document =
        store(name, config).unwrap_or_else(|violations| panic!("{name}: {}", violations.message()));
    document["config"].clone()
}

fn refusal(name: &str, config: &Value) -> Value {
    let violations = store(name, config.clone()).expect_err("this should be refused");
    violations.fields()["config"].clone()
}

#[test]
fn request_transformer_says_what_is_wrong_in_kongs_words() {
    for (config, expected) in [
        (
            json!({"http_method": "get"}),
            json!({"http_method": "invalid value: get"}),
        ),
        (
            json!({"http_method": "HELLO!"}),
            json!({"http_method": "invalid value: HELLO!"}),
        ),
        (
            json!({"http_method": ""}),
            json!({"http_method": "length must be at least 1"}),
        ),
        (
            json!({"http_method": 5}),
            json!({"http_method": "expected a string"}),
        ),
        (
            json!({"add": {"headers": ["just_a_key"]}}),
            json!({"add": {"headers": ["invalid value: just_a_key"]}}),
        ),
        (
            json!({"append": {"headers": ["x y:1"]}}),
            json!({"append": {"headers": ["'x y' is not a valid header"]}}),
        ),
        (
            json!({"replace": {"headers": [":v"]}}),
            json!({"replace": {"headers": ["invalid value: :v"]}}),
        ),
        (
            json!({"add": {"headers": [""]}}),
            json!({"add": {"headers": ["length must be at least 1"]}}),
        ),
        (
            json!({"add": {"headers": [5]}}),
            json!({"add": {"headers": ["expected a string"]}}),
        ),
        (
            json!({"add": {"headers": "x:1"}}),
            json!({"add": {"headers": "expected an array"}}),
        ),
        (
            json!({"add": {"headers": null}}),
            json!({"add": {"headers": "required field missing"}}),
        ),
        (
            json!({"add": null}),
            json!({"add": "required field missing"}),
        ),
        (json!({"add": 5}), json!({"add": "expected a record"})),
        (
            json!({"rename": {"headers": ["a:b c"]}}),
            json!({"rename": {"headers": ["'b c' is not a valid header"]}}),
        ),
        (
            json!({"rename": {"headers": ["a:"]}}),
            json!({"rename": {"headers": ["'' is not a valid header"]}}),
        ),
        (
            json!({"rename": {"headers": ["a:$(x)"]}}),
            json!({"rename": {"headers": ["'$(x)' is not a valid header"]}}),
        ),
        (
            json!({"remove": {"headers": ["x y"]}}),
            json!({"remove": {"headers": ["'x y' is not a valid header"]}}),
        ),
        (
            json!({"add": {"querystring": ["just_a_key"]}}),
            json!({"add": {"querystring": ["key 'just_a_key' has no value"]}}),
        ),
        (
            json!({"add": {"body": ["ok:1", "q:"]}}),
            json!({"add": {"body": [null, "key 'q' has no value"]}}),
        ),
        (
            json!({"add": {"querystring": [":v"]}}),
            json!({"add": {"querystring": ["invalid value: :v"]}}),
        ),
        (
            json!({"add": {"uri": "/x"}}),
            json!({"add": {"uri": "unknown field"}}),
        ),
        (json!({"bogus": 1}), json!({"bogus": "unknown field"})),
        (
            json!({"replace": {"uri": ""}}),
            json!({"replace": {"uri": "length must be at least 1"}}),
        ),
    ] {
        assert_eq!(
            refusal("request-transformer", &config),
            expected,
            "{config}"
        );
    }
}

#[test]
fn request_transformer_takes_what_only_fails_later() {
    for config in [
        json!({"http_method": "FOO"}),
        json!({"add": {"headers": ["x:"]}}),
        json!({"add": {"headers": ["x:$(a b)"]}}),
        json!({"add": {"querystring": ["q:$(a"]}}),
        json!({"replace": {"uri": "/x/$(uri_captures.id)"}}),
        json!({"remove": {"querystring": ["a:b"], "body": ["a"]}}),
    ] {
        stored("request-transformer", config);
    }
}

#[test]
fn response_transformer_says_what_is_wrong_in_kongs_words() {
    for (config, expected) in [
        (
            json!({"add": {"headers": ["just_a_key"]}}),
            json!({"add": {"headers": ["invalid value: just_a_key"]}}),
        ),
        (
            json!({"rename": {"json": ["just_a_key"]}}),
            json!({"rename": {"json": ["invalid value: just_a_key"]}}),
        ),
        (
            json!({"rename": {"headers": ["x-requ,est-id:x"]}}),
            json!({"rename": {"headers": ["'x-requ,est-id' is not a valid header"]}}),
        ),
        (
            json!({"rename": {"headers": ["a:b,c", "a:"]}}),
            json!({"rename": {"headers": ["'b,c' is not a valid header", "'' is not a valid header"]}}),
        ),
        (
            json!({"add": {"json_types": ["int"]}}),
            json!({"add": {"json_types": ["expected one of: boolean, number, string"]}}),
        ),
        (
            json!({"add": {"json_types": null}}),
            json!({"add": {"json_types": "required field missing"}}),
        ),
        (
            json!({"remove": {"json_types": []}}),
            json!({"remove": {"json_types": "unknown field"}}),
        ),
        (
            json!({"rename": {"json_types": []}}),
            json!({"rename": {"json_types": "unknown field"}}),
        ),
        (
            json!({"add": {"if_status": []}}),
            json!({"add": {"if_status": "unknown field"}}),
        ),
    ] {
        assert_eq!(
            refusal("response-transformer", &config),
            expected,
            "{config}"
        );
    }
    stored(
        "response-transformer",
        json!({"add": {"headers": ["x y:1"]}, "remove": {"headers": ["x y"]}}),
    );
}

#[test]
fn response_transformer_advanced_reads_statuses_and_regular_expressions() {
    for (config, expected) in [
        (
            json!({"add": {"if_status": ["404", "9"]}}),
            json!({"add": {"if_status": [null, "value '9' is not a status code or a range of status codes"]}}),
        ),
        (
            json!({"rename": {"json": ["a:b"]}}),
            json!({"rename": {"json": "unknown field"}}),
        ),
        (
            json!({"remove": {"headers": ["a:/(/"]}}),
            json!({"remove": {"headers": ["not a valid regex: ("]}}),
        ),
    ] {
        assert_eq!(
            refusal("response-transformer-advanced", &config),
            expected,
            "{config}"
        );
    }
    let config = stored(
        "response-transformer-advanced",
        json!({"replace": {"body": "{}", "if_status": ["500"]}}),
    );
    assert_eq!(config["allow"], json!({"json": null}));
    assert_eq!(
        (&config["dots_in_keys"], &config["replace"]["json"]),
        (&json!(true), &json!([]))
    );
}

#[test]
fn messages_dump_what_is_deeper_than_one_level() {
    let violations = store(
        "request-transformer",
        json!({"http_method": "get", "add": {"headers": ["a:1", "b", "x y:$"]}}),
    );
    let message = violations.expect_err("this should be refused").message();
    let dumped = "config.add: {\n  headers = {\n    [2] = \"invalid value: b\",\n    [3] = \"'x y' is not a valid header\"\n  }\n}";
    assert_eq!(
        message,
        format!("2 schema violations ({dumped}; config.http_method: invalid value: get)")
    );
}

#[test]
fn a_configuration_without_members_is_complete_when_stored() {
    let lists = |names: &[&str]| {
        names
            .iter()
            .map(|name| ((*name).to_owned(), json!([])))
            .collect::<Map<_, _>>()
    };
    let three = lists(&["body", "headers", "querystring"]);
    let mut replace = three.clone();
    replace.insert("uri".to_owned(), Value::Null);
    let expected = json!({"http_method": null, "remove": three, "rename": three, "replace": replace, "add": three, "append": three});
    assert_eq!(stored("request-transformer", json!({})), expected);
    let set = lists(&["json", "json_types", "headers"]);
    let pair = lists(&["json", "headers"]);
    let expected =
        json!({"remove": pair, "rename": pair, "replace": set, "add": set, "append": set});
    assert_eq!(stored("response-transformer", json!({})), expected);
    let expected = json!({"status_code": 503, "message": null, "content_type": null, "body": null, "echo": false, "trigger": null});
    assert_eq!(stored("request-termination", json!({})), expected);
    let expected = json!({"header_name": "Kong-Request-ID", "generator": "uuid#counter", "echo_downstream": false});
    assert_eq!(stored("correlation-id", json!({})), expected);
}

#[test]
fn plugins_state_rules_for_the_whole_document() {
    let fields = |name, config: Value| {
        store(name, config)
            .expect_err("this should be refused")
            .fields()
    };
    let listed = "'config.allow', 'config.deny'";
    let one = format!("exactly one of these fields must be non-empty: {listed}");
    let least = format!("at least one of these fields must be non-empty: {listed}");
    assert_eq!(fields("acl", json!({})), json!({"@entity": [one, least]}));
    assert_eq!(
        fields("acl", json!({"allow": ["a"], "deny": ["b"]})),
        json!({"@entity": [one]})
    );
    for (config, text) in [
        (
            json!({"message": "m", "body": "b"}),
            "message cannot be used with content_type or body",
        ),
        (
            json!({"content_type": "text/plain"}),
            "content_type requires a body",
        ),
        (
            json!({"echo": true, "body": "b"}),
            "echo cannot be used with content_type and body",
        ),
    ] {
        assert_eq!(
            fields("request-termination", config),
            json!({"@entity": [text]})
        );
    }
    let status = fields("request-termination", json!({"status_code": 99}));
    assert_eq!(
        status,
        json!({"config": {"status_code": "value should be between 100 and 599"}})
    );
    let generator = fields("correlation-id", json!({"generator": "x"}));
    assert_eq!(
        generator,
        json!({"config": {"generator": "expected one of: uuid, uuid#counter, tracker"}})
    );
}

#[test]
fn what_is_stored_is_what_a_node_reads() {
    let catalog = Catalog::builtin();
    for name in catalog.iter().map(|plugin| &*plugin.name) {
        let config = match name {
            "acl" => json!({"allow": ["a"]}),
            "pre-function" | "post-function" => json!({"access": ["return"]}),
            _ => json!({}),
        };
        let bytes = stored(name, config).to_string();
        let plugin = catalog.plugin(name).expect("a listed plugin");
        plugin
            .parse(bytes.as_bytes())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        plugin
            .parse(b"{}")
            .unwrap_or_else(|error| panic!("{name}, by an older control plane: {error}"));
    }
    let transformer = catalog
        .plugin("request-transformer")
        .expect("a listed plugin");
    let config = transformer
        .parse(br#"{"add":{"headers":["a:b:$(headers.c)"]},"new_option":1}"#)
        .expect("a good one");
    let config = config
        .downcast::<RequestTransformer>()
        .expect("its own type");
    assert_eq!(
        (
            config.add.headers[0].name.as_str(),
            config.add.headers[0].value.source.as_str()
        ),
        ("a", "b:$(headers.c)")
    );
    let error = transformer
        .parse(br#"{"add":{"headers":["a:b","c"]}}"#)
        .expect_err("a bad one");
    assert_eq!(error.to_string(), "config.add.headers[1]: invalid value: c");
    assert!(
        Config::new(RequestTermination::clone(&catalog_default()))
            .downcast::<RequestTransformer>()
            .is_none()
    );
}

fn catalog_default() -> RequestTermination {
    let plugin = Catalog::builtin()
        .plugin("request-termination")
        .expect("a listed plugin");
    let config = plugin
        .parse(b"{}")
        .expect("a good one")
        .downcast::<RequestTermination>();
    RequestTermination::clone(&config.expect("its own type"))
}

#[test]
fn the_catalog_has_kongs_priorities() {
    let listed: Vec<_> = Catalog::builtin()
        .iter()
        .map(|plugin| (&*plugin.name, plugin.priority))
        .collect();
    assert_eq!(
        listed,
        [
            ("acl", 950),
            ("basic-auth", 1100),
            ("correlation-id", 100_001),
            ("hmac-auth", 1030),
            ("jwt", 1450),
            ("key-auth", 1250),
            ("post-function", -1000),
            ("pre-function", 1_000_000),
            ("request-termination", 2),
            ("request-transformer", 801),
            ("response-transformer", 800),
            ("response-transformer-advanced", 800),
        ]
    );
}

/// The names of the fields of `config` and of the records in it, as clients list them.
fn config_fields(shown: &Value) -> Vec<String> {
    fn walk(fields: &Value, prefix: &str, out: &mut Vec<String>) {
        for (name, field) in fields
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .flatten()
        {
            out.push(format!("{prefix}{name}"));
            walk(&field["fields"], &format!("{prefix}{name}."), out);
        }
    }
    let config = shown["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .find_map(|field| field.get("config"));
    let mut out = Vec::new();
    walk(&config.expect("a config field")["fields"], "", &mut out);
    out.sort();
    out
}

#[test]
fn plugin_schemas_list_every_option() {
    let shown = |name: &str| {
        Catalog::builtin()
            .plugin(name)
            .expect("a listed plugin")
            .render()
    };
    assert_eq!(
        config_fields(&shown("key-auth")),
        [
            "anonymous",
            "hide_credentials",
            "key_in_body",
            "key_in_header",
            "key_in_query",
            "key_names",
            "realm",
            "run_on_preflight",
        ]
    );
    assert_eq!(
        config_fields(&shown("acl")),
        [
            "allow",
            "always_use_authenticated_groups",
            "deny",
            "hide_groups_header"
        ]
    );
    assert_eq!(
        config_fields(&shown("response-transformer")),
        [
            "add",
            "add.headers",
            "add.json",
            "add.json_types",
            "append",
            "append.headers",
            "append.json",
            "append.json_types",
            "remove",
            "remove.headers",
            "remove.json",
            "rename",
            "rename.headers",
            "rename.json",
            "replace",
            "replace.headers",
            "replace.json",
            "replace.json_types",
        ]
    );
    let acl = shown("acl");
    assert_eq!(acl["fields"][0]["consumer"]["reference"], "consumers");
    assert_eq!(acl["fields"][0]["consumer"]["eq"], Value::Null);
    assert_eq!(
        acl["fields"][1]["protocols"]["elements"]["one_of"],
        json!(["grpc", "grpcs", "http", "https"])
    );
    assert_eq!(
        acl["entity_checks"][0],
        json!({"only_one_of": ["config.allow", "config.deny"]})
    );
}
