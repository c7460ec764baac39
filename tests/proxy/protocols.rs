//! HTTP/2 and TLS towards clients, HTTP/1.0, and headers that depend on them.

use http::Version;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tests::wire::Conn;
use tests::{Request, Upstream, http2};

use crate::plain;

fn post(path: &str, body: &str) -> http::Request<Full<Bytes>> {
    let request = http::Request::post(format!("https://gateway.test{path}")).header("x-a", "1");
    request
        .body(Full::from(body.to_owned()))
        .expect("a sound request")
}

#[tokio::test]
async fn http_2_over_tls_is_proxied_in_many_streams_at_once() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let sender = http2::connect(gateway.node().proxy_tls).await;
    let streams = (0..50).map(|number| {
        let mut sender = sender.clone();
        tokio::spawn(async move {
            sender.ready().await.expect("the connection is open");
            let response = sender
                .send_request(post(&format!("/n{number}"), &number.to_string()))
                .await;
            let response = response.expect("an answer");
            assert_eq!(
                (response.status().as_u16(), response.version()),
                (200, Version::HTTP_2)
            );
            let body = response
                .into_body()
                .collect()
                .await
                .expect("a whole body")
                .to_bytes();
            serde_json::from_slice::<Value>(&body).expect("the upstream answers JSON")
        })
    });
    for (number, stream) in streams.collect::<Vec<_>>().into_iter().enumerate() {
        let echo = stream.await.expect("no stream fails");
        assert_eq!(
            (&echo["path"], &echo["body"]),
            (&json!(format!("/n{number}")), &json!(number.to_string()))
        );
    }
}

#[tokio::test]
async fn the_upstream_learns_how_the_client_came() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let node = gateway.node();
    let mut sender = http2::connect(node.proxy_tls).await;
    sender
        .send_request(post("/a", "x"))
        .await
        .expect("an answer");
    let seen = upstream.last();
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(
        seen.header("x-forwarded-port"),
        Some(node.proxy_tls.port().to_string().as_str())
    );
    assert_eq!(seen.header("x-forwarded-host"), Some("gateway.test"));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert!(
        seen.header("via")
            .is_some_and(|via| via.starts_with("2 headgate/")),
        "{seen:?}"
    );
    assert_eq!(
        seen.header("host"),
        Some(upstream.address().to_string().as_str())
    );

    node.get("/b").await.expect_status(200);
    let seen = upstream.last();
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert!(
        seen.header("via")
            .is_some_and(|via| via.starts_with("1.1 headgate/")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn http_1_over_tls_is_served_with_and_without_a_server_name() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    for sni in [Some("gateway.test"), None] {
        let mut conn = Conn::tls(gateway.node().proxy_tls, sni)
            .await
            .expect("TLS is served");
        for _ in 0..2 {
            conn.send(&Request::get("/").bytes("gateway.test"))
                .await
                .expect("the connection is kept");
            conn.reply("GET").await.expect_status(200);
        }
    }
}

#[tokio::test]
async fn an_http_2_client_gets_errors_and_empty_answers_too() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let path = tests::script(&json!({ "status": 204 }));
    let mut sender = http2::connect(gateway.node().proxy_tls).await;
    let response = sender
        .send_request(post(&path, ""))
        .await
        .expect("an answer");
    assert_eq!(response.status().as_u16(), 204);
    gateway
        .admin()
        .delete("/routes/orders")
        .await
        .expect_status(204);
    gateway.settled().await;
    let response = sender
        .send_request(post("/", ""))
        .await
        .expect("an answer on the same connection");
    assert_eq!(response.status().as_u16(), 404);
    assert!(
        !response.headers().contains_key("connection")
            && !response.headers().contains_key("transfer-encoding")
    );
}

#[tokio::test]
async fn http_1_0_needs_no_host_and_ends_with_the_answer() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    conn.send(b"GET /old HTTP/1.0\r\n\r\n")
        .await
        .expect("the gateway reads");
    let reply = conn.reply("GET").await.expect_status(200);
    assert_eq!(reply.json()["path"], "/old");
    assert_eq!(
        reply.header("transfer-encoding"),
        None,
        "HTTP/1.0 knows no chunks"
    );
    assert!(conn.closes_within(std::time::Duration::from_secs(5)).await);
}
