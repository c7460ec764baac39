//! What settings of a node change for clients and upstreams (proxy-and-routing.md 6, 7).

use serde_json::json;
use tests::wire::Reply;
use tests::{Request, Setup, Upstream};

use crate::proxied;

/// A request that claims to come through another proxy.
fn forwarded() -> Request {
    Request::get("/a?b=c")
        .header("X-Real-IP", "10.9.8.7")
        .header("X-Forwarded-For", "10.1.1.1, 10.2.2.2")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "public.test")
        .header("X-Forwarded-Port", "443")
        .header("X-Forwarded-Path", "/public")
        .header("X-Forwarded-Prefix", "/prefix")
}

async fn echoed(flags: &[&str], request: Request) -> Reply {
    let upstream = Upstream::start().await;
    let setup = Setup::node_flags(flags.iter().copied());
    let gateway = proxied(setup, &upstream, json!({})).await;
    gateway.send(request).await.expect_status(200)
}

#[track_caller]
fn assert_echoed(reply: &Reply, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(reply.echoed(name).as_deref(), *value, "{name}: {reply}");
    }
}

#[tokio::test]
async fn nobody_is_trusted_by_default() {
    let reply = echoed(&[], forwarded()).await;
    assert_echoed(
        &reply,
        &[
            ("x-real-ip", Some("127.0.0.1")),
            ("x-forwarded-for", Some("10.1.1.1, 10.2.2.2, 127.0.0.1")),
            ("x-forwarded-proto", Some("http")),
            ("x-forwarded-host", Some("gateway.test")),
            ("x-forwarded-path", Some("/a")),
            ("x-forwarded-prefix", None),
        ],
    );
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let reply = echoed(&["--trusted-ips", "127.0.0.0/8"], forwarded()).await;
    assert_echoed(
        &reply,
        &[
            ("x-real-ip", Some("10.9.8.7")),
            ("x-forwarded-for", Some("10.1.1.1, 10.2.2.2, 127.0.0.1")),
            ("x-forwarded-proto", Some("https")),
            ("x-forwarded-host", Some("public.test")),
            ("x-forwarded-port", Some("443")),
            ("x-forwarded-path", Some("/public")),
            ("x-forwarded-prefix", Some("/prefix")),
        ],
    );
}

#[tokio::test]
async fn the_client_address_comes_from_the_header_that_is_set() {
    let last = [
        "--trusted-ips",
        "127.0.0.0/8,10.2.0.0/16",
        "--real-ip-header",
        "X-Forwarded-For",
    ];
    assert_echoed(
        &echoed(&last, forwarded()).await,
        &[("x-real-ip", Some("10.2.2.2"))],
    );
    let recursive = [&last[..], &["--real-ip-recursive", "on"]].concat();
    assert_echoed(
        &echoed(&recursive, forwarded()).await,
        &[("x-real-ip", Some("10.1.1.1"))],
    );
}

#[tokio::test]
async fn the_headers_of_our_own_can_be_chosen() {
    let names = [
        "server",
        "via",
        "x-kong-proxy-latency",
        "x-kong-upstream-latency",
        "x-kong-request-id",
        "x-kong-upstream-status",
    ];
    let cases: [(&str, &[&str]); 4] = [
        ("off", &[]),
        ("server_tokens", &["server", "via"]),
        (
            "latency_tokens",
            &["x-kong-proxy-latency", "x-kong-upstream-latency"],
        ),
        (
            "X-Kong-Upstream-Status, X-Kong-Request-Id",
            &["x-kong-request-id", "x-kong-upstream-status"],
        ),
    ];
    for (value, expected) in cases {
        let reply = echoed(&["--headers", value], Request::get("/")).await;
        let sent: Vec<&str> = names
            .into_iter()
            .filter(|name| reply.header(name).is_some())
            .collect();
        assert_eq!(sent, expected, "headers = {value}: {reply}");
    }
}

#[tokio::test]
async fn the_upstream_need_not_learn_the_request_id() {
    let reply = echoed(&["--headers-upstream", "off"], Request::get("/")).await;
    assert_echoed(&reply, &[("x-kong-request-id", None)]);
    let reply = echoed(&[], Request::get("/").header("X-Kong-Request-Id", "mine")).await;
    let id = reply.header("x-kong-request-id").map(str::to_owned);
    assert_eq!(
        reply.echoed("x-kong-request-id"),
        id,
        "what the client sent is replaced"
    );
}

#[tokio::test]
async fn the_host_is_the_services_or_the_clients() {
    let upstream = Upstream::start().await;
    let gateway = proxied(Setup::default(), &upstream, json!({})).await;
    let own = gateway.get("/").await.expect_status(200);
    assert_echoed(&own, &[("host", Some(&upstream.address().to_string()))]);
    gateway
        .admin()
        .patch("/routes/orders", json!({ "preserve_host": true }))
        .await
        .expect_status(200);
    let kept = gateway
        .send(Request::get("/").header("Host", "Shop.test:81"))
        .await
        .expect_status(200);
    assert_echoed(&kept, &[("host", Some("Shop.test:81"))]);
}

#[tokio::test]
async fn an_error_without_a_wish_has_the_type_that_is_set() {
    let upstream = Upstream::start().await;
    let setup = Setup::node_flags(["--error-default-type", "application/json"]);
    let gateway = proxied(
        setup,
        &upstream,
        json!({ "read_timeout": 50, "retries": 0 }),
    )
    .await;
    let slow = tests::script(&json!({ "delay_ms": 2000 }));
    let reply = gateway.get(&slow).await.expect_status(504);
    assert_eq!(reply.json()["message"], "The upstream server is timing out");
}

#[tokio::test]
async fn debug_headers_come_only_where_they_are_allowed() {
    let asked = || Request::get("/").header("Kong-Debug", "1");
    let refused = echoed(&[], asked()).await;
    assert_eq!(refused.header("kong-route-name"), None);
    let allowed = echoed(&["--allow-debug-header", "on"], asked()).await;
    assert_eq!(
        (
            allowed.header("kong-route-name"),
            allowed.header("kong-service-name")
        ),
        (Some("orders"), Some("orders"))
    );
}
