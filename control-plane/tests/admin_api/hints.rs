//! What may have been meant, beside what Kong says.

use crate::client::Plane;
use serde_json::json;

#[tokio::test]
async fn errors_offer_the_nearest_name() {
    let plane = Plane::start().await;
    plane.service("orders").await;
    plane.consumer("ann").await;
    let cases = [
        (
            "/services",
            json!({ "host": "h", "prot": 80, "zzz": 1 }),
            json!({ "prot": "did you mean 'port'?" }),
        ),
        (
            "/routes",
            json!({ "path": ["/a"], "protocols": ["HTTP", "htps"] }),
            json!({
                "path": "did you mean 'paths'?",
                "protocols": ["did you mean 'http'?", "did you mean 'https'?"],
            }),
        ),
        (
            "/plugins",
            json!({ "name": "key_auth" }),
            json!({ "name": "did you mean 'key-auth'?" }),
        ),
        (
            "/plugins",
            json!({ "name": "key-auth", "config": { "key_name": ["k"] } }),
            json!({ "config": { "key_name": "did you mean 'key_names'?" } }),
        ),
        (
            "/routes",
            json!({ "paths": ["/a"], "service": { "name": "order" } }),
            json!({ "service": { "name": "did you mean 'orders'?" } }),
        ),
        (
            "/acls",
            json!({ "group": "g", "consumer": { "username": "anne" } }),
            json!({ "consumer": { "username": "did you mean 'ann'?" } }),
        ),
    ];
    for (path, body, hints) in cases {
        let found = plane.post(path, body).await.expect(400);
        assert_eq!(found["hints"], hints, "{found}");
    }
}

#[tokio::test]
async fn there_are_no_hints_without_an_idea() {
    let plane = Plane::start().await;
    plane.service("orders").await;
    let bodies = [
        json!({ "host": "h", "zzz": 1 }),
        json!({ "host": "h", "port": -1 }),
        json!({ "host": "h", "protocol": "x" }),
        json!({ "host": "h", "x".repeat(1000): 1 }),
    ];
    for body in bodies {
        let found = plane.post("/services", body).await.expect(400);
        assert!(found.get("hints").is_none(), "{found}");
    }
    let body = json!({ "paths": ["/a"], "service": { "name": "zzz" } });
    let found = plane.post("/routes", body).await.expect(400);
    assert!(found.get("hints").is_none(), "{found}");
}
