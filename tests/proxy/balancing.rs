//! Requests to an upstream are spread over its targets (proxy-and-routing.md 9).

use std::collections::HashMap;

use serde_json::{Value, json};
use tests::wire::{Reply, exchange};
use tests::{Gateway, Port, Request, Setup, Upstream, eventually, script};

/// A gateway with a service on the upstream `u.test`, which has no targets yet, and a route on `/`.
pub(crate) async fn balanced(setup: Setup, upstream: Value, service: Value) -> Gateway {
    let gateway = Gateway::with(setup).await;
    let admin = gateway.admin();
    let with = |mut document: Value, more: Value| {
        for (name, value) in more.as_object().expect("members") {
            document[name] = value.clone();
        }
        document
    };
    admin
        .create("/upstreams", with(json!({ "name": "u.test" }), upstream))
        .await;
    let plain = json!({ "name": "orders", "host": "u.test", "port": 1 });
    admin.create("/services", with(plain, service)).await;
    admin.route("orders", "/").await;
    gateway
}

pub(crate) fn one_worker() -> Setup {
    Setup::node_flags(["--workers", "1"])
}

pub(crate) async fn target(gateway: &Gateway, target: impl ToString, weight: u16) -> Value {
    let body = json!({ "target": target.to_string(), "weight": weight });
    gateway
        .admin()
        .create("/upstreams/u.test/targets", body)
        .await
}

pub(crate) async fn two() -> [Upstream; 2] {
    [Upstream::start().await, Upstream::start().await]
}

pub(crate) async fn ask(gateway: &Gateway, times: usize) {
    for _ in 0..times {
        gateway.get("/").await.expect_status(200);
    }
}

fn unavailable(reply: &Reply) {
    assert_eq!(reply.status, 503, "{reply}");
    assert_eq!(
        reply.json()["message"],
        "failure to get a peer from the ring-balancer"
    );
}

/// The health of each target, as the node tells it.
async fn health(gateway: &Gateway) -> HashMap<String, String> {
    gateway.settled().await;
    let reply = exchange(
        gateway.node().status,
        &Request::get("/upstreams/u.test/health"),
    )
    .await;
    let reply = reply.expect_status(200).json();
    let targets = reply["data"].as_array().expect("a list of targets");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    targets
        .iter()
        .map(|target| (text(&target["target"]), text(&target["health"])))
        .collect()
}

async fn becomes(gateway: &Gateway, target: impl ToString, word: &str) {
    let target = target.to_string();
    let what = format!("{target} becomes {word}");
    eventually(&what, || async {
        health(gateway)
            .await
            .get(&target)
            .is_some_and(|health| health == word)
    })
    .await;
}

/// Checklist 32.
#[tokio::test]
async fn round_robin_hits_each_target_by_its_weight() {
    let [one, other] = two().await;
    let idle = Upstream::start().await;
    let gateway = balanced(one_worker(), json!({}), json!({})).await;
    target(&gateway, one.address(), 200).await;
    let changing = target(&gateway, other.address(), 100).await;
    target(&gateway, idle.address(), 0).await;
    ask(&gateway, 30).await;
    assert_eq!(
        (one.requests(), other.requests(), idle.requests()),
        (20, 10, 0)
    );

    let path = format!(
        "/upstreams/u.test/targets/{}",
        changing["id"].as_str().expect("an id")
    );
    gateway
        .admin()
        .patch(&path, json!({ "weight": 200 }))
        .await
        .expect_status(200);
    ask(&gateway, 20).await;
    assert_eq!(
        (one.requests(), other.requests(), idle.requests()),
        (30, 20, 0)
    );
}

#[tokio::test]
async fn an_upstream_without_targets_answers_503() {
    let gateway = balanced(Setup::default(), json!({}), json!({})).await;
    unavailable(&gateway.get("/").await);
    target(&gateway, "127.0.0.1:1", 0).await;
    unavailable(&gateway.get("/").await);
}

/// Checklist 13 and 20.
#[tokio::test]
async fn a_target_that_refuses_is_passed_over_and_the_host_is_that_of_the_next() {
    let upstream = Upstream::start().await;
    let gateway = balanced(one_worker(), json!({}), json!({})).await;
    let closed = [(); 3].map(|()| Port::hold());
    for port in &closed {
        target(&gateway, port.address(), 100).await;
    }
    target(&gateway, format!("localhost:{}", upstream.port()), 100).await;
    ask(&gateway, 8).await;
    gateway
        .send(Request::new("POST", "/").body("x"))
        .await
        .expect_status(200);
    assert_eq!(
        upstream.last().header("host"),
        Some(format!("localhost:{}", upstream.port()).as_str())
    );

    gateway
        .admin()
        .patch("/services/orders", json!({ "retries": 0 }))
        .await
        .expect_status(200);
    let mut statuses: Vec<u16> = Vec::new();
    for _ in 0..8 {
        statuses.push(gateway.get("/").await.status);
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(
        statuses,
        [200, 502],
        "a request has one try, and three of four targets refuse"
    );
}

/// Checklist 13: the port is that of the target, `host_header` names the host, `preserve_host` wins.
#[tokio::test]
async fn targets_are_told_the_host_header_of_their_upstream() {
    let upstream = Upstream::start().await;
    let gateway = balanced(Setup::default(), json!({}), json!({})).await;
    target(&gateway, upstream.address(), 100).await;
    let echoed = |reply: Reply| reply.expect_status(200).echoed("host");
    assert_eq!(
        echoed(gateway.get("/").await),
        Some(upstream.address().to_string())
    );
    let admin = gateway.admin();
    admin
        .patch("/upstreams/u.test", json!({ "host_header": "hh.test" }))
        .await
        .expect_status(200);
    assert_eq!(
        echoed(gateway.get("/").await),
        Some(format!("hh.test:{}", upstream.port()))
    );
    admin
        .patch("/routes/orders", json!({ "preserve_host": true }))
        .await
        .expect_status(200);
    let reply = gateway
        .send(Request::get("/").header("Host", "client.test"))
        .await;
    assert_eq!(echoed(reply).as_deref(), Some("client.test"));
}

/// Checklist 34.
#[tokio::test]
async fn a_busy_target_gets_no_more_requests() {
    let [one, other] = two().await;
    let gateway = balanced(
        Setup::default(),
        json!({ "algorithm": "least-connections" }),
        json!({}),
    )
    .await;
    target(&gateway, one.address(), 100).await;
    target(&gateway, other.address(), 100).await;
    gateway.settled().await;
    let node = gateway.node().proxy;
    let slow = script(&json!({ "chunks": ["held"], "hold_after": 0 }));
    let slow = tokio::spawn(async move { exchange(node, &Request::get(&slow)).await });
    eventually("one of them is busy", || async {
        one.requests() + other.requests() == 1
    })
    .await;
    let (busy, free) = if one.requests() == 1 {
        (&one, &other)
    } else {
        (&other, &one)
    };
    ask(&gateway, 10).await;
    assert_eq!((busy.requests(), free.requests()), (1, 10));
    busy.release();
    let reply = slow.await.expect("it is answered").expect_status(200);
    assert_eq!(reply.text(), "held");
}

#[tokio::test]
async fn the_latency_algorithm_leaves_a_slow_target() {
    let [one, other] = two().await;
    let gateway = balanced(one_worker(), json!({ "algorithm": "latency" }), json!({})).await;
    target(&gateway, one.address(), 100).await;
    target(&gateway, other.address(), 100).await;
    // The first answer of each decides; the slow one's comes late.
    gateway.get(&script(&json!({ "delay_ms": 400 }))).await;
    ask(&gateway, 12).await;
    let mut requests = [one.requests(), other.requests()];
    requests.sort_unstable();
    assert_eq!(requests[0] + requests[1], 13);
    assert!(requests[0] <= 3, "{requests:?}");
}

fn passive(unhealthy: Value, threshold: u8) -> Value {
    json!({ "healthchecks": { "threshold": threshold, "passive": { "unhealthy": unhealthy } } })
}

/// Checklist 35.
#[tokio::test]
async fn bad_answers_take_a_target_out_and_a_change_does_not_bring_it_back() {
    let [one, other] = two().await;
    let gateway = balanced(
        one_worker(),
        passive(json!({ "http_failures": 2 }), 0),
        json!({}),
    )
    .await;
    target(&gateway, one.address(), 100).await;
    becomes(&gateway, one.address(), "HEALTHY").await;
    for status in [500, 404, 500] {
        gateway
            .get(&script(&json!({ "status": status })))
            .await
            .expect_status(status);
    }
    becomes(&gateway, one.address(), "UNHEALTHY").await;
    unavailable(&gateway.get("/").await);

    target(&gateway, other.address(), 100).await;
    gateway
        .admin()
        .patch("/upstreams/u.test", json!({ "slots": 500 }))
        .await
        .expect_status(200);
    ask(&gateway, 6).await;
    assert_eq!((one.requests(), other.requests()), (3, 6));
    assert_eq!(
        health(&gateway).await[&one.address().to_string()],
        "UNHEALTHY"
    );
}

/// Checklist 35: what the gateway answers itself says nothing of a target.
#[tokio::test]
async fn answers_of_the_gateway_do_not_count() {
    let upstream = Upstream::start().await;
    let gateway = balanced(
        one_worker(),
        passive(json!({ "http_failures": 1 }), 0),
        json!({}),
    )
    .await;
    target(&gateway, upstream.address(), 100).await;
    let plugin = gateway
        .admin()
        .plugin("", "request-termination", json!({ "status_code": 500 }))
        .await;
    gateway.get("/").await.expect_status(500);
    let path = format!("/plugins/{}", plugin["id"].as_str().expect("an id"));
    gateway.admin().delete(&path).await.expect_status(204);
    ask(&gateway, 2).await;
    assert_eq!(
        health(&gateway).await[&upstream.address().to_string()],
        "HEALTHY"
    );
}

#[tokio::test]
async fn refused_connections_take_a_target_out() {
    let upstream = Upstream::start().await;
    let gateway = balanced(
        one_worker(),
        passive(json!({ "tcp_failures": 2 }), 0),
        json!({}),
    )
    .await;
    let closed = Port::hold();
    target(&gateway, closed.address(), 100).await;
    target(&gateway, upstream.address(), 100).await;
    ask(&gateway, 6).await;
    becomes(&gateway, closed.address(), "UNHEALTHY").await;
    assert_eq!(
        health(&gateway).await[&upstream.address().to_string()],
        "HEALTHY"
    );
}

/// When the last target has gone out under a request, its next try finds nobody.
#[tokio::test]
async fn a_retry_that_finds_nobody_is_answered_503() {
    let checks = passive(json!({ "tcp_failures": 1 }), 0);
    let gateway = balanced(one_worker(), checks, json!({})).await;
    let closed = Port::hold();
    target(&gateway, closed.address(), 100).await;
    let reply = gateway.get("/").await.expect_status(503);
    assert!(!reply.text().contains("ring-balancer"), "{reply}");
    assert!(
        reply.header("via").is_some(),
        "an address had been tried: {reply}"
    );
    unavailable(&gateway.get("/").await);
}

/// Checklist 37.
#[tokio::test]
async fn half_of_the_weight_is_not_more_than_half() {
    let [one, other] = two().await;
    let gateway = balanced(
        one_worker(),
        passive(json!({ "http_failures": 1 }), 50),
        json!({}),
    )
    .await;
    target(&gateway, one.address(), 100).await;
    target(&gateway, other.address(), 100).await;
    gateway
        .get(&script(&json!({ "status": 500 })))
        .await
        .expect_status(500);
    unavailable(&gateway.get("/").await);
    let whole = Request::get("/upstreams/u.test/health?balancer_health=1");
    let whole = exchange(gateway.node().status, &whole)
        .await
        .expect_status(200)
        .json();
    assert_eq!(whole["data"]["health"], "UNHEALTHY");
    gateway
        .admin()
        .patch(
            "/upstreams/u.test",
            json!({ "healthchecks": { "threshold": 49 } }),
        )
        .await
        .expect_status(200);
    ask(&gateway, 2).await;
}

/// Active checks on `path`, every 50 ms.
fn active(path: &str) -> Value {
    json!({ "healthchecks": { "active": {
        "http_path": path, "headers": { "X-Check": ["a", "b"] },
        "healthy": { "interval": 0.05, "successes": 2 },
        "unhealthy": { "interval": 0.05, "http_failures": 2, "tcp_failures": 2, "timeouts": 2 },
    } } })
}

/// Checklist 36.
#[tokio::test]
async fn questions_find_out_without_traffic_who_is_down_and_who_is_back() {
    let upstream = Upstream::start().await;
    let ill = script(&json!({ "status": 500 }));
    let gateway = balanced(Setup::default(), active(&ill), json!({})).await;
    target(&gateway, format!("localhost:{}", upstream.port()), 100).await;
    let held = Port::hold();
    let closed = held.address();
    target(&gateway, closed, 100).await;
    gateway.settled().await;
    let name = format!("localhost:{}", upstream.port());
    becomes(&gateway, &name, "UNHEALTHY").await;
    becomes(&gateway, closed, "UNHEALTHY").await;
    unavailable(&gateway.get("/").await);
    let asked = upstream.last();
    assert_eq!(
        (asked.method.as_str(), asked.header("host")),
        ("GET", Some("localhost"))
    );
    assert_eq!(
        asked
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("x-check"))
            .count(),
        2
    );

    gateway
        .admin()
        .patch("/upstreams/u.test", active("/"))
        .await
        .expect_status(200);
    becomes(&gateway, &name, "HEALTHY").await;
    assert_eq!(health(&gateway).await[&closed.to_string()], "UNHEALTHY");
    ask(&gateway, 3).await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let upstream = Upstream::start().await;
    let mut checks = active(&script(&json!({ "delay_ms": 3000 })));
    checks["healthchecks"]["active"]["timeout"] = json!(0.05);
    let gateway = balanced(Setup::default(), checks, json!({})).await;
    target(&gateway, upstream.address(), 100).await;
    gateway.settled().await;
    becomes(&gateway, upstream.address(), "UNHEALTHY").await;
}

/// Checklist 36. The target is the node's own TLS port, whose certificate nobody vouches for.
#[tokio::test]
async fn https_checks_verify_the_certificate_unless_told_not_to() {
    let checks = |verify: bool| {
        json!({ "healthchecks": { "active": {
            "type": "https", "https_verify_certificate": verify,
            "healthy": { "interval": 0.05, "successes": 1, "http_statuses": [404] },
            "unhealthy": { "interval": 0.05, "tcp_failures": 1 },
        } } })
    };
    let gateway = balanced(Setup::default(), checks(true), json!({})).await;
    let admin = gateway.admin();
    admin.delete("/routes/orders").await.expect_status(204);
    let own = gateway.node().proxy_tls;
    target(&gateway, own, 100).await;
    gateway.settled().await;
    becomes(&gateway, own, "UNHEALTHY").await;
    admin
        .patch("/upstreams/u.test", checks(false))
        .await
        .expect_status(200);
    becomes(&gateway, own, "HEALTHY").await;
}

#[tokio::test]
async fn tcp_checks_only_connect() {
    let mut checks = active("/");
    checks["healthchecks"]["active"]["type"] = "tcp".into();
    let gateway = balanced(Setup::default(), checks, json!({})).await;
    let port = Port::hold();
    let place = port.address();
    target(&gateway, place, 100).await;
    gateway.settled().await;
    becomes(&gateway, place, "UNHEALTHY").await;
    let _listening = port.listen();
    becomes(&gateway, place, "HEALTHY").await;
}

#[tokio::test]
async fn checks_end_with_their_upstream() {
    let upstream = Upstream::start().await;
    let gateway = balanced(Setup::default(), active("/"), json!({})).await;
    target(&gateway, upstream.address(), 100).await;
    gateway.settled().await;
    eventually("it is asked", || async { upstream.requests() > 2 }).await;
    gateway
        .admin()
        .delete("/routes/orders")
        .await
        .expect_status(204);
    gateway
        .admin()
        .delete("/upstreams/u.test")
        .await
        .expect_status(204);
    gateway.settled().await;
    let status = exchange(
        gateway.node().status,
        &Request::get("/upstreams/u.test/health"),
    )
    .await;
    status.expect_status(404);
    // What was under way when the revision was swapped has ended once two looks see the same.
    let mut seen = upstream.requests();
    eventually("nobody asks any more", || {
        let before = std::mem::replace(&mut seen, upstream.requests());
        let same = before == upstream.requests();
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            same
        }
    })
    .await;
}

/// Targets change under traffic, and no request notices.
#[tokio::test]
async fn targets_are_exchanged_without_dropping_requests() {
    let [one, other] = two().await;
    let gateway = balanced(Setup::default(), json!({}), json!({})).await;
    let first = target(&gateway, one.address(), 100).await;
    let load = gateway.steady_traffic("/").await;
    load.further(20).await;
    target(&gateway, other.address(), 100).await;
    let path = format!(
        "/upstreams/u.test/targets/{}",
        first["id"].as_str().expect("an id")
    );
    gateway.admin().delete(&path).await.expect_status(204);
    gateway.settled().await;
    let before = one.requests();
    load.further(50).await;
    load.stop().await.assert_flawless();
    assert!(one.requests() <= before + 8, "at most what was under way");
    assert!(other.requests() > 0);
}

#[tokio::test]
async fn the_status_port_knows_upstreams_by_name_and_id_and_only_reads() {
    let gateway = balanced(Setup::default(), json!({}), json!({})).await;
    target(&gateway, "127.0.0.1:80", 100).await;
    gateway.settled().await;
    assert_eq!(health(&gateway).await["127.0.0.1:80"], "HEALTHCHECKS_OFF");
    let id = gateway.admin().get("/upstreams/u.test").await.json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let ask = |method: &'static str, path: String| {
        let status = gateway.node().status;
        async move { exchange(status, &Request::new(method, &path)).await.status }
    };
    assert_eq!(ask("GET", format!("/upstreams/{id}/health")).await, 200);
    assert_eq!(ask("GET", "/upstreams/none/health".to_owned()).await, 404);
    assert_eq!(ask("GET", "/upstreams/u.test".to_owned()).await, 404);
    assert_eq!(
        ask("DELETE", "/upstreams/u.test/health".to_owned()).await,
        405
    );
}
