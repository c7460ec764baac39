//! `POST /headgate/batch`: several writes, one revision, all or nothing.

use crate::client::{Answer, Plane};
use serde_json::{Value, json};

async fn batch(plane: &Plane, operations: Value) -> Answer {
    plane
        .post("/headgate/batch", json!({ "operations": operations }))
        .await
}

fn operation(method: &str, path: &str, body: Value) -> Value {
    json!({ "method": method, "path": path, "body": body })
}

#[tokio::test]
async fn a_batch_is_one_revision_and_later_operations_see_earlier_ones() {
    let plane = Plane::start().await;
    let id = "00000000-0000-4000-8000-000000000001";
    let made = batch(
        &plane,
        json!([
            operation("PUT", "/services/orders", json!({ "host": "o.test" })),
            operation(
                "POST",
                "/services/orders/routes",
                json!({ "name": "r", "paths": ["/r"] })
            ),
            operation(
                "POST",
                "/plugins",
                json!({ "name": "key-auth", "route": { "name": "r" }, "id": id })
            ),
            operation("PATCH", "/routes/r", json!({ "paths": ["/r", "/s"] })),
            operation(
                "PATCH",
                &format!("/plugins/{id}"),
                json!({ "enabled": false })
            ),
            operation("POST", "/consumers", json!({ "username": "ann" })),
            operation("DELETE", "/consumers/ann", Value::Null),
        ]),
    )
    .await;
    let body = made.expect(200);
    assert_eq!(body["revision"], 1);
    assert_eq!(made.header("headgate-revision"), "1");
    let statuses: Vec<u64> = body["results"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|result| result["status"].as_u64().expect("a status"))
        .collect();
    assert_eq!(statuses, [200, 201, 201, 200, 200, 201, 204]);
    assert_eq!(body["results"][6]["body"], Value::Null);
    let service = plane.get("/services/orders").await.expect(200);
    let route = plane.get("/routes/r").await.expect(200);
    assert_eq!(route["service"]["id"], service["id"]);
    assert_eq!(route["paths"], json!(["/r", "/s"]));
    assert_eq!(body["results"][3]["body"], route);
    let plugin = plane.get(&format!("/plugins/{id}")).await.expect(200);
    assert_eq!(
        (&plugin["enabled"], &plugin["route"]["id"]),
        (&json!(false), &route["id"])
    );
    plane.get("/consumers/ann").await.expect(404);
    let next = plane
        .post("/services", json!({ "name": "x", "host": "h" }))
        .await;
    assert_eq!(next.header("headgate-revision"), "2");
}

#[tokio::test]
async fn a_batch_with_a_bad_operation_writes_nothing_and_names_it() {
    let plane = Plane::start().await;
    plane.service("taken").await;
    let cases = [
        (
            operation("POST", "/services", json!({ "name": "taken", "host": "h" })),
            409,
            json!({
                "code": 5, "name": "unique constraint violation",
                "message": "UNIQUE violation detected on '{name=\"taken\"}'", "fields": { "name": "taken" },
            }),
        ),
        (
            operation("PUT", "/services/b", json!({ "hots": "h" })),
            400,
            json!({
                "code": 2, "name": "schema violation",
                "message": "2 schema violations (host: required field missing; hots: unknown field)",
                "fields": { "host": "required field missing", "hots": "unknown field" },
                "hints": { "hots": "did you mean 'host'?" },
            }),
        ),
        (
            operation("PATCH", "/routes/none", json!({})),
            404,
            json!({
                "code": 6, "name": "not found",
                "message": "could not find the entity with '{name=\"none\"}'", "fields": { "name": "none" },
            }),
        ),
        (
            operation("DELETE", "/services", Value::Null),
            405,
            json!({ "message": "Method not allowed" }),
        ),
        (
            operation("POST", "/nothing", json!({})),
            404,
            json!({ "message": "Not found" }),
        ),
        (
            operation("POST", "/headgate/batch", json!({ "operations": [] })),
            404,
            json!({ "message": "Not found" }),
        ),
    ];
    for (bad, status, mut expected) in cases {
        let operations = json!([operation("PUT", "/services/a", json!({ "host": "h" })), bad]);
        let found = batch(&plane, operations).await.expect(status);
        expected["operation"] = json!({ "index": 1, "method": bad["method"], "path": bad["path"] });
        assert_eq!(found, expected);
        plane.get("/services/a").await.expect(404);
    }
    let next = plane
        .post("/services", json!({ "name": "x", "host": "h" }))
        .await;
    assert_eq!(next.header("headgate-revision"), "2");
}

#[tokio::test]
async fn deletes_of_a_batch_cascade_before_what_follows() {
    let plane = Plane::start().await;
    plane.service("s").await;
    let plugin = plane
        .post("/services/s/plugins", json!({ "name": "key-auth" }))
        .await
        .id();
    let refused = batch(
        &plane,
        json!([
            operation("DELETE", "/services/s", Value::Null),
            operation(
                "PATCH",
                &format!("/plugins/{plugin}"),
                json!({ "enabled": false })
            ),
        ]),
    )
    .await
    .expect(404);
    assert_eq!(refused["operation"]["index"], 1);
    let moved = batch(
        &plane,
        json!([
            operation("DELETE", "/services/s", Value::Null),
            operation(
                "POST",
                "/services",
                json!({ "name": "s", "host": "other.test" })
            ),
        ]),
    )
    .await;
    moved.expect(200);
    plane.get(&format!("/plugins/{plugin}")).await.expect(404);
    assert_eq!(
        plane.get("/services/s").await.expect(200)["host"],
        "other.test"
    );
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused() {
    let plane = Plane::start().await;
    let cases = [
        (json!({}), json!({ "operations": "required field missing" })),
        (
            json!({ "operations": 1 }),
            json!({ "operations": "expected an array" }),
        ),
        (
            json!({ "operations": [{ "method": "PUTS", "path": "x", "body": 1 }] }),
            json!({ "operations": [{
                "method": "expected one of: POST, PUT, PATCH, DELETE",
                "path": "should start with: /",
                "body": "expected a record",
            }] }),
        ),
        (
            json!({ "operations": [], "more": 1 }),
            json!({ "more": "unknown field" }),
        ),
    ];
    for (body, fields) in cases {
        let found = plane.post("/headgate/batch", body).await.expect(400);
        assert_eq!((&found["code"], &found["fields"]), (&json!(2), &fields));
    }
    let nothing = batch(&plane, json!([])).await;
    assert_eq!(nothing.expect(200), json!({ "revision": 0, "results": [] }));
    assert_eq!(plane.get("/headgate/batch").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_change_the_same_document_all_happen() {
    let plane = std::sync::Arc::new(Plane::start().await);
    plane.service("s").await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let plane = plane.clone();
            tokio::spawn(async move {
                for turn in 0..5 {
                    let path = format!("/p{writer}x{turn}");
                    let operations = json!([
                        operation("PATCH", "/services/s", json!({ "path": path })),
                        operation("POST", "/routes", json!({ "paths": [path] })),
                    ]);
                    batch(&plane, operations).await.expect(200);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    let routes = plane.get("/routes?size=1000").await.expect(200);
    assert_eq!(routes["data"].as_array().map(Vec::len), Some(40));
}

#[tokio::test]
async fn a_batch_may_wait_for_the_nodes() {
    let plane = Plane::start().await;
    let body = json!({ "operations": [operation("PUT", "/services/a", json!({ "host": "h" }))] });
    let waited = plane.post("/headgate/batch?wait=applied", body).await;
    assert_eq!(
        (waited.status, waited.header("headgate-applied")),
        (200, "0/0")
    );
}
