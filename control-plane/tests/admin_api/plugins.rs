//! Plugins and their scopes: checklist 14 and section 8.4 of the page.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn a_plugin_is_configured_once_per_scope() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    plane
        .post("/services/s/plugins", json!({ "name": "key-auth" }))
        .await
        .expect(201);
    let again = plane
        .post("/services/s/plugins", json!({ "name": "key-auth" }))
        .await
        .expect(409);
    let expected = json!({
        "code": 5,
        "name": "unique constraint violation",
        "message": format!("UNIQUE violation detected on '{{consumer=null,name=\"key-auth\",route=null,service={{id=\"{service}\"}}}}'"),
        "fields": { "consumer": null, "name": "key-auth", "route": null, "service": { "id": service } },
    });
    assert_eq!(again, expected);
    plane
        .post("/plugins", json!({ "name": "key-auth" }))
        .await
        .expect(201);
}

#[tokio::test]
async fn an_unknown_plugin_is_the_only_thing_said() {
    let plane = Plane::start().await;
    let found = plane
        .post("/plugins", json!({ "name": "nope", "enabled": 1 }))
        .await
        .expect(400);
    let text = "plugin 'nope' not enabled; add it to the 'plugins' configuration property";
    assert_eq!(found["fields"], json!({ "name": text }));
}

#[tokio::test]
async fn a_plugin_of_the_wrong_type_of_name_is_the_clients_fault() {
    let plane = Plane::start().await;
    let found = plane
        .post("/plugins", json!({ "name": 1 }))
        .await
        .expect(400);
    assert_eq!(found["fields"], json!({ "name": "expected a string" }));
}

#[tokio::test]
async fn given_protocols_must_be_those_of_the_routes_in_scope() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    let body = json!({ "name": "r", "protocols": ["http"], "paths": ["/r"], "service": { "id": service } });
    let route = plane.post("/routes", body).await.id();
    let body = json!({ "name": "key-auth", "protocols": ["https"], "route": { "id": route } });
    let refused = plane.post("/plugins", body).await.expect(400);
    assert_eq!(
        refused["fields"],
        json!({ "protocols": "must match the associated route's protocols" })
    );
    let body = json!({ "name": "key-auth", "protocols": ["https"], "service": { "id": service } });
    let refused = plane.post("/plugins", body).await.expect(400);
    let text = "must match the protocols of at least one route pointing to this Plugin's service";
    assert_eq!(refused["fields"], json!({ "protocols": text }));
    let empty = plane.service("without-routes").await;
    let body = json!({ "name": "key-auth", "protocols": ["https"], "service": { "id": empty } });
    plane.post("/plugins", body).await.expect(201);
}

#[tokio::test]
async fn scopes_of_plugins_are_read_through_them() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    let body = json!({ "name": "key-auth", "instance_name": "keys" });
    plane.post("/services/s/plugins", body).await.expect(201);
    assert_eq!(
        plane.get("/plugins/keys/service").await.expect(200)["id"],
        json!(service)
    );
    assert_eq!(
        plane.get("/plugins/keys/route").await.expect(404),
        json!({ "message": "Not found" })
    );
    assert_eq!(plane.get("/services/s/plugins/keys").await.status, 200);
}

#[tokio::test]
async fn plugins_on_routes_and_consumers_are_listed_there() {
    let plane = Plane::start().await;
    plane.route("r", None).await;
    plane.consumer("c").await;
    for parent in ["/routes/r", "/consumers/c"] {
        let made = plane
            .post(
                &format!("{parent}/plugins"),
                json!({ "name": "request-termination" }),
            )
            .await;
        let made = made.expect(201);
        let listed = plane.get(&format!("{parent}/plugins")).await.expect(200);
        assert_eq!(listed["data"], json!([made]));
    }
    let refused = plane
        .post("/consumers/c/plugins", json!({ "name": "key-auth" }))
        .await
        .expect(400);
    assert_eq!(
        refused["fields"],
        json!({ "consumer": "value must be null" })
    );
}
