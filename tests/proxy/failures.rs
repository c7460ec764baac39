//! What a client gets when something is missing or breaks (proxy-and-routing.md 4, 7, 8.1).

use std::time::{Duration, Instant};

use serde_json::json;
use tests::wire::Reply;
use tests::{Gateway, Port, Request, Setup, Upstream, script};

use crate::{plain, proxied};

fn is_request_id(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The text form of an error: message, request id.
fn assert_says(reply: &Reply, message: &str) {
    let id = reply.header("x-kong-request-id").unwrap_or_default();
    assert_eq!(
        reply.text(),
        format!("{message}\nrequest_id: {id}\n"),
        "{reply}"
    );
}

#[tokio::test]
async fn without_a_route_the_answer_is_a_404_of_two_members() {
    let gateway = Gateway::start().await;
    let reply = gateway.get("/nowhere").await.expect_status(404);
    let id = reply
        .header("x-kong-request-id")
        .expect("every answer has a request id")
        .to_owned();
    assert!(is_request_id(&id), "{id}");
    assert_eq!(
        reply.json(),
        json!({ "message": "no Route matched with those values", "request_id": id })
    );
    let expected = format!(
        "{{\n  \"message\":\"no Route matched with those values\",\n  \"request_id\":\"{id}\"\n}}"
    );
    assert_eq!(reply.text(), expected);
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert!(
        reply
            .header("server")
            .is_some_and(|v| v.starts_with("headgate/")),
        "{reply}"
    );
    assert_eq!(reply.header("via"), None);
}

#[tokio::test]
async fn an_error_takes_the_type_the_client_accepts() {
    let gateway = Gateway::start().await;
    let cases = [
        (
            "text/plain",
            "text/plain; charset=utf-8",
            "no Route matched with those values\nrequest_id: ",
        ),
        ("text/html", "text/html; charset=utf-8", "<!doctype html>"),
        (
            "application/xml",
            "application/xml; charset=utf-8",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>",
        ),
        (
            "application/json;q=0.1, text/html;q=0.9",
            "text/html; charset=utf-8",
            "<!doctype html>",
        ),
        (
            "image/png",
            "application/json; charset=utf-8",
            "{\n  \"message\":",
        ),
    ];
    for (accept, content_type, begins) in cases {
        let reply = gateway
            .send(Request::get("/nowhere").header("Accept", accept))
            .await
            .expect_status(404);
        assert_eq!(reply.header("content-type"), Some(content_type), "{accept}");
        let text = reply.text();
        assert!(
            text.to_lowercase().starts_with(&begins.to_lowercase()),
            "{accept}: {text}"
        );
    }
}

#[tokio::test]
async fn a_route_without_a_service_says_so() {
    let gateway = Gateway::start().await;
    gateway
        .admin()
        .create("/routes", json!({ "paths": ["/alone"] }))
        .await;
    let reply = gateway.get("/alone").await.expect_status(503);
    assert_eq!(
        reply.json()["message"],
        "no Service found with those values"
    );
}

#[tokio::test]
async fn an_upstream_that_refuses_is_a_502() {
    let (upstream, closed) = (Upstream::start().await, Port::hold());
    let service = json!({ "port": closed.number(), "retries": 1 });
    let gateway = proxied(Setup::default(), &upstream, service).await;
    for request in [Request::get("/"), Request::new("POST", "/").body("x")] {
        let reply = gateway.send(request).await.expect_status(502);
        assert_says(
            &reply,
            "An invalid response was received from the upstream server",
        );
        assert!(
            reply.header("via").is_some(),
            "it counts as proxied: {reply}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_is_too_slow_is_a_504() {
    let upstream = Upstream::start().await;
    let gateway = proxied(
        Setup::default(),
        &upstream,
        json!({ "read_timeout": 200, "retries": 0 }),
    )
    .await;
    let begin = Instant::now();
    let reply = gateway
        .get(&script(&json!({ "delay_ms": 5000 })))
        .await
        .expect_status(504);
    let took = begin.elapsed();
    assert_says(&reply, "The upstream server is timing out");
    assert!(
        (Duration::from_millis(190)..Duration::from_secs(3)).contains(&took),
        "{took:?}"
    );
    // The limit stands between two reads, not over the whole answer.
    let steady = json!({ "chunks": ["a", "b", "c", "d", "e"], "chunk_delay_ms": 120 });
    let reply = gateway.get(&script(&steady)).await.expect_status(200);
    assert_eq!((reply.text().as_str(), reply.note), ("abcde", ""));
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_tried_again() {
    let upstream = Upstream::start().await;
    // A kept connection that turns out to be closed is no try: every try has a connection of its own here.
    let setup = Setup::node_flags(["--upstream-keepalive-pool-size", "0"]);
    let gateway = proxied(setup, &upstream, json!({ "retries": 2 })).await;
    let cases = [
        ("a GET is tried three times", "GET", 2, 200, 3),
        ("and no fourth time", "GET", 3, 502, 3),
        ("a POST may have done its work", "POST", 1, 502, 1),
        ("a PUT can be repeated", "PUT", 1, 200, 2),
    ];
    for (number, (why, method, closes, status, tries)) in cases.into_iter().enumerate() {
        let before = upstream.requests();
        let path = script(&json!({ "close_first": closes, "body": format!("case {number}") }));
        let request = Request::new(method, &path).header("Content-Length", "0");
        let reply = gateway.send(request).await;
        assert_eq!(
            (reply.status, upstream.requests() - before),
            (status, tries),
            "{why}: {reply}"
        );
    }
}

#[tokio::test]
async fn without_retries_there_is_one_try() {
    let upstream = Upstream::start().await;
    let gateway = proxied(Setup::default(), &upstream, json!({ "retries": 0 })).await;
    gateway
        .get(&script(&json!({ "close_first": 1 })))
        .await
        .expect_status(502);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_status_is_an_answer_and_never_tried_again() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    for status in [500, 502, 503, 504] {
        let before = upstream.requests();
        let reply = gateway
            .get(&script(
                &json!({ "status": status, "body": "its own words" }),
            ))
            .await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (status, "its own words")
        );
        assert_eq!(upstream.requests() - before, 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_502_and_not_tried_again() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let reply = gateway
        .get(&script(&json!({ "raw": "garbage\r\n\r\n" })))
        .await
        .expect_status(502);
    assert_says(
        &reply,
        "An invalid response was received from the upstream server",
    );
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_off_for_the_client_too() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    for framing in ["length", "chunked"] {
        let broken = json!({ "framing": framing, "body": "0123456789", "close_mid": 4 });
        let reply = gateway.get(&script(&broken)).await.expect_status(200);
        assert_eq!(
            (reply.text().as_str(), reply.note),
            ("0123", "truncated"),
            "{framing}"
        );
    }
    gateway.get("/").await.expect_status(200);
}

#[tokio::test]
async fn what_is_not_http_gets_a_400_and_harms_nobody() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let node = gateway.node().proxy;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n",
        "x".repeat(300_000)
    );
    let cases = [
        "GET /\r\n\r\n\r\n",
        "NONSENSE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nBroken\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "\0\x01\x02\x03",
        &long,
    ];
    for bytes in cases {
        let mut conn = tests::wire::Conn::plain(node)
            .await
            .expect("the port is open");
        let _ = conn.send(bytes.as_bytes()).await;
        let _ = conn.finish().await;
        let reply = conn.reply("GET").await;
        let shown = &bytes[..bytes.len().min(40)];
        assert!(
            reply.status == 0 || (400..500).contains(&reply.status),
            "{shown:?}: {reply}"
        );
        gateway.get("/").await.expect_status(200);
    }
    let seen = upstream.seen();
    assert_eq!(
        seen.len(),
        cases.len(),
        "none of it reached the upstream: {seen:#?}"
    );
}
