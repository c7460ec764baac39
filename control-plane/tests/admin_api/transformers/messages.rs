//! The shape of errors: where they stand in `fields`, and how `message` tells them (transformers.md 1.2).

use super::{ADVANCED, REQUEST, at, fill_in, tell};
use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn an_error_stands_at_its_elements_index() {
    let plane = Plane::start().await;
    for (list, expected) in [
        (
            json!(["a:1", "just_a_key"]),
            json!([null, "invalid value: just_a_key"]),
        ),
        (
            json!(["a:1", "b", "c:3", "x y:1", "d:4"]),
            json!([
                null,
                "invalid value: b",
                null,
                "'x y' is not a valid header"
            ]),
        ),
        (
            json!(["a", 5, "c:1"]),
            json!(["invalid value: a", "expected a string"]),
        ),
    ] {
        let refused = tell(&plane, REQUEST, &at("add.headers", list.clone()))
            .await
            .expect(400);
        assert_eq!(
            refused["fields"]["config"]["add"]["headers"], expected,
            "{list}"
        );
    }
    // Forms and files count alike.
    let by_form = fill_in(
        &plane,
        REQUEST,
        "config.add.headers[]=a:1&config.add.headers[]=b",
    )
    .await;
    let expected = json!({ "config": { "add": { "headers": [null, "invalid value: b"] } } });
    assert_eq!(by_form.expect(400)["fields"], expected);
}

#[tokio::test]
async fn two_levels_are_a_path_and_deeper_ones_a_table() {
    let plane = Plane::start().await;
    for (plugin, config, message) in [
        (
            REQUEST,
            json!({ "http_method": "get" }),
            "schema violation (config.http_method: invalid value: get)",
        ),
        (
            REQUEST,
            json!({ "add": null }),
            "schema violation (config.add: required field missing)",
        ),
        (
            REQUEST,
            at("add.headers", json!(["just_a_key"])),
            "schema violation (config.add: {\n  headers = {\n    \"invalid value: just_a_key\"\n  }\n})",
        ),
        (
            REQUEST,
            at("add.headers", json!(["a:1", "b", "c"])),
            "schema violation (config.add: {\n  headers = {\n    [2] = \"invalid value: b\",\n    \
             [3] = \"invalid value: c\"\n  }\n})",
        ),
        (
            REQUEST,
            json!({ "add": { "headers": ["b"], "body": "x", "querystring": ["q:1", "c:$()"] } }),
            "schema violation (config.add: {\n  body = \"expected an array\",\n  headers = {\n    \
             \"invalid value: b\"\n  },\n  querystring = {\n    [2] = \"value '$()' is not in supported format, \
             error:[string \\\"TMP\\\"]:1: unexpected symbol near ')'\"\n  }\n})",
        ),
        (
            REQUEST,
            json!({ "http_method": "get", "add": { "headers": ["b"] }, "bogus": 1 }),
            "3 schema violations (config.add: {\n  headers = {\n    \"invalid value: b\"\n  }\n}; \
             config.bogus: unknown field; config.http_method: invalid value: get)",
        ),
        (
            ADVANCED,
            json!({ "replace": { "body": "", "if_status": ["5xx"] } }),
            "schema violation (config.replace: {\n  body = \"length must be at least 1\",\n  if_status = {\n    \
             \"value '5xx' is not a status code or a range of status codes\"\n  }\n})",
        ),
    ] {
        let refused = tell(&plane, plugin, &config).await.expect(400);
        assert_eq!(refused["message"], message, "{config}");
        assert_eq!(
            (&refused["code"], &refused["name"]),
            (&json!(2), &json!("schema violation"))
        );
    }
}
