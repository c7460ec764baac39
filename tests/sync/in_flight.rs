//! A request keeps the revision it began with (I1), and a write can wait for the nodes (sync-protocol.md 3.2).

use serde_json::json;
use tests::wire::exchange;
use tests::{Gateway, Request, Setup, Upstream, eventually, script};

#[tokio::test]
async fn a_request_under_way_ends_as_it_began() {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start().await;
    gateway.admin().service("orders", &upstream).await;
    gateway.admin().route("orders", "/").await;
    let stamp = json!({ "add": { "headers": ["X-Old:1"] } });
    let plugin = gateway
        .admin()
        .plugin("/routes/orders", "response-transformer", stamp)
        .await;
    gateway.settled().await;
    let proxy = gateway.node().proxy;
    let slow = Request::get(&script(&json!({ "delay_ms": 1200, "body": "done" })));
    let under_way = tokio::spawn(async move { exchange(proxy, &slow).await });
    eventually("the request is under way", || async {
        upstream.requests() == 1
    })
    .await;

    let path = format!("/plugins/{}", plugin["id"].as_str().expect("an id"));
    gateway.admin().delete(&path).await.expect_status(204);
    gateway
        .admin()
        .delete("/routes/orders")
        .await
        .expect_status(204);
    gateway.get("/").await.expect_status(404);
    let reply = under_way
        .await
        .expect("the client does not panic")
        .expect_status(200);
    assert_eq!(
        (reply.text().as_str(), reply.header("x-old")),
        ("done", Some("1"))
    );
}

#[tokio::test]
async fn a_write_that_waits_is_answered_when_every_node_runs_it() {
    let gateway = Gateway::with(Setup::nodes(2)).await;
    for number in 0..20 {
        let path = format!("/r{number}");
        let route = json!({ "paths": [path] });
        let reply = gateway
            .admin()
            .post("/routes?wait=applied", route)
            .await
            .expect_status(201);
        assert_eq!(reply.header("headgate-applied"), Some("2/2"), "{reply}");
        for node in &gateway.nodes {
            assert_eq!(
                node.get(&path).await.status,
                503,
                "the route is known, its service is not"
            );
        }
    }
}

#[tokio::test]
async fn with_no_node_a_write_that_waits_is_answered_at_once() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let reply = gateway
        .admin()
        .post("/routes?wait=applied", json!({ "paths": ["/"] }))
        .await;
    assert_eq!(
        reply.expect_status(201).header("headgate-applied"),
        Some("0/0")
    );
}
