//! `custom_plugin_streaming_enabled = off`, and Lua that is switched off.

use super::greeter;
use crate::client::Plane;
use serde_json::json;

const OFF: [(&str, &str); 1] = [("custom_plugin_streaming_enabled", "off")];

#[tokio::test]
async fn the_address_is_absent_and_files_are_refused() {
    let plane = Plane::start_with(&OFF).await;
    let absent = json!({ "message": "Not found" });
    for path in [
        "/custom-plugins",
        "/custom-plugins/x",
        "/custom-plugins/x/status",
    ] {
        assert_eq!(plane.get(path).await.expect(404), absent, "{path}");
    }
    assert_eq!(
        plane.post("/custom-plugins", greeter()).await.expect(404),
        absent
    );
    assert_eq!(
        plane
            .post("/custom-plugins/validate", greeter())
            .await
            .expect(404),
        absent
    );
    let endpoints = plane.get("/endpoints").await.expect(200)["data"].to_string();
    assert!(!endpoints.contains("custom-plugins"), "{endpoints}");
    let file = json!({ "_format_version": "3.0", "custom_plugins": [greeter()] });
    let refused = plane.post("/config", file).await.expect(400);
    let said = "custom plugins are switched off (setting 'custom_plugin_streaming_enabled')";
    assert_eq!(
        refused["fields"]["custom_plugins"],
        json!([{ "@entity": [said] }])
    );
}

#[tokio::test]
async fn what_was_stored_before_is_not_published_if_it_is_used() {
    let plane = super::plane().await;
    let plugin = plane
        .post("/plugins", json!({ "name": "greeter" }))
        .await
        .id();
    let folder = plane.stop().await;
    let plane = Plane::start_in(folder, &OFF).await;
    let blocked = plane.running.hub.publish_blocked().expect("it is used");
    let said = "custom plugins are switched off (setting 'custom_plugin_streaming_enabled')";
    assert_eq!(
        blocked.issues,
        [format!("plugins 'greeter' ({plugin}): name: {said}")]
    );
    assert_eq!(
        plane.delete(&format!("/plugins/{plugin}")).await.status,
        204
    );
    for _ in 0..200 {
        if plane.running.hub.publish_blocked().is_none() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!(
        "nothing uses it any more: {:?}",
        plane.running.hub.publish_blocked()
    );
}
