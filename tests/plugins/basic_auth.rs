//! basic-auth.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::wire::Reply;
use tests::{Gateway, Request, Upstream};

struct Guarded {
    gateway: Gateway,
    upstream: Upstream,
}

impl Guarded {
    /// A route behind basic-auth, and `ann`, who is called `a` there and has a password with a colon and an umlaut.
    async fn start(config: Value) -> Guarded {
        let (gateway, upstream) = (Gateway::start().await, Upstream::start().await);
        let admin = gateway.admin();
        admin.service("orders", &upstream).await;
        admin.route("orders", "/orders").await;
        admin.plugin("/routes/orders", "basic-auth", config).await;
        for name in ["ann", "guest"] {
            admin
                .create("/consumers", json!({ "username": name }))
                .await;
        }
        let credential = json!({ "username": "a", "password": "pä:ss w" });
        admin.create("/consumers/ann/basic-auth", credential).await;
        Guarded { gateway, upstream }
    }

    async fn with(&self, header: &str, login: &str) -> Reply {
        let value = format!("Basic {}", STANDARD.encode(login));
        self.gateway
            .send(Request::get("/orders").header(header, &value))
            .await
    }
}

#[tokio::test]
async fn user_name_and_password_name_the_consumer_to_the_upstream() {
    let guarded = Guarded::start(json!({})).await;
    for header in ["Authorization", "Proxy-Authorization"] {
        let reply = guarded.with(header, "a:pä:ss w").await.expect_status(200);
        assert_eq!(reply.echoed("x-consumer-username").as_deref(), Some("ann"));
        assert_eq!(
            reply.echoed("x-credential-identifier").as_deref(),
            Some("a")
        );
        assert!(reply.echoed(header).is_some(), "{reply}");
    }
}

#[tokio::test]
async fn whoever_is_wrong_gets_a_challenge_and_never_the_upstream() {
    let guarded = Guarded::start(json!({ "realm": "orders" })).await;
    let none = guarded.gateway.get("/orders").await;
    let mut refused = vec![none];
    for login in ["a:pass", "a:", "b:pä:ss w", "a", ":pä:ss w"] {
        refused.push(guarded.with("Authorization", login).await);
    }
    for reply in refused {
        let reply = reply.expect_status(401);
        assert_eq!(
            reply.header("www-authenticate"),
            Some("Basic realm=\"orders\"")
        );
        assert_eq!(reply.json()["message"], "Unauthorized");
    }
    assert_eq!(guarded.upstream.requests(), 0);
}

#[tokio::test]
async fn the_proxys_header_counts_first_and_the_other_where_it_names_nobody() {
    let guarded = Guarded::start(json!({ "hide_credentials": true })).await;
    let basic = |login: &str| format!("Basic {}", STANDARD.encode(login));
    let send = |proxy: &str, own: &str| {
        let request = Request::get("/orders").header("Proxy-Authorization", &basic(proxy));
        guarded
            .gateway
            .send(request.header("Authorization", &basic(own)))
    };
    send("a:wrong", "a:pä:ss w").await.expect_status(401);
    let reply = send("nobody:x", "a:pä:ss w").await.expect_status(200);
    assert_eq!(reply.echoed("proxy-authorization"), None);
    assert_eq!(reply.echoed("authorization"), None);
    let reply = send("a:pä:ss w", "nobody:x").await.expect_status(200);
    assert_eq!(reply.echoed("proxy-authorization"), None);
    assert_eq!(reply.echoed("authorization"), Some(basic("nobody:x")));
}

#[tokio::test]
async fn a_changed_password_counts_from_the_next_revision_on() {
    let guarded = Guarded::start(json!({})).await;
    let admin = guarded.gateway.admin();
    guarded
        .with("Authorization", "a:pä:ss w")
        .await
        .expect_status(200);
    let path = "/consumers/ann/basic-auth/a";
    admin
        .patch(path, json!({ "password": "new" }))
        .await
        .expect_status(200);
    guarded
        .with("Authorization", "a:new")
        .await
        .expect_status(200);
    guarded
        .with("Authorization", "a:pä:ss w")
        .await
        .expect_status(401);
    admin.delete(path).await.expect_status(204);
    guarded
        .with("Authorization", "a:new")
        .await
        .expect_status(401);
}

#[tokio::test]
async fn clients_without_a_password_may_be_somebody_too() {
    let guarded = Guarded::start(json!({ "anonymous": "guest" })).await;
    let reply = guarded
        .with("Authorization", "a:wrong")
        .await
        .expect_status(200);
    assert_eq!(
        reply.echoed("x-consumer-username").as_deref(),
        Some("guest")
    );
    assert_eq!(
        reply.echoed("x-anonymous-consumer").as_deref(),
        Some("true")
    );
    assert_eq!(reply.echoed("x-credential-identifier"), None);
    let reply = guarded
        .with("Authorization", "a:pä:ss w")
        .await
        .expect_status(200);
    assert_eq!(reply.echoed("x-consumer-username").as_deref(), Some("ann"));
    assert_eq!(reply.echoed("x-anonymous-consumer"), None);
    guarded
        .gateway
        .admin()
        .delete("/consumers/guest")
        .await
        .expect_status(204);
    let reply = guarded.gateway.get("/orders").await.expect_status(500);
    let text = "anonymous consumer guest is configured but doesn't exist";
    assert_eq!(reply.json()["message"], text);
}
