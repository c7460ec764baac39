//! The verbs on one document: 12 to 19, 24, 25.

use crate::client::Plane;
use serde_json::{Value, json};

const ID: &str = "00000000-0000-4000-8000-000000000001";

#[tokio::test]
async fn checklist_12_a_name_is_given_once() {
    let plane = Plane::start().await;
    plane.service("foo").await;
    let body = json!({ "name": "foo", "host": "h.test" });
    let again = plane.post("/services", body).await.expect(409);
    assert_eq!(again["code"], 5);
    assert_eq!(
        again["message"],
        "UNIQUE violation detected on '{name=\"foo\"}'"
    );
}

#[tokio::test]
async fn checklist_13_an_id_is_given_once() {
    let plane = Plane::start().await;
    let body = json!({ "id": ID, "host": "h.test" });
    plane.post("/services", body.clone()).await.expect(201);
    let again = plane.post("/services", body).await.expect(400);
    assert_eq!(again["code"], 3);
}

#[tokio::test]
async fn checklist_14_a_plugin_is_there_once_per_scope() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    let body = json!({ "name": "key-auth" });
    plane
        .post("/services/s/plugins", body.clone())
        .await
        .expect(201);
    let again = plane.post("/services/s/plugins", body).await.expect(409);
    let expected = json!({
        "consumer": null, "name": "key-auth", "route": null, "service": { "id": service },
    });
    assert_eq!(again["fields"], expected);
}

#[tokio::test]
async fn checklist_15_put_creates_with_200_and_then_replaces_whole() {
    let plane = Plane::start().await;
    let path = format!("/services/{ID}");
    let body = json!({ "host": "h.test", "port": 81, "tags": ["t"] });
    let made = plane.put(&path, body).await.expect(200);
    assert_eq!((&made["id"], &made["port"]), (&json!(ID), &json!(81)));
    let fewer = plane.put(&path, json!({ "host": "h.test" })).await;
    let fewer = fewer.expect(200);
    assert_eq!((&fewer["port"], &fewer["tags"]), (&json!(80), &Value::Null));
}

#[tokio::test]
async fn checklist_16_the_name_of_the_address_wins() {
    let plane = Plane::start().await;
    let body = json!({ "name": "bar", "host": "h.test" });
    let made = plane.put("/services/foo", body).await.expect(200);
    assert_eq!(made["name"], "foo");
}

#[tokio::test]
async fn checklist_17_what_is_missing_is_missed_in_four_ways() {
    let plane = Plane::start().await;
    plane.service("s").await;
    let path = format!("/services/{ID}");
    let patched = plane.patch(&path, json!({ "port": 1 })).await.expect(404);
    assert_eq!(
        (&patched["code"], &patched["fields"]),
        (&json!(6), &json!({ "id": ID }))
    );
    let read = plane.get(&path).await.expect(404);
    assert_eq!(read, json!({ "message": "Not found" }));
    assert_eq!(plane.delete(&path).await.status, 204);
    let nested = plane.delete(&format!("/services/s/routes/{ID}")).await;
    assert_eq!(nested.expect(404), json!({ "message": "Not found" }));
}

#[tokio::test]
async fn checklist_18_routes_keep_a_service_and_plugins_go_with_it() {
    let plane = Plane::start().await;
    let service = plane.service("s").await;
    plane.route("r", Some(&service)).await;
    let plugin = json!({ "name": "key-auth" });
    plane.post("/services/s/plugins", plugin).await.expect(201);
    let kept = plane.delete("/services/s").await.expect(400);
    assert_eq!(kept["code"], 4);
    assert_eq!(kept["fields"], json!({ "@referenced_by": "routes" }));
    assert_eq!(plane.delete("/routes/r").await.status, 204);
    assert_eq!(plane.delete("/services/s").await.status, 204);
    assert_eq!(plane.get("/plugins").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn checklist_19_two_addresses_are_not_there() {
    let plane = Plane::start().await;
    for path in ["/targets", "/snis/x/certificate"] {
        let found = plane.get(path).await.expect(404);
        assert_eq!(found, json!({ "message": "Not found" }), "{path}");
    }
}

#[tokio::test]
async fn checklist_24_names_may_be_any_language_but_hold_no_space() {
    let plane = Plane::start().await;
    plane.service("žluť").await;
    for path in ["/services/%C5%BElu%C5%A5", "/services/%c5%belu%c5%a5"] {
        assert_eq!(plane.get(path).await.expect(200)["name"], "žluť");
    }
    plane.consumer("Žofie N.").await;
    let spaced = plane.get("/consumers/%C5%BDofie%20N.").await.expect(200);
    assert_eq!(spaced["username"], "Žofie N.");
    let refused = plane.get("/services/a%20b").await.expect(400);
    assert_eq!(
        (&refused["code"], &refused["name"]),
        (&json!(10), &json!("invalid unique name"))
    );
}

#[tokio::test]
async fn checklist_25_what_has_no_name_is_found_by_its_id_alone() {
    let plane = Plane::start().await;
    let found = plane.get("/ca_certificates/foo").await.expect(400);
    let expected = json!({
        "code": 1,
        "name": "invalid primary key",
        "message": "invalid primary key: '{id=\"expected a valid UUID\"}'",
        "fields": { "id": "expected a valid UUID" },
    });
    assert_eq!(found, expected);
}
