//! What the Admin API says about itself: 37 to 39.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn checklist_37_plugins_are_validated_without_being_stored() {
    let plane = Plane::start().await;
    let path = "/schemas/plugins/validate";
    let good = plane.post(path, json!({ "name": "key-auth" })).await;
    assert_eq!(
        good.expect(200),
        json!({ "message": "schema validation successful" })
    );
    let body = json!({ "name": "key-auth", "config": { "foo": 1 } });
    assert_eq!(plane.post(path, body).await.expect(400)["code"], 2);
    let unknown = plane.post(path, json!({ "name": "x" })).await.expect(400);
    let text = "plugin 'x' not enabled; add it to the 'plugins' configuration property";
    assert_eq!(unknown["fields"], json!({ "name": text }));
}

#[tokio::test]
async fn checklist_38_fields_are_a_list_of_objects_with_one_member() {
    let plane = Plane::start().await;
    let schema = plane.get("/schemas/plugins/key-auth").await.expect(200);
    let fields = schema["fields"].as_array().expect("a list");
    for field in fields {
        assert_eq!(field.as_object().map(serde_json::Map::len), Some(1));
    }
    let config = fields.iter().find_map(|field| field.get("config"));
    let options = config.expect("a config")["fields"].as_array().cloned();
    let options = options.expect("a list");
    let default = |name: &str| {
        let found = options.iter().find_map(|option| option.get(name));
        found.expect("an option")["default"].clone()
    };
    assert_eq!(default("key_names"), json!(["apikey"]));
    assert_eq!(default("hide_credentials"), json!(false));
}

#[tokio::test]
async fn checklist_39_the_root_says_what_clients_branch_on() {
    let plane = Plane::start().await;
    let root = plane.get("/").await.expect(200);
    assert_eq!(root["version"], "3.10.0");
    let database = root["configuration"]["database"].as_str();
    assert!(database.is_some_and(|database| database != "off"), "{root}");
    assert_eq!(root["plugins"]["enabled_in_cluster"], json!([]));
    let plugin = json!({ "name": "key-auth" });
    plane.post("/plugins", plugin).await.expect(201);
    let root = plane.get("/").await.expect(200);
    assert_eq!(root["plugins"]["enabled_in_cluster"], json!(["key-auth"]));
}
