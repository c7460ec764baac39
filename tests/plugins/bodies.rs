//! What the transformers do to bodies on the wire: framing, limits, statuses, and bodies that are left alone.

use serde_json::{Value, json};
use tests::upstream::Seen;
use tests::wire::{Conn, Reply};
use tests::{Gateway, Request, Setup, Upstream, http2, script, wire};

/// A gateway whose route `/` carries plugins.
pub struct Changed {
    pub gateway: Gateway,
    pub upstream: Upstream,
}

impl Changed {
    /// One plugin; bodies beyond 1,000 bytes are too long to be changed.
    pub async fn by(plugin: &str, config: Value) -> Changed {
        let setup = Setup::node_flags(["--transform-max-body-size", "1000"]);
        Changed::with(setup, &[(plugin, config)]).await
    }

    /// Any plugins, and any flags of the node.
    pub async fn with(setup: Setup, plugins: &[(&str, Value)]) -> Changed {
        let (gateway, upstream) = (Gateway::with(setup).await, Upstream::start().await);
        let admin = gateway.admin();
        admin.service("orders", &upstream).await;
        let route = json!({ "name": "all", "paths": ["/"], "strip_path": false });
        admin.create("/services/orders/routes", route).await;
        for (plugin, config) in plugins {
            admin.plugin("/routes/all", plugin, config.clone()).await;
        }
        gateway.settled().await;
        Changed { gateway, upstream }
    }

    /// What the upstream gets of a request.
    pub async fn seen(&self, request: Request) -> Seen {
        self.gateway.send(request).await.expect_status(200);
        self.upstream.last()
    }

    /// What a client gets of a response that is scripted.
    pub async fn got(&self, response: &Value) -> Reply {
        self.gateway.get(&script(response)).await
    }

    /// The same over HTTP/2.
    pub async fn got_by_http2(&self, request: &Request) -> Reply {
        http2::exchange(self.gateway.node().proxy_tls, request).await
    }

    /// A connection to the node.
    pub async fn connected(&self) -> Conn {
        let conn = Conn::plain(self.gateway.node().proxy).await;
        conn.expect("the port is open")
    }

    /// A line of the node's metrics.
    pub async fn metric(&self, name: &str) -> u64 {
        let request = Request::get("/metrics");
        let reply = wire::exchange(self.gateway.node().status, &request).await;
        let text = reply.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        let value = value.unwrap_or_else(|| panic!("no {name} in\n{text}"));
        value.trim().parse().expect("a whole number")
    }
}

/// A POST with a body of this type.
pub fn upload(kind: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", "/x")
        .header("Content-Type", kind)
        .body(body)
}

#[tokio::test]
async fn a_request_body_is_changed_however_it_is_framed() {
    let config = json!({ "remove": { "body": ["a"] }, "add": { "body": ["b:1"] } });
    let changed = Changed::by("request-transformer", config).await;
    let part =
        |name: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n1\r\n");
    let multipart = part("a") + "--X--\r\n";
    let multipart_changed = part("b") + "--X--\r\n";
    for (kind, sent, expected) in [
        (
            "application/json",
            r#"{"a":1,"n":1.10}"#,
            r#"{"n":1.10,"b":"1"}"#,
        ),
        ("application/x-www-form-urlencoded", "a=1&c=2", "c=2&b=1"),
        (
            "multipart/form-data; boundary=X",
            &multipart,
            &multipart_changed,
        ),
        ("text/plain", "a=1", "a=1"),
    ] {
        for framing in [None, Some(("Transfer-Encoding", "chunked"))] {
            let request = upload(kind, sent);
            let request = match framing {
                Some((name, value)) => request.header(name, value),
                None => request,
            };
            let seen = changed.seen(request).await;
            assert_eq!(
                String::from_utf8_lossy(&seen.body),
                expected,
                "{kind} {framing:?}"
            );
            let length = expected.len().to_string();
            if sent != expected {
                assert_eq!(
                    seen.header("content-length"),
                    Some(&*length),
                    "{kind} {framing:?}"
                );
                assert_eq!(seen.header("transfer-encoding"), None, "{kind} {framing:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_body_too_long_to_change_is_refused_and_any_other_passes() {
    let changed = Changed::by(
        "request-transformer",
        json!({ "remove": { "body": ["a"] } }),
    )
    .await;
    let long = format!("a=1&b={}", "y".repeat(2000));
    let refused = changed
        .gateway
        .send(upload("application/x-www-form-urlencoded", long.as_str()))
        .await;
    let refused = refused.expect_status(413);
    assert_eq!(refused.json()["message"], "Payload too large");
    assert_eq!(changed.upstream.requests(), 0);
    let seen = changed.seen(upload("text/plain", long.as_str())).await;
    assert_eq!(seen.body.len(), long.len());
}

#[tokio::test]
async fn a_template_that_fails_ends_the_request() {
    let config = json!({ "add": { "headers": ["x-who:$(consumer.username)"] } });
    let changed = Changed::by("request-transformer", config).await;
    let reply = changed.gateway.get("/x").await.expect_status(500);
    assert_eq!(reply.json()["message"], "An unexpected error occurred");
    assert_eq!(changed.upstream.requests(), 0);
}

#[tokio::test]
async fn a_form_that_becomes_a_get_is_told_in_the_query_too() {
    let config = json!({ "http_method": "GET", "add": { "querystring": ["z:$(headers['x-z'])"] } });
    let changed = Changed::by("request-transformer", config).await;
    let request = Request::new("POST", "/x?b=1")
        .header("X-Z", "a b")
        .form("a=2&b=3");
    let seen = changed.seen(request).await;
    assert_eq!(
        (&*seen.method, &*seen.path),
        ("GET", "/x?a=2&b=1&b=3&z=a%20b")
    );
    assert_eq!(String::from_utf8_lossy(&seen.body), "a=2&b=3");
}

#[tokio::test]
async fn a_response_body_is_changed_whole_or_passed_on_with_a_notice() {
    let changed = Changed::by(
        "response-transformer",
        json!({ "add": { "json": ["b:1"] } }),
    )
    .await;
    let json = [["Content-Type", "application/json"]];
    let short = changed
        .got(&json!({ "headers": json, "chunks": ["{\"a\"", ":[1 , 2]}"] }))
        .await;
    assert_eq!(short.text(), r#"{"a":[1,2],"b":"1"}"#);
    assert_eq!(short.header("content-length"), Some("19"));
    let long = format!("{{\"a\":\"{}\"}}", "y".repeat(3000));
    let passed = changed.got(&json!({ "headers": json, "body": long })).await;
    assert_eq!(passed.text(), long);
    assert_eq!(
        passed.header("headgate-transform-skipped"),
        Some("body-too-large")
    );
    let broken = changed
        .got(&json!({ "headers": json, "body": "{bad" }))
        .await;
    assert_eq!(broken.text(), "{bad");
}

#[tokio::test]
async fn answers_without_a_body_and_other_types_get_header_steps_only() {
    let config = json!({ "add": { "headers": ["x-n:1"], "json": ["b:1"] } });
    let changed = Changed::by("response-transformer", config).await;
    let json = [["Content-Type", "application/json"]];
    let head = Request::new(
        "HEAD",
        &script(&json!({ "headers": json, "json": { "a": 1 } })),
    );
    let head = changed.gateway.send(head).await.expect_status(200);
    assert_eq!(
        (head.header("x-n"), head.header("content-length")),
        (Some("1"), None)
    );
    let text = [["Content-Type", "text/plain"]];
    let text = changed
        .got(&json!({ "headers": text, "body": "{\"a\":1}" }))
        .await;
    assert_eq!(
        (text.header("x-n"), &*text.text()),
        (Some("1"), "{\"a\":1}")
    );
    assert_eq!(text.header("content-length"), Some("7"));
}

#[tokio::test]
async fn the_advanced_transformer_goes_by_status() {
    let config = json!({
        "remove": { "headers": ["x-list:/^secret/"], "json": ["u.pw"], "if_status": ["200-299"] },
        "replace": { "body": "{\"error\":\"hidden\"}", "if_status": ["500-599"] },
        "allow": { "json": ["u", "error"] },
        "dots_in_keys": false,
    });
    let changed = Changed::by("response-transformer-advanced", config).await;
    let headers = [
        ["Content-Type", "application/json"],
        ["X-List", "a, secret-1,b"],
    ];
    let body = json!({ "u": { "id": 1, "pw": 2 }, "trace": "x" });
    for (status, list, expected) in [
        (200, "a,b", r#"{"u":{"id":1}}"#),
        (404, "a, secret-1,b", r#"{"u":{"id":1,"pw":2}}"#),
        (500, "a, secret-1,b", r#"{"error":"hidden"}"#),
    ] {
        let reply = changed
            .got(&json!({ "status": status, "headers": headers, "json": body }))
            .await;
        let reply = reply.expect_status(status);
        assert_eq!(
            (&*reply.text(), reply.header("x-list")),
            (expected, Some(list)),
            "{status}"
        );
    }
}
