//! Credentials and groups: checklist 35 and 36.

use crate::client::Plane;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_key_is_made_up_and_lives_for_good() {
    let plane = Plane::start().await;
    plane.consumer("c").await;
    let made = plane
        .post("/consumers/c/key-auth", json!({}))
        .await
        .expect(201);
    let key = made["key"].as_str().expect("a key");
    assert!(
        key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{key}"
    );
    assert_eq!(made["ttl"], Value::Null);
    assert!(made.get("updated_at").is_none());
    assert_eq!(
        plane.get(&format!("/key-auths/{key}")).await.expect(200),
        made
    );
    assert_eq!(
        plane
            .get(&format!("/key-auths/{key}/consumer"))
            .await
            .expect(200)["username"],
        "c"
    );
}

#[tokio::test]
async fn a_key_that_has_expired_is_not_there() {
    let plane = Plane::start().await;
    plane.consumer("c").await;
    let made = plane
        .form("POST", "/consumers/c/key-auth", "key=k&ttl=1")
        .await
        .expect(201);
    assert_eq!(made["ttl"], 1);
    let id = made["id"].as_str().expect("an id").to_owned();
    let begun = Instant::now();
    while plane.get("/key-auths/k").await.status != 404 {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "it never expired"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for path in [
        format!("/key-auths/{id}"),
        format!("/consumers/c/key-auth/{id}"),
    ] {
        assert_eq!(plane.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(plane.get("/key-auths").await.expect(200)["data"], json!([]));
    let again = plane
        .post("/consumers/c/key-auth", json!({ "key": "k" }))
        .await;
    assert_eq!(again.status, 201, "an expired key is free again: {again:?}");
}

#[tokio::test]
async fn lifetimes_are_bounded_and_only_where_they_mean_something() {
    let plane = Plane::start().await;
    plane.consumer("c").await;
    let refused = plane
        .post("/consumers/c/key-auth", json!({ "ttl": "x" }))
        .await
        .expect(400);
    assert_eq!(refused["code"], 11);
    assert_eq!(
        refused["message"],
        "invalid option (ttl: must be an integer between 0 and 100000000)"
    );
    let refused = plane
        .post("/services", json!({ "host": "h.test", "ttl": 1 }))
        .await
        .expect(400);
    assert_eq!(refused["fields"], json!({ "ttl": "unknown field" }));
    plane
        .post("/consumers/c/key-auth", json!({ "key": "k", "ttl": 1000 }))
        .await
        .expect(201);
    let changed = plane
        .patch("/consumers/c/key-auth/k", json!({ "tags": ["t"] }))
        .await
        .expect(200);
    assert!(
        changed["ttl"].as_u64().is_some_and(|left| left > 900),
        "{changed}"
    );
    let endless = plane
        .patch("/consumers/c/key-auth/k", json!({ "ttl": null }))
        .await
        .expect(200);
    assert_eq!(endless["ttl"], Value::Null);
}

#[tokio::test]
async fn keys_are_unique_over_all_consumers() {
    let plane = Plane::start().await;
    plane.consumer("c").await;
    plane.consumer("d").await;
    plane
        .post("/consumers/c/key-auth", json!({ "key": "k" }))
        .await
        .expect(201);
    let again = plane
        .post("/consumers/d/key-auth", json!({ "key": "k" }))
        .await
        .expect(409);
    assert_eq!(again["fields"], json!({ "key": "******" }));
    assert_eq!(plane.get("/consumers/d/key-auth/k").await.status, 404);
    let nobody = plane
        .post("/key-auths", json!({ "key": "x" }))
        .await
        .expect(400);
    assert_eq!(
        nobody["fields"],
        json!({ "consumer": "required field missing" })
    );
}

#[tokio::test]
async fn a_group_is_addressed_by_its_name() {
    let plane = Plane::start().await;
    let consumer = plane.consumer("c").await;
    let made = plane
        .post("/consumers/c/acls", json!({ "group": "g1" }))
        .await
        .expect(201);
    assert_eq!(plane.get("/consumers/c/acls/g1").await.expect(200), made);
    assert_eq!(
        plane.get("/consumers/c/acls/none").await.expect(404),
        json!({ "message": "Not found" })
    );
    let put = plane
        .put("/consumers/c/acls/g2", json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&put["group"], &put["consumer"]),
        (&json!("g2"), &json!({ "id": consumer }))
    );
    let same = plane
        .put("/consumers/c/acls/g2", json!({ "tags": ["t"] }))
        .await
        .expect(200);
    assert_eq!((&same["id"], &same["tags"]), (&put["id"], &json!(["t"])));
    let again = plane
        .post("/consumers/c/acls", json!({ "group": "g1" }))
        .await
        .expect(409);
    assert_eq!(
        again["fields"],
        json!({ "consumer": { "id": consumer }, "group": "g1" })
    );
    assert_eq!(plane.delete("/consumers/c/acls/g1").await.status, 204);
    assert_eq!(plane.delete("/consumers/c/acls/g1").await.status, 404);
}

#[tokio::test]
async fn a_consumer_takes_what_is_its_own_along() {
    let plane = Plane::start().await;
    plane.consumer("c").await;
    plane
        .post("/consumers/c/key-auth", json!({ "key": "k" }))
        .await
        .expect(201);
    plane
        .post("/consumers/c/acls", json!({ "group": "g" }))
        .await
        .expect(201);
    assert_eq!(plane.delete("/consumers/c").await.status, 204);
    for path in ["/key-auths", "/acls"] {
        assert_eq!(
            plane.get(path).await.expect(200)["data"],
            json!([]),
            "{path}"
        );
    }
}
