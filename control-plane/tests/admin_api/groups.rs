//! Groups of consumers: admin-api.md 8.16.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn consumers_join_and_leave_groups_from_either_end() {
    let plane = Plane::start().await;
    let (ann, bob) = (plane.consumer("ann").await, plane.consumer("bob").await);
    let gold = plane
        .post("/consumer_groups", json!({ "name": "gold" }))
        .await
        .expect(201);
    let joined = plane
        .post(
            "/consumer_groups/gold/consumers",
            json!({ "consumer": "ann" }),
        )
        .await;
    let joined = joined.expect(201);
    assert_eq!(joined["consumer_group"], gold);
    assert_eq!(joined["consumers"][0]["id"], json!(ann));
    let joined = plane
        .post("/consumers/bob/consumer_groups", json!({ "group": "gold" }))
        .await;
    let joined = joined.expect(201);
    assert_eq!(joined["consumer"]["id"], json!(bob));
    assert_eq!(joined["consumer_groups"], json!([gold]));
    let listed = plane
        .get("/consumer_groups/gold/consumers")
        .await
        .expect(200);
    assert_eq!(listed["data"], listed["consumers"]);
    assert_eq!(
        (listed["data"].as_array().map(Vec::len), &listed["next"]),
        (Some(2), &json!(null))
    );
    let of_ann = plane
        .get(&format!("/consumers/{ann}/consumer_groups"))
        .await
        .expect(200);
    assert_eq!(of_ann["data"], json!([gold]));
    let left = plane
        .delete(&format!("/consumer_groups/gold/consumers/{ann}"))
        .await;
    assert_eq!(left.status, 204);
    let again = plane.delete("/consumer_groups/gold/consumers/ann").await;
    assert_eq!(again.expect(404), json!({ "message": "Not found" }));
    assert_eq!(
        plane.delete("/consumers/bob/consumer_groups").await.status,
        204
    );
    let none = plane
        .get("/consumer_groups/gold/consumers")
        .await
        .expect(200);
    assert_eq!(none["data"], json!([]));
}

#[tokio::test]
async fn a_group_is_read_with_its_members_and_written_bare() {
    let plane = Plane::start().await;
    plane.consumer("ann").await;
    let made = plane
        .put("/consumer_groups/gold", json!({ "tags": ["x"] }))
        .await
        .expect(200);
    assert_eq!(made["name"], "gold");
    plane
        .post(
            "/consumer_groups/gold/consumers",
            json!({ "consumer": "ann" }),
        )
        .await
        .expect(201);
    let whole = plane.get("/consumer_groups/gold").await.expect(200);
    assert_eq!(whole["consumer_group"], made);
    assert_eq!(whole["consumers"][0]["username"], "ann");
    assert_eq!(whole["plugins"], json!([]));
    let alone = plane
        .get("/consumer_groups/gold?list_consumers=false")
        .await
        .expect(200);
    assert_eq!(alone.get("consumers"), None);
    let listed = plane.get("/consumer_groups").await.expect(200);
    assert_eq!(listed["data"], json!([made]));
    let patched = plane
        .patch("/consumer_groups/gold", json!({ "name": "silver" }))
        .await;
    assert_eq!(patched.expect(200)["name"], "silver");
    assert_eq!(plane.get("/consumer_groups/gold").await.status, 404);
    let taken = plane
        .post("/consumer_groups", json!({ "name": "silver" }))
        .await
        .expect(409);
    assert_eq!(taken["fields"], json!({ "name": "silver" }));
}

#[tokio::test]
async fn a_membership_needs_both_ends_and_ends_with_either() {
    let plane = Plane::start().await;
    plane.consumer("ann").await;
    for name in ["gold", "silver"] {
        plane
            .post("/consumer_groups", json!({ "name": name }))
            .await
            .expect(201);
    }
    let path = "/consumer_groups/gold/consumers";
    let cases = [
        (
            json!({}),
            400,
            json!({ "consumer": "required field missing" }),
        ),
        (
            json!({ "consumer": 1 }),
            400,
            json!({ "consumer": "expected a string" }),
        ),
        (json!({ "consumer": "bob" }), 404, json!(null)),
        (json!({ "consumer": "ann" }), 201, json!(null)),
        (json!({ "consumer": "ann" }), 409, json!(null)),
    ];
    for (body, status, fields) in cases {
        let answer = plane.post(path, body.clone()).await.expect(status);
        if !fields.is_null() {
            assert_eq!(answer["fields"], fields, "{body}");
        }
    }
    let nobody = plane
        .post(
            "/consumer_groups/none/consumers",
            json!({ "consumer": "ann" }),
        )
        .await;
    assert_eq!(nobody.status, 404);
    plane
        .post(
            "/consumer_groups/silver/consumers",
            json!({ "consumer": "ann" }),
        )
        .await
        .expect(201);
    assert_eq!(plane.delete("/consumer_groups/gold").await.status, 204);
    let left = plane
        .get("/consumers/ann/consumer_groups")
        .await
        .expect(200);
    assert_eq!(left["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(plane.delete("/consumers/ann").await.status, 204);
    let left = plane
        .get("/consumer_groups/silver/consumers")
        .await
        .expect(200);
    assert_eq!(left["data"], json!([]));
    assert_eq!(plane.get("/consumer_group_consumers").await.status, 404);
}
