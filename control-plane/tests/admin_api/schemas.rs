//! What the Admin API says about itself and its schemas: checklist 37 to 39, sections 10 and 11 of the page.

use crate::client::Plane;
use serde_json::{Value, json};

#[tokio::test]
async fn plugins_are_validated_without_being_stored() {
    let plane = Plane::start().await;
    let path = "/schemas/plugins/validate";
    let good = plane
        .post(path, json!({ "name": "key-auth" }))
        .await
        .expect(200);
    assert_eq!(good, json!({ "message": "schema validation successful" }));
    let bad = plane
        .post(path, json!({ "name": "key-auth", "config": { "foo": 1 } }))
        .await
        .expect(400);
    assert_eq!(
        bad["message"],
        "schema violation (config.foo: unknown field)"
    );
    let unknown = plane.post(path, json!({ "name": "x" })).await.expect(400);
    let text = "plugin 'x' not enabled; add it to the 'plugins' configuration property";
    assert_eq!(unknown["fields"], json!({ "name": text }));
    assert_eq!(plane.get("/plugins").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn entities_are_validated_without_inference() {
    let plane = Plane::start().await;
    let path = "/schemas/services/validate";
    plane
        .post(path, json!({ "host": "h.test" }))
        .await
        .expect(200);
    plane
        .form("POST", path, "host=h.test&enabled=true&path=")
        .await
        .expect(200);
    plane
        .post(&format!("{path}?host=h.test"), json!({}))
        .await
        .expect(200);
    let refused = plane
        .form("POST", path, "host=h.test&port=80")
        .await
        .expect(400);
    assert_eq!(refused["fields"], json!({ "port": "expected an integer" }));
    let nobody = plane
        .post("/schemas/zzz/validate", json!({}))
        .await
        .expect(404);
    assert_eq!(nobody, json!({ "message": "No entity named 'zzz'" }));
    assert_eq!(plane.get(path).await.status, 405);
}

/// Member `name` of a list of one-member objects, as schemas show fields.
fn field<'a>(fields: &'a Value, name: &str) -> &'a Value {
    let mut listed = fields.as_array().expect("a list").iter();
    let found = listed.find_map(|field| {
        let members = field.as_object().expect("an object");
        assert_eq!(members.len(), 1, "{field}");
        members.get(name)
    });
    found.unwrap_or_else(|| panic!("no '{name}' in {fields}"))
}

#[tokio::test]
async fn schemas_of_plugins_show_their_defaults() {
    let plane = Plane::start().await;
    let schema = plane.get("/schemas/plugins/key-auth").await.expect(200);
    let config = field(&schema["fields"], "config");
    assert_eq!(config["type"], "record");
    assert_eq!(
        field(&config["fields"], "key_names")["default"],
        json!(["apikey"])
    );
    assert_eq!(
        field(&config["fields"], "hide_credentials")["default"],
        json!(false)
    );
    let alone = plane.get("/plugins/schema/key-auth").await.expect(200);
    assert_eq!(&alone, config);
    let unknown = plane.get("/schemas/plugins/nope").await.expect(404);
    assert_eq!(unknown, json!({ "message": "No plugin named 'nope'" }));
}

#[tokio::test]
async fn schemas_of_entities_list_their_fields() {
    let plane = Plane::start().await;
    for entity in shared::entities::all() {
        let schema = plane
            .get(&format!("/schemas/{}", entity.kind))
            .await
            .expect(200);
        assert_eq!(
            field(&schema["fields"], "id")["type"],
            "string",
            "{}",
            entity.kind
        );
    }
    let routes = plane.get("/schemas/routes").await.expect(200);
    let service = field(&routes["fields"], "service");
    assert_eq!(
        (&service["type"], &service["reference"]),
        (&json!("foreign"), &json!("services"))
    );
    let unknown = plane.get("/schemas/nope").await.expect(404);
    assert_eq!(unknown, json!({ "message": "No entity named 'nope'" }));
}

#[tokio::test]
async fn the_root_tells_clients_what_they_speak_to() {
    let plane = Plane::start().await;
    let root = plane.get("/").await.expect(200);
    assert_eq!(root["version"], "3.10.0");
    assert_eq!(root["headgate"]["version"], env!("CARGO_PKG_VERSION"));
    assert_ne!(root["configuration"]["database"], "off");
    assert_eq!(root["configuration"]["role"], "control_plane");
    assert_eq!(root["plugins"]["enabled_in_cluster"], json!([]));
    assert_eq!(
        root["plugins"]["available_on_server"]["key-auth"]["priority"],
        1250
    );
    plane
        .post("/plugins", json!({ "name": "key-auth" }))
        .await
        .expect(201);
    plane
        .post("/plugins", json!({ "name": "correlation-id" }))
        .await
        .expect(201);
    let root = plane.get("/").await.expect(200);
    assert_eq!(
        root["plugins"]["enabled_in_cluster"],
        json!(["correlation-id", "key-auth"])
    );
    let enabled = plane.get("/plugins/enabled").await.expect(200);
    let names = enabled["enabled_plugins"].as_array().expect("a list");
    assert!(names.contains(&json!("request-transformer")), "{names:?}");
}

#[tokio::test]
async fn the_status_counts_what_it_serves() {
    let plane = Plane::start().await;
    let status = plane.get("/status").await.expect(200);
    assert_eq!(status["database"]["reachable"], true);
    let before = status["server"]["total_requests"]
        .as_u64()
        .expect("a number");
    let after = plane.get("/status").await.expect(200)["server"]["total_requests"].as_u64();
    assert_eq!(after, Some(before + 1));
    for member in [
        "accepted", "active", "handled", "reading", "writing", "waiting",
    ] {
        assert!(
            status["server"][format!("connections_{member}")].is_number(),
            "{member}"
        );
    }
    assert_eq!(plane.get("/status?unit=x").await.status, 400);
}

#[tokio::test]
async fn nodes_are_listed_in_kongs_words_too() {
    let plane = Plane::start().await;
    let listed = plane.get("/clustering/data-planes").await.expect(200);
    assert_eq!(listed, json!({ "data": [], "next": null }));
    let status = plane.get("/clustering/status").await;
    assert_eq!(status.header("deprecation"), "true");
    assert_eq!(status.expect(200), json!({}));
}

#[tokio::test]
async fn a_join_token_is_one_word() {
    let plane = Plane::start().await;
    let made = plane
        .post("/headgate/tokens", json!({ "ttl": "10m", "uses": 2 }))
        .await
        .expect(201);
    let token = made["token"].as_str().expect("a token");
    assert!(
        !token.is_empty() && !token.contains(char::is_whitespace),
        "{token}"
    );
    let refused = plane
        .post("/headgate/tokens", json!({ "ttl": "soon" }))
        .await
        .expect(400);
    assert!(refused["fields"]["ttl"].is_string(), "{refused}");
    assert_eq!(
        plane.get("/headgate/data-planes").await.expect(200)["head_revision"],
        0
    );
}
