//! key-auth and acl.

use serde_json::{Value, json};
use tests::wire::Reply;
use tests::{Gateway, Request, Upstream};

struct Guarded {
    gateway: Gateway,
    upstream: Upstream,
}

impl Guarded {
    /// A route behind key-auth, and consumers `ann` and `bob`, whose keys are their names.
    async fn start(config: Value) -> Guarded {
        let (gateway, upstream) = (Gateway::start().await, Upstream::start().await);
        let admin = gateway.admin();
        admin.service("orders", &upstream).await;
        admin.route("orders", "/orders").await;
        admin.plugin("/routes/orders", "key-auth", config).await;
        for name in ["ann", "bob"] {
            admin
                .create(
                    "/consumers",
                    json!({ "username": name, "custom_id": format!("{name}-1") }),
                )
                .await;
            admin
                .create(
                    &format!("/consumers/{name}/key-auth"),
                    json!({ "key": name }),
                )
                .await;
        }
        Guarded { gateway, upstream }
    }

    async fn with_key(&self, key: &str) -> Reply {
        self.gateway
            .send(Request::get("/orders").header("apikey", key))
            .await
    }
}

fn message(reply: &Reply) -> String {
    reply.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_key_in_header_or_query_names_the_consumer_to_the_upstream() {
    let guarded = Guarded::start(json!({})).await;
    let by_query = guarded
        .gateway
        .get("/orders?apikey=bob")
        .await
        .expect_status(200);
    assert_eq!(
        by_query.echoed("x-consumer-username").as_deref(),
        Some("bob")
    );
    let reply = guarded.with_key("ann").await.expect_status(200);
    assert_eq!(reply.echoed("x-consumer-username").as_deref(), Some("ann"));
    assert_eq!(
        reply.echoed("x-consumer-custom-id").as_deref(),
        Some("ann-1")
    );
    assert!(
        reply.echoed("x-consumer-id").is_some()
            && reply.echoed("x-credential-identifier").is_some()
    );
    assert_eq!(reply.echoed("x-anonymous-consumer"), None);
}

#[tokio::test]
async fn without_a_valid_key_nothing_reaches_the_upstream() {
    let guarded = Guarded::start(json!({})).await;
    let none = guarded.gateway.get("/orders").await.expect_status(401);
    assert_eq!(message(&none), "No API key found in request");
    assert!(
        none.header("www-authenticate")
            .is_some_and(|v| v.starts_with("Key")),
        "{none}"
    );
    assert_eq!(
        message(&guarded.with_key("nobody").await.expect_status(401)),
        "Unauthorized"
    );
    assert_eq!(guarded.upstream.requests(), 0);
}

#[tokio::test]
async fn a_hidden_credential_does_not_reach_the_upstream() {
    let guarded = Guarded::start(json!({ "hide_credentials": true })).await;
    let reply = guarded.with_key("ann").await.expect_status(200);
    assert_eq!(reply.echoed("apikey"), None);
    let reply = guarded
        .gateway
        .get("/orders?apikey=ann&a=1")
        .await
        .expect_status(200);
    assert_eq!(reply.json()["path"], "/orders?a=1");
}

#[tokio::test]
async fn a_deleted_key_stops_working_and_a_new_one_starts() {
    let guarded = Guarded::start(json!({})).await;
    let admin = guarded.gateway.admin();
    guarded.with_key("ann").await.expect_status(200);
    admin
        .delete("/consumers/ann/key-auth/ann")
        .await
        .expect_status(204);
    guarded.with_key("ann").await.expect_status(401);
    let generated = admin.create("/consumers/ann/key-auth", json!({})).await;
    let key = generated["key"].as_str().expect("a generated key");
    assert_eq!(key.len(), 32, "{generated}");
    guarded.with_key(key).await.expect_status(200);
}

#[tokio::test]
async fn an_anonymous_consumer_lets_requests_without_a_key_pass() {
    let guarded = Guarded::start(json!({})).await;
    let admin = guarded.gateway.admin();
    let guest = admin
        .create("/consumers", json!({ "username": "guest" }))
        .await;
    let plugin = &admin.list("routes/orders/plugins").await[0];
    let path = format!("/plugins/{}", plugin["id"].as_str().expect("an id"));
    admin
        .patch(&path, json!({ "config": { "anonymous": guest["id"] } }))
        .await
        .expect_status(200);
    let reply = guarded.gateway.get("/orders").await.expect_status(200);
    assert_eq!(
        reply.echoed("x-consumer-username").as_deref(),
        Some("guest")
    );
    assert_eq!(
        reply.echoed("x-anonymous-consumer").as_deref(),
        Some("true")
    );
}

#[tokio::test]
async fn acl_lets_groups_in_and_keeps_groups_out() {
    let guarded = Guarded::start(json!({})).await;
    let admin = guarded.gateway.admin();
    admin
        .create("/consumers/ann/acls", json!({ "group": "staff" }))
        .await;
    let plugin = admin
        .plugin("/routes/orders", "acl", json!({ "allow": ["staff"] }))
        .await;
    let reply = guarded.with_key("ann").await.expect_status(200);
    assert_eq!(reply.echoed("x-consumer-groups").as_deref(), Some("staff"));
    assert_eq!(
        message(&guarded.with_key("bob").await.expect_status(403)),
        "You cannot consume this service"
    );
    let path = format!("/plugins/{}", plugin["id"].as_str().expect("an id"));
    let config =
        json!({ "config": { "allow": null, "deny": ["staff"], "hide_groups_header": true } });
    admin.patch(&path, config).await.expect_status(200);
    guarded.with_key("ann").await.expect_status(403);
    let reply = guarded.with_key("bob").await.expect_status(200);
    assert_eq!(reply.echoed("x-consumer-groups"), None);
}
