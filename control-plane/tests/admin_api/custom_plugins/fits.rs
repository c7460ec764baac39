//! No write leaves a plugin with a custom plugin that is gone or does not take its configuration.

use super::{GREETING, greeter, handler, plane, schema};
use serde_json::json;

#[tokio::test]
async fn what_is_in_use_is_neither_deleted_nor_renamed() {
    let plane = plane().await;
    let first = plane
        .post("/plugins", json!({ "name": "greeter", "enabled": false }))
        .await
        .id();
    let service = plane.service("s").await;
    let of_service = json!({ "name": "greeter", "service": { "id": service } });
    let second = plane.post("/plugins", of_service).await.id();
    let mut ids = [first.clone(), second.clone()];
    ids.sort();
    let message = format!(
        "the custom plugin 'greeter' is in use by plugins: {}, {}",
        ids[0], ids[1]
    );
    let expected = json!({
        "code": 19, "name": "referenced by others", "message": message,
        "fields": { "@referenced_by": ids },
    });
    assert_eq!(
        plane.delete("/custom-plugins/greeter").await.expect(409),
        expected
    );
    let renamed = json!({ "name": "other", "schema": schema("other", GREETING) });
    assert_eq!(
        plane
            .patch("/custom-plugins/greeter", renamed)
            .await
            .expect(409),
        expected
    );
    let nothing = json!({ "_format_version": "3.0", "plugins": [{ "name": "greeter" }] });
    plane
        .post("/config?mode=replace", nothing)
        .await
        .expect(400);
    assert_eq!(plane.get("/custom-plugins/greeter").await.status, 200);
    // With what uses it, it may go.
    let gone = json!({ "operations": [
        { "method": "DELETE", "path": format!("/plugins/{first}") },
        { "method": "DELETE", "path": format!("/services/{service}") },
        { "method": "DELETE", "path": "/custom-plugins/greeter" },
    ] });
    plane.post("/headgate/batch", gone).await.expect(200);
    plane.get("/custom-plugins/greeter").await.expect(404);
}

#[tokio::test]
async fn a_schema_that_stored_plugins_do_not_fit_is_refused_with_their_ids() {
    let plane = plane().await;
    let plugin = plane
        .post("/plugins", json!({ "name": "greeter" }))
        .await
        .id();
    let new = schema("greeter", "{ n = { type = \"integer\", required = true } }");
    let expected = json!({
        "code": 2, "name": "schema violation",
        "message": format!("plugins do not fit what the custom plugin 'greeter' would become: {plugin}"),
        "fields": { "plugins": { &plugin: { "config": {
            "greeting": "unknown field", "n": "required field missing",
        } } } },
    });
    let patch = json!({ "schema": new });
    let refused = plane
        .patch("/custom-plugins/greeter", patch.clone())
        .await
        .expect(409);
    assert_eq!(refused, expected);
    let tried = plane
        .json("PATCH", "/custom-plugins/greeter?dry_run=1", patch)
        .await;
    assert_eq!(tried.expect(409), expected);
    let put = json!({ "schema": new, "handler": handler(7) });
    assert_eq!(
        plane.put("/custom-plugins/greeter", put).await.expect(409),
        expected
    );
    let stored = plane.get("/custom-plugins/greeter").await.expect(200);
    assert_eq!(stored["schema"], greeter()["schema"], "nothing was stored");
    // A field more is no harm: what is stored is read with its default.
    let wider = schema(
        "greeter",
        &format!("{GREETING}, {{ n = {{ type = \"integer\", default = 1 }} }}"),
    );
    plane
        .patch("/custom-plugins/greeter", json!({ "schema": wider }))
        .await
        .expect(200);
    let patch = json!({ "config": { "greeting": "hi" } });
    let patched = plane
        .patch(&format!("/plugins/{plugin}"), patch)
        .await
        .expect(200);
    assert_eq!(patched["config"], json!({ "greeting": "hi", "n": 1 }));
}

#[tokio::test]
async fn a_batch_that_mends_what_it_breaks_is_written() {
    let plane = plane().await;
    let plugin = plane
        .post("/plugins", json!({ "name": "greeter" }))
        .await
        .id();
    let new = schema("greeter", "{ n = { type = \"integer\", default = 2 } }");
    let path = format!("/plugins/{plugin}");
    let mend = json!({ "method": "DELETE", "path": path });
    let change =
        json!({ "method": "PATCH", "path": "/custom-plugins/greeter", "body": { "schema": new } });
    let add = json!({ "method": "POST", "path": "/plugins", "body": { "name": "greeter" } });
    let refused = plane
        .post("/headgate/batch", json!({ "operations": [change, mend] }))
        .await;
    assert_eq!(refused.expect(409)["operation"]["index"], 0);
    let done = plane
        .post(
            "/headgate/batch",
            json!({ "operations": [mend, change, add] }),
        )
        .await;
    assert_eq!(
        done.expect(200)["results"][2]["body"]["config"],
        json!({ "n": 2 })
    );
}

/// Many writers at once: whatever order they come in, no revision breaks.
#[tokio::test(flavor = "multi_thread")]
async fn writers_at_once_never_leave_what_nodes_would_refuse() {
    let plane = std::sync::Arc::new(plane().await);
    let other = schema("greeter", "{ n = { type = \"integer\", default = 2 } }");
    let schemas = [greeter()["schema"].clone(), json!(other)];
    let mut tasks = Vec::new();
    for writer in 0..4 {
        let (plane, schemas) = (plane.clone(), schemas.clone());
        tasks.push(tokio::spawn(async move {
            for round in 0..8 {
                let schema = &schemas[(writer + round) % 2];
                let changed = plane.patch("/custom-plugins/greeter", json!({ "schema": schema }));
                assert!([200, 409].contains(&changed.await.status));
                let made = plane.post("/plugins", json!({ "name": "greeter" })).await;
                assert!([201, 409].contains(&made.status), "{made:?}");
                if made.status == 201 {
                    plane.delete(&format!("/plugins/{}", made.id())).await;
                }
                assert!(plane.running.hub.publish_blocked().is_none());
            }
        }));
    }
    for task in tasks {
        task.await.expect("no writer fails");
    }
    let whole = plane.post(
        "/config?mode=merge&dry_run=1",
        json!({ "_format_version": "3.0" }),
    );
    assert_eq!(whole.await.expect(200)["valid"], true);
}
