//! Plugins that lie on the machine, by settings.

use super::{GREETING, handler, schema};
use crate::client::{Plane, config};
use serde_json::json;

fn folder(name: &str, handler: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let place = folder.path().join("kong/plugins").join(name);
    std::fs::create_dir_all(&place).expect("a folder");
    std::fs::write(place.join("schema.lua"), schema(name, GREETING)).expect("a file");
    std::fs::write(place.join("handler.lua"), handler).expect("a file");
    folder
}

#[tokio::test]
async fn a_trusted_plugin_is_configured_and_never_shown_as_a_document() {
    let folder = folder("house", &handler(4));
    let path = folder.path().display().to_string();
    let settings = [
        ("plugins", "bundled, house"),
        ("lua_plugins", path.as_str()),
    ];
    let plane = Plane::start_with(&settings).await;
    let made = plane
        .post("/plugins", json!({ "name": "house" }))
        .await
        .expect(201);
    assert_eq!(made["config"], json!({ "greeting": "hello" }));
    let root = plane.get("/").await.expect(200);
    assert_eq!(
        root["plugins"]["available_on_server"]["house"]["priority"],
        4
    );
    assert_eq!(
        root["configuration"]["plugins"],
        json!(["bundled", "house"])
    );
    assert_eq!(
        plane.get("/custom-plugins").await.expect(200)["data"],
        json!([])
    );
    let body = json!({ "name": "house", "schema": schema("house", ""), "handler": handler(1) });
    let refused = plane.post("/custom-plugins", body).await.expect(400);
    assert_eq!(
        refused["fields"],
        json!({ "name": "'house' is the name of a trusted plugin" })
    );
}

#[tokio::test]
async fn only_the_plugins_that_are_named_may_be_configured() {
    let plane = Plane::start_with(&[("plugins", "key-auth")]).await;
    plane
        .post("/plugins", json!({ "name": "key-auth" }))
        .await
        .expect(201);
    let refused = plane.post(
        "/plugins",
        json!({ "name": "acl", "config": { "allow": ["a"] } }),
    );
    let said = "plugin 'acl' not enabled; add it to the 'plugins' configuration property";
    assert_eq!(refused.await.expect(400)["fields"]["name"], said);
    let enabled = plane.get("/plugins/enabled").await.expect(200);
    assert_eq!(enabled, json!({ "enabled_plugins": ["key-auth"] }));
}

#[tokio::test]
async fn what_cannot_be_had_ends_the_start() {
    let plugins = folder("house", "return {");
    let path = plugins.path().display().to_string();
    let home = tempfile::tempdir().expect("a temporary directory");
    for (name, said) in [
        (
            "house",
            "cannot be loaded: handler.lua:1: unexpected symbol near '<eof>'",
        ),
        (
            "none",
            "the plugin 'none' is enabled (setting 'plugins') but not installed",
        ),
    ] {
        let settings = [("plugins", name), ("lua_plugins", path.as_str())];
        let error = control_plane::start(config(home.path(), &settings)).await;
        let error = error.err().expect(said);
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.exit(), shared::settings::Exit::Usage);
    }
}
