//! Upstreams and targets: 32, 33.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn checklist_32_targets_have_ports_come_newest_first_and_are_not_made_by_put() {
    let plane = Plane::start().await;
    plane
        .post("/upstreams", json!({ "name": "u" }))
        .await
        .expect(201);
    for target in ["a.test", "b.test"] {
        let made = plane
            .post("/upstreams/u/targets", json!({ "target": target }))
            .await;
        assert_eq!(made.expect(201)["target"], format!("{target}:8000"));
    }
    let listed = plane.get("/upstreams/u/targets").await.expect(200);
    let order = [&listed["data"][0]["target"], &listed["data"][1]["target"]];
    assert_eq!(order, ["b.test:8000", "a.test:8000"]);
    let again = plane
        .post("/upstreams/u/targets", json!({ "target": "a.test:8000" }))
        .await;
    assert_eq!(again.expect(409)["code"], 5);
    let unknown = plane
        .put("/upstreams/u/targets/c.test:8000", json!({ "weight": 1 }))
        .await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn checklist_33_algorithm_and_hash_on_follow_each_other() {
    let plane = Plane::start().await;
    let cases = [
        (json!({ "hash_on": "ip" }), "consistent-hashing", "ip"),
        (
            json!({ "algorithm": "consistent-hashing", "hash_on": "none" }),
            "round-robin",
            "none",
        ),
    ];
    for (number, (mut body, algorithm, hash_on)) in cases.into_iter().enumerate() {
        body["name"] = json!(format!("u{number}"));
        let made = plane.post("/upstreams", body).await.expect(201);
        assert_eq!(
            (&made["algorithm"], &made["hash_on"]),
            (&json!(algorithm), &json!(hash_on))
        );
    }
}
