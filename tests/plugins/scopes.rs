//! Which configuration of a plugin runs: the most specific one, alone.

use serde_json::{Value, json};
use tests::{Gateway, Request, Upstream};

/// From the most to the least specific.
const LEVELS: [&[&str]; 8] = [
    &["route", "service", "consumer"],
    &["route", "consumer"],
    &["service", "consumer"],
    &["route", "service"],
    &["consumer"],
    &["route"],
    &["service"],
    &[],
];

async fn gateway_with_a_consumer(upstream: &Upstream) -> Gateway {
    let gateway = Gateway::start().await;
    let admin = gateway.admin();
    admin.service("orders", upstream).await;
    admin.route("orders", "/orders").await;
    admin
        .create("/consumers", json!({ "username": "orders" }))
        .await;
    admin
        .create("/consumers/orders/key-auth", json!({ "key": "k" }))
        .await;
    admin
        .plugin("/services/orders", "key-auth", json!({}))
        .await;
    gateway
}

fn stamp(level: usize) -> Value {
    json!({ "add": { "headers": [format!("X-Level:{level}")] } })
}

/// Each entity is found by the same name, under its own key.
fn scoped(name: &str, level: usize) -> Value {
    let mut plugin = json!({ "name": name, "config": stamp(level) });
    for scope in LEVELS[level] {
        let key = if *scope == "consumer" {
            "username"
        } else {
            "name"
        };
        plugin[*scope] = json!({ key: "orders" });
    }
    plugin
}

#[tokio::test]
async fn the_most_specific_configuration_runs_alone() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with_a_consumer(&upstream).await;
    let admin = gateway.admin();
    let mut plugins = Vec::new();
    for level in (0..LEVELS.len()).rev() {
        plugins.push(
            admin
                .create("/plugins", scoped("request-transformer", level))
                .await,
        );
    }
    for (level, plugin) in plugins.iter().rev().enumerate() {
        let reply = gateway
            .send(Request::get("/orders").header("apikey", "k"))
            .await
            .expect_status(200);
        assert_eq!(
            reply.echoed("x-level"),
            Some(level.to_string()),
            "the level {:?} runs",
            LEVELS[level]
        );
        // Every other one is disabled, every other one deleted: both leave the next level in charge.
        let path = format!("/plugins/{}", plugin["id"].as_str().expect("an id"));
        match level % 2 {
            0 => admin
                .patch(&path, json!({ "enabled": false }))
                .await
                .expect_status(200),
            _ => admin.delete(&path).await.expect_status(204),
        };
    }
    let reply = gateway
        .send(Request::get("/orders").header("apikey", "k"))
        .await
        .expect_status(200);
    assert_eq!(reply.echoed("x-level"), None);
}

#[tokio::test]
async fn a_plugin_that_runs_before_authentication_never_sees_the_consumer() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with_a_consumer(&upstream).await;
    let admin = gateway.admin();
    let ask = || gateway.send(Request::get("/orders").header("apikey", "k"));
    // correlation-id stands above key-auth in the order, so a configuration for a consumer cannot apply.
    let plugin = json!({ "name": "correlation-id", "config": { "header_name": "X-Early" }, "consumer": { "username": "orders" } });
    admin.create("/plugins", plugin).await;
    assert_eq!(ask().await.expect_status(200).echoed("x-early"), None);
    admin
        .plugin(
            "/routes/orders",
            "correlation-id",
            json!({ "header_name": "X-Early" }),
        )
        .await;
    assert!(ask().await.expect_status(200).echoed("x-early").is_some());
}

#[tokio::test]
async fn a_global_plugin_works_on_requests_that_match_no_route() {
    let gateway = Gateway::start().await;
    gateway
        .admin()
        .plugin(
            "",
            "response-transformer",
            json!({ "add": { "headers": ["X-Global:1"] } }),
        )
        .await;
    let reply = gateway.get("/nowhere").await.expect_status(404);
    assert_eq!(reply.header("x-global"), Some("1"));
}

#[tokio::test]
async fn a_response_plugin_also_changes_what_another_plugin_answers() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with_a_consumer(&upstream).await;
    gateway
        .admin()
        .plugin(
            "/routes/orders",
            "response-transformer",
            json!({ "add": { "headers": ["X-Late:1"] } }),
        )
        .await;
    let reply = gateway.get("/orders").await.expect_status(401);
    assert_eq!(reply.json()["message"], "No API key found in request");
    assert_eq!(
        reply.header("x-late"),
        Some("1"),
        "an early answer skips later access phases, not later filters"
    );
    assert_eq!(upstream.requests(), 0);
}
