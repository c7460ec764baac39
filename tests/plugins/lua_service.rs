//! What Lua does to the request on its way up, seen by real upstreams: another target, retries, another body, another
//! name; and what templates see of the PDK.

use serde_json::{Value, json};
use tests::{Gateway, Request, Upstream};

/// A gateway with a route to the upstream, and a pre-function in the access phase.
async fn with(upstream: &Upstream, source: &str) -> Gateway {
    let gateway = Gateway::start().await;
    gateway.admin().service("orders", upstream).await;
    gateway.admin().route("orders", "/api").await;
    access(&gateway, source).await;
    gateway
}

async fn access(gateway: &Gateway, source: &str) {
    let config = json!({ "access": [source] });
    gateway
        .admin()
        .plugin("/routes/orders", "pre-function", config)
        .await;
}

#[tokio::test]
async fn a_request_goes_to_another_target_with_all_that_was_set() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let source = format!(
        "assert(kong.request.get_raw_body() == 'hello')
        kong.service.set_target('127.0.0.1', {})
        kong.service.request.set_path('/else/where')
        kong.service.request.set_query({{ q = 'x y' }})
        kong.service.request.set_method('PUT')
        kong.service.request.set_header('host', 'named.test')
        kong.service.request.set_header('x-set', {{ 'a', 'b' }})
        kong.service.request.clear_header('x-gone')
        assert(kong.service.request.set_body({{ n = 1 }}, 'application/json'))",
        second.port()
    );
    let gateway = with(&first, &source).await;
    let request = Request::new("POST", "/api/x?a=1")
        .header("X-Gone", "1")
        .body(b"hello".to_vec());
    gateway.send(request).await.expect_status(200);
    assert_eq!(first.requests(), 0);
    let seen = second.last();
    assert_eq!(seen.method, "PUT");
    assert_eq!(seen.path, "/else/where?q=x%20y");
    assert_eq!(seen.header("host"), Some("named.test"));
    assert_eq!(seen.header("x-gone"), None);
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("content-length"), Some("7"));
    assert_eq!(seen.body, b"{\"n\":1}");
}

#[tokio::test]
async fn a_body_that_was_read_is_sent_on() {
    let upstream = Upstream::start().await;
    let gateway = with(
        &upstream,
        "kong.service.request.set_header('x-length', #kong.request.get_raw_body(0))",
    )
    .await;
    for length in [0, 1, 9_000, 200_000] {
        let body = vec![b'x'; length];
        let request = Request::new("POST", "/api").body(body.clone());
        gateway.send(request).await.expect_status(200);
        let seen = upstream.last();
        assert_eq!(seen.header("x-length"), Some(length.to_string().as_str()));
        assert_eq!(seen.body, body);
    }
}

#[tokio::test]
async fn a_callback_says_where_to_try_again() {
    let upstream = Upstream::start().await;
    let nobody = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("an address").port()
    };
    let source = format!(
        "local tried = 0
        kong.service.set_target('127.0.0.1', {nobody})
        kong.service.set_retries(3)
        kong.service.set_target_retry_callback(function()
          tried = tried + 1
          if tried == 2 then
            return {{ host = '127.0.0.1', port = {} }}
          elseif tried == 1 then
            error('not this time')
          end
        end)",
        upstream.port()
    );
    let gateway = with(&upstream, &source).await;
    gateway.get("/api").await.expect_status(200);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_template_sees_what_plugins_share_and_who_the_client_is() {
    let upstream = Upstream::start().await;
    let gateway = with(
        &upstream,
        "kong.ctx.shared.v = 'shared'
        kong.client.authenticate({ id = '00000000-0000-0000-0000-0000000000b0', username = 'bob' })",
    )
    .await;
    let values: Value = json!([
        "X-Shared:$(shared.v)",
        "X-Who:$(kong.client.get_consumer().username)",
        "X-Path:$(kong.request.get_path())",
    ]);
    let config = json!({ "add": { "headers": values } });
    gateway
        .admin()
        .plugin("/routes/orders", "request-transformer", config)
        .await;
    gateway.get("/api/x").await.expect_status(200);
    let seen = upstream.last();
    assert_eq!(seen.header("x-shared"), Some("shared"));
    assert_eq!(seen.header("x-who"), Some("bob"));
    assert_eq!(seen.header("x-path"), Some("/api/x"));
}
