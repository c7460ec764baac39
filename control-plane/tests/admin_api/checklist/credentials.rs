//! What consumers prove themselves by: 34 to 36.

use crate::client::Plane;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ANN: &str = "00000000-0000-4000-8000-0000000000aa";
/// `printf 'secret00000000-0000-4000-8000-0000000000aa' | sha1sum`
const HASH: &str = "5e75033acbc7d453138043f209a84f41642a0aeb";

#[tokio::test]
async fn checklist_34_a_password_is_shown_as_its_hash() {
    let plane = Plane::start().await;
    let ann = json!({ "username": "ann" });
    plane
        .put(&format!("/consumers/{ANN}"), ann)
        .await
        .expect(200);
    let sent = json!({ "username": "u", "password": "secret" });
    let made = plane.post("/consumers/ann/basic-auth", sent).await;
    assert_eq!(made.expect(201)["password"], HASH);
}

#[tokio::test]
async fn checklist_35_a_key_is_made_up_and_may_expire() {
    let plane = Plane::start().await;
    plane.consumer("c").await;
    let made = plane
        .post("/consumers/c/key-auth", json!({}))
        .await
        .expect(201);
    assert_eq!(made["key"].as_str().map(str::len), Some(32));
    assert_eq!(made["ttl"], Value::Null);
    let body = json!({ "key": "short", "ttl": 1 });
    plane.post("/consumers/c/key-auth", body).await.expect(201);
    let end = Instant::now() + Duration::from_secs(10);
    while plane.get("/key-auths/short").await.status != 404 {
        assert!(Instant::now() < end, "it does not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = plane.get("/consumers/c/key-auth").await.expect(200);
    assert_eq!(left["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn checklist_36_a_group_is_read_deleted_and_put_by_its_name() {
    let plane = Plane::start().await;
    plane.consumer("c").await;
    let made = plane
        .put("/consumers/c/acls/g", json!({}))
        .await
        .expect(200);
    assert_eq!(made["group"], "g");
    assert_eq!(plane.get("/consumers/c/acls/g").await.expect(200), made);
    assert_eq!(plane.delete("/consumers/c/acls/g").await.status, 204);
    assert_eq!(plane.get("/consumers/c/acls/g").await.status, 404);
}
