//! What an operator sees of a node: status, readiness, metrics, access log; and how it ends.

use std::time::Duration;

use regex::Regex;
use serde_json::json;
use tests::traffic::Load;
use tests::wire::{Conn, Reply, exchange};
use tests::{Gateway, Request, Setup, Upstream, eventually, script};

use crate::{plain, proxied};

async fn status_port(gateway: &Gateway, request: Request) -> Reply {
    exchange(gateway.node().status, &request).await
}

#[tokio::test]
async fn a_node_is_ready_once_it_has_a_configuration() {
    let gateway = Gateway::start().await;
    let ready = || status_port(&gateway, Request::get("/status/ready"));
    let reply = ready().await.expect_status(503);
    let message = reply.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        message.starts_with("no configuration available"),
        "{message}"
    );
    gateway
        .admin()
        .create("/routes", json!({ "paths": ["/"] }))
        .await;
    gateway.settled().await;
    eventually("the node is ready", || async {
        ready().await.status == 200
    })
    .await;
    assert_eq!(ready().await.json(), json!({ "message": "ready" }));
}

#[tokio::test]
async fn draining_makes_a_node_unready_and_leaves_it_serving() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let post = async |body: &str| {
        let request = Request::new("POST", "/status/ready").form(body);
        status_port(&gateway, request).await.status
    };
    assert_eq!(post("status=other").await, 400);
    assert_eq!(post("status=draining").await, 204);
    let reply = status_port(&gateway, Request::get("/status/ready"))
        .await
        .expect_status(503);
    assert_eq!(reply.json()["message"], "draining");
    gateway.get("/").await.expect_status(200);
}

#[tokio::test]
async fn the_status_says_what_is_served() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let status = gateway.node().status().await;
    let configuration = &status["configuration"];
    assert_eq!(configuration["revision"], gateway.admin().revision());
    assert_eq!(configuration["stale"], false);
    assert!(
        configuration["epoch"].is_string() && configuration["digest"].is_string(),
        "{status}"
    );
    let admin = gateway.admin();
    eventually("both planes agree", || async {
        let nodes = admin.get("/headgate/data-planes").await.json();
        nodes["data"].as_array().map(Vec::len) == Some(1)
            && nodes["data"][0]["applied_revision"] == configuration["revision"]
    })
    .await;
    let reply = status_port(&gateway, Request::get("/nothing"))
        .await
        .expect_status(404);
    assert_eq!(reply.json()["message"], "Not found");
}

#[tokio::test]
async fn the_metrics_are_prometheus_text() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    gateway.get("/").await.expect_status(200);
    let reply = status_port(&gateway, Request::get("/metrics"))
        .await
        .expect_status(200);
    assert!(
        reply
            .header("content-type")
            .is_some_and(|v| v.starts_with("text/plain")),
        "{reply}"
    );
    let text = reply.text();
    let sample =
        Regex::new(r#"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})? (-?[0-9.eE+-]+|NaN|[+-]Inf)$"#)
            .expect("a literal");
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        assert!(sample.is_match(line), "not a sample: {line}");
    }
    let revision = format!("headgate_config_revision {}", gateway.admin().revision());
    assert!(text.lines().any(|line| line == revision), "{text}");
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let log = folder.path().join("access.log");
    let upstream = Upstream::start().await;
    let setup = Setup::node_flags(["--proxy-access-log", log.to_str().expect("UTF-8")]);
    let gateway = proxied(setup, &upstream, json!({})).await;
    let request = Request::get(&format!("{}?a=b", script(&json!({ "body": "12345" }))))
        .header("Referer", "http://x/\"quoted\"")
        .header("User-Agent", "tests/1");
    let id = gateway
        .send(request.clone())
        .await
        .header("x-kong-request-id")
        .expect("a request id")
        .to_owned();
    let missing = gateway
        .node()
        .send(&Request::get("/").header("Host", "x"))
        .await;
    assert_eq!(missing.status, 200);
    let line = Regex::new(concat!(
        r#"^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "#,
        r#""GET /script/\S+\?a=b HTTP/1\.1" 200 5 "http://x/\\x22quoted\\x22" "tests/1" kong_request_id: "([0-9a-f]{32})"$"#,
    ))
    .expect("a literal");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually("both requests are in the log", || async {
        read().lines().count() == 2
    })
    .await;
    // Two connections, perhaps two workers: the lines may come in any order.
    let text = read();
    let found = text.lines().find_map(|own| line.captures(own));
    let found = found.unwrap_or_else(|| panic!("none has the documented form: {text}"));
    assert_eq!(found[1], id);
    let short =
        Regex::new(r#"\] "GET / HTTP/1\.1" 200 \d+ "-" "-" kong_request_id: "[0-9a-f]{32}"$"#);
    let short = short.expect("a literal");
    assert!(text.lines().any(|own| short.is_match(own)), "{text}");
}

#[tokio::test]
async fn a_node_told_to_stop_finishes_what_it_began() {
    let upstream = Upstream::start().await;
    let mut gateway = plain(&upstream).await;
    let proxy = gateway.node().proxy;
    let slow =
        script(&json!({ "delay_ms": 700, "chunks": ["a", "b", "c"], "chunk_delay_ms": 200 }));
    let under_way: Vec<_> = (0..4)
        .map(|_| {
            let request = Request::get(&slow);
            tokio::spawn(async move { exchange(proxy, &request).await })
        })
        .collect();
    eventually("the requests are under way", || async {
        upstream.requests() == 4
    })
    .await;
    gateway.node().process.terminate();
    for reply in under_way {
        let reply = reply
            .await
            .expect("the client does not panic")
            .expect_status(200);
        assert_eq!((reply.text().as_str(), reply.note), ("abc", ""));
    }
    let status = gateway.nodes[0].process.exit().await;
    assert_eq!(status.code(), Some(0), "an orderly end");
    assert!(Conn::plain(proxy).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_kept_connection_learns_of_the_end_by_its_last_answer() {
    let upstream = Upstream::start().await;
    let mut gateway = plain(&upstream).await;
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    conn.send(&Request::get("/").bytes("a"))
        .await
        .expect("the gateway reads");
    conn.reply("GET").await.expect_status(200);
    gateway.node().process.terminate();
    assert!(
        conn.closes_within(Duration::from_secs(10)).await,
        "an idle connection is closed"
    );
    assert_eq!(gateway.nodes[0].process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_quiet_load_over_many_connections_has_no_failure() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let load = Load::start(gateway.node().proxy, "/", 32);
    load.further(3_000).await;
    load.stop().await.assert_flawless();
}
