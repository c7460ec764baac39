//! Whole configurations: 40 to 42.

use crate::client::{Answer, Plane};
use serde_json::json;

async fn load(plane: &Plane, query: &str, text: &str) -> Answer {
    let headers = [("content-type", "text/yaml")];
    plane
        .raw("POST", &format!("/config{query}"), &headers, text)
        .await
}

#[tokio::test]
async fn checklist_40_a_configuration_is_loaded_or_told_what_is_wrong() {
    let plane = Plane::start().await;
    let nothing = load(&plane, "", "").await.expect(400);
    assert_eq!(
        nothing,
        json!({ "message": "expected a declarative configuration" })
    );
    let scalar = load(&plane, "", "hello").await.expect(400);
    assert_eq!(scalar["code"], 14);
    let error = scalar["fields"]["error"].as_str();
    assert!(
        error.is_some_and(|text| text.contains("expected an object")),
        "{scalar}"
    );
    let twice = "_format_version: '3.0'\nconsumers:\n- {username: foo, custom_id: x}\n- {username: bar, custom_id: x}\n";
    let fields = load(&plane, "", twice).await.expect(400)["fields"].take();
    let text =
        "uniqueness violation: 'consumers' entity with custom_id set to 'x' already declared";
    assert_eq!(fields, json!({ "consumers": { "bar": text } }));
    let dangling = "_format_version: '3.0'\nroutes:\n- {name: r, paths: [/], service: foo}\n";
    let found = load(&plane, "", dangling).await.expect(400);
    let text = "invalid reference 'service: foo' (no such entry in 'services')";
    assert!(
        found["message"]
            .as_str()
            .is_some_and(|message| message.contains(text)),
        "{found}"
    );
    let bad = "_format_version: '3.0'\nservices:\n- {name: s, port: 99999}\n";
    let found = load(&plane, "?flatten_errors=1", bad).await.expect(400);
    let flat = &found["flattened_errors"][0];
    assert_eq!(
        (&flat["entity_type"], &flat["entity_name"]),
        (&json!("service"), &json!("s"))
    );
    let errors = flat["errors"].as_array().expect("a list");
    let port = json!({ "type": "field", "field": "port", "message": "value should be between 0 and 65535" });
    assert!(errors.contains(&port), "{errors:?}");
    let good = "_format_version: '3.0'\nservices:\n- {name: s, host: h.test}\n";
    load(&plane, "", good).await.expect(201);
    let same = load(&plane, "?check_hash=1", good).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
}

#[tokio::test]
async fn checklist_41_ids_follow_from_names() {
    let plane = Plane::start().await;
    let text = "
_format_version: '3.0'
services: [{name: foo, host: h.test}, {name: some.service.name, host: h.test}]
routes: [{name: foo, paths: [/], plugins: [{name: key-auth}]}]
consumers: [{username: bobo}]
upstreams: [{name: u1}]
plugins: [{name: key-auth}]
";
    let made = load(&plane, "", text).await.expect(201);
    let ids = [
        ("services", "2933fbcc-9d7c-54a7-a984-fe2bde836cea"),
        ("services", "d9bee1f8-db6e-5a37-9281-fd4aca16dc00"),
        ("routes", "fb94a9b8-3f5e-525c-b38d-61aa1cbaa69c"),
        ("consumers", "a331738c-d6d9-595e-a2cf-9cad8a78d622"),
        ("upstreams", "0e7a237a-6645-50cc-8e6d-514947af04b9"),
        ("plugins", "6b4f38d1-e026-540b-a5ea-8634739dd2a7"),
        ("plugins", "94c03ff4-bf99-599f-a351-c7123559bc5a"),
    ];
    for (kind, id) in ids {
        assert_eq!(made[kind][id]["id"], id, "{kind}: {made}");
    }
}

#[tokio::test]
async fn checklist_42_old_paths_become_regular_expressions_or_normal() {
    let plane = Plane::start().await;
    let text = "_format_version: '1.1'\nroutes:\n- {name: capturing, paths: ['/a(b)']}\n- {name: slashes, paths: [/a//b]}\n";
    load(&plane, "", text).await.expect(201);
    for (route, path) in [("capturing", "~/a(b)"), ("slashes", "/a/b")] {
        let found = plane.get(&format!("/routes/{route}")).await.expect(200);
        assert_eq!(found["paths"], json!([path]), "{route}");
    }
}
