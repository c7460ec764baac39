//! correlation-id and request-termination.

use serde_json::{Value, json};
use tests::{Gateway, Request, Upstream};

async fn with_plugin(upstream: &Upstream, name: &str, config: Value) -> Gateway {
    let gateway = Gateway::start().await;
    let admin = gateway.admin();
    admin.service("orders", upstream).await;
    admin.route("orders", "/orders").await;
    admin.plugin("/routes/orders", name, config).await;
    gateway
}

#[tokio::test]
async fn correlation_id_numbers_requests_and_keeps_what_the_client_sent() {
    let upstream = Upstream::start().await;
    let config =
        json!({ "header_name": "X-Trace", "generator": "uuid#counter", "echo_downstream": true });
    let gateway = with_plugin(&upstream, "correlation-id", config).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let reply = gateway.get("/orders").await.expect_status(200);
        let id = reply.echoed("x-trace").expect("the upstream gets an id");
        assert_eq!(
            reply.header("x-trace"),
            Some(id.as_str()),
            "the client gets the same id"
        );
        assert!(id.contains('#'), "uuid#counter: {id}");
        ids.push(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "every request has an id of its own: {ids:?}");
    let own = gateway
        .send(Request::get("/orders").header("X-Trace", "mine"))
        .await
        .expect_status(200);
    assert_eq!(
        (own.echoed("x-trace").as_deref(), own.header("x-trace")),
        (Some("mine"), Some("mine"))
    );
}

#[tokio::test]
async fn request_termination_answers_instead_of_the_upstream() {
    let upstream = Upstream::start().await;
    let gateway = with_plugin(
        &upstream,
        "request-termination",
        json!({ "status_code": 403, "message": "closed" }),
    )
    .await;
    let reply = gateway.get("/orders").await.expect_status(403);
    assert_eq!(reply.json()["message"], "closed");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn request_termination_sends_a_body_as_it_is_and_can_wait_for_a_trigger() {
    let upstream = Upstream::start().await;
    let config = json!({ "status_code": 451, "content_type": "text/x", "body": "<gone>", "trigger": "X-Stop" });
    let gateway = with_plugin(&upstream, "request-termination", config).await;
    gateway.get("/orders").await.expect_status(200);
    let reply = gateway
        .send(Request::get("/orders").header("X-Stop", "1"))
        .await
        .expect_status(451);
    assert_eq!(
        (reply.text().as_str(), reply.header("content-type")),
        ("<gone>", Some("text/x"))
    );
    assert_eq!(upstream.requests(), 1);
}
