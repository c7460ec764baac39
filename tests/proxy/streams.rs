//! Bodies and connections: what arrives, when it arrives, over how many connections.

use std::time::Duration;

use serde_json::json;
use tests::wire::{Conn, chunk, chunks};
use tests::{Gateway, Request, Setup, Upstream, script};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{plain, proxied};

/// Bytes that show where they belong.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| (index.wrapping_mul(31) >> 3) as u8)
        .collect()
}

#[tokio::test]
async fn connections_to_the_upstream_are_kept() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    for _ in 0..20 {
        conn.send(&Request::get("/").bytes("a"))
            .await
            .expect("the connection is kept");
        conn.reply("GET").await.expect_status(200);
    }
    assert_eq!(
        upstream.connections(),
        1,
        "one connection of the client is served by one worker"
    );
}

#[tokio::test]
async fn a_pool_of_size_zero_keeps_no_connection() {
    let upstream = Upstream::start().await;
    let setup = Setup::node_flags(["--upstream-keepalive-pool-size", "0"]);
    let gateway = proxied(setup, &upstream, json!({})).await;
    for _ in 0..5 {
        gateway.get("/").await.expect_status(200);
    }
    assert_eq!(upstream.connections(), 5);
}

#[tokio::test]
async fn a_connection_is_closed_after_the_requests_it_may_carry() {
    let upstream = Upstream::start().await;
    let setup = Setup::node_flags(["--upstream-keepalive-max-requests", "2", "--workers", "1"]);
    let gateway = proxied(setup, &upstream, json!({})).await;
    for _ in 0..6 {
        gateway.get("/").await.expect_status(200);
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_meanwhile_costs_no_request() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    // It closes without saying so in the answer.
    let path = script(&json!({ "raw": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" }));
    for _ in 0..30 {
        assert_eq!(gateway.get(&path).await.expect_status(200).text(), "ok");
    }
}

#[tokio::test]
async fn large_bodies_pass_unchanged_both_ways() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let body = pattern(8 << 20);
    let sized = Request::new("POST", "/")
        .header("Content-Type", "x/y")
        .body(body.clone());
    let chunked = sized.clone().header("Transfer-Encoding", "chunked");
    for request in [sized, chunked] {
        gateway.send(request).await.expect_status(200);
        let seen = upstream.last();
        assert_eq!(seen.body.len(), body.len());
        assert!(seen.body == body, "the upstream got other bytes");
    }
    for chunks in [
        json!([["0123456789abcdef", 1 << 19]]),
        json!([["ab", 3], ["c", 1 << 20]]),
    ] {
        let texts = chunks.as_array().expect("a list").iter();
        let expected: String = texts
            .map(|chunk| {
                chunk[0]
                    .as_str()
                    .expect("a text")
                    .repeat(chunk[1].as_u64().expect("a count") as usize)
            })
            .collect();
        let reply = gateway
            .get(&script(&json!({ "chunks": chunks })))
            .await
            .expect_status(200);
        assert_eq!(reply.note, "");
        assert!(
            reply.body == expected.as_bytes(),
            "the client got other bytes: {}",
            reply.body.len()
        );
    }
}

#[tokio::test]
async fn pieces_go_both_ways_as_they_come() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let unbuffered = json!({ "request_buffering": false, "response_buffering": false });
    gateway
        .admin()
        .patch("/routes/orders", unbuffered)
        .await
        .expect_status(200);
    gateway.settled().await;
    let path = script(&json!({ "mirror": true }));
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    conn.send(head.as_bytes()).await.expect("the gateway reads");
    let mut begun = false;
    for word in ["one", "two", "three"] {
        conn.send(&chunk(word.as_bytes()))
            .await
            .expect("the gateway reads");
        if !begun {
            assert_eq!(
                conn.head()
                    .await
                    .expect("the answer begins before the request ends")
                    .status,
                200
            );
            begun = true;
        }
        let (piece, note) = conn
            .next_chunk()
            .await
            .expect("a piece comes back")
            .expect("not the end");
        assert_eq!((piece.as_slice(), note), (word.as_bytes(), ""));
    }
    conn.send(&chunks([])).await.expect("the gateway reads");
    assert!(conn.next_chunk().await.expect("the end comes").is_none());
}

/// More than the sockets on the way hold together.
const LONG: usize = 64 << 20;

/// Writes until nobody has taken anything for a second, or until `LONG` bytes are gone; answers how many.
async fn taken_from(stream: &mut TcpStream) -> usize {
    let piece = vec![b'x'; 64 << 10];
    let mut taken = 0;
    while taken < LONG {
        match timeout(Duration::from_secs(1), stream.write(&piece)).await {
            Ok(written) => taken += written.expect("the gateway keeps the connection"),
            Err(_) => break,
        }
    }
    taken
}

/// A gateway in front of an upstream that is a mere listener.
async fn in_front_of(upstream: &TcpListener) -> Gateway {
    let gateway = Gateway::start().await;
    let address = upstream.local_addr().expect("it is bound");
    let service = json!({ "name": "raw", "url": format!("http://{address}") });
    gateway.admin().create("/services", service).await;
    gateway.admin().route("raw", "/").await;
    gateway.settled().await;
    gateway
}

/// The connection that brings the request. Another test may knock at this port, where something of its own once was.
async fn asked(listener: &TcpListener) -> TcpStream {
    for _ in 0..16 {
        let (upstream, _) = listener.accept().await.expect("the gateway connects");
        if upstream.peek(&mut [0; 4]).await.is_ok_and(|came| came > 0) {
            return upstream;
        }
    }
    panic!("nobody asks for anything");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_upstream_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = in_front_of(&listener).await;
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    conn.send(&Request::get("/").bytes("a"))
        .await
        .expect("the gateway reads");
    let mut upstream = asked(&listener).await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n");
    upstream
        .write_all(head.as_bytes())
        .await
        .expect("the gateway reads");
    assert_eq!(conn.head().await.expect("an answer").status, 200);
    let taken = taken_from(&mut upstream).await;
    assert!(
        taken < LONG / 2,
        "the node holds what nobody reads: {taken} bytes"
    );
}

#[tokio::test]
async fn an_upstream_that_does_not_read_holds_the_client_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = in_front_of(&listener).await;
    let mut client = TcpStream::connect(gateway.node().proxy)
        .await
        .expect("the port is open");
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG}\r\n\r\n");
    client
        .write_all(head.as_bytes())
        .await
        .expect("the gateway reads");
    let taken = taken_from(&mut client).await;
    assert!(
        taken < LONG / 2,
        "the node holds what nobody reads: {taken} bytes"
    );
}

#[tokio::test]
async fn events_arrive_when_they_are_sent() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    // The second is sent only when the first is here.
    let events = json!({
        "headers": [["Content-Type", "text/event-stream"]],
        "chunks": ["data: 1\n\n", "data: 2\n\n"],
        "hold_after": 1,
    });
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    conn.send(&Request::get(&script(&events)).bytes("a"))
        .await
        .expect("the gateway reads");
    assert_eq!(conn.head().await.expect("an answer").status, 200);
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        let (piece, note) = conn
            .next_chunk()
            .await
            .expect("an event comes")
            .expect("not the end");
        assert_eq!((piece.as_slice(), note), (event.as_bytes(), ""));
        upstream.release();
    }
    assert!(conn.next_chunk().await.expect("the end comes").is_none());
}

#[tokio::test]
async fn a_client_that_asks_may_go_on_before_it_sends_its_body() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    conn.send(head.as_bytes()).await.expect("the gateway reads");
    // The body is only sent once the interim answer is there; `head` would wait for the final one.
    let interim = conn.some().await.expect("the gateway answers");
    assert_eq!(
        String::from_utf8_lossy(&interim),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    conn.send(b"hello").await.expect("the gateway reads");
    let reply = conn.reply("POST").await.expect_status(200);
    assert_eq!(upstream.last().body, b"hello");
    assert_eq!(reply.echoed("expect"), None, "it was answered here");
}

#[tokio::test]
async fn a_head_request_gets_the_head_and_no_body() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let path = script(&json!({ "headers": [["X-A", "1"]], "body": "0123456789" }));
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    for _ in 0..2 {
        conn.send(&Request::new("HEAD", &path).bytes("a"))
            .await
            .expect("the connection is kept");
        let reply = conn.reply("HEAD").await.expect_status(200);
        assert_eq!(
            (reply.header("content-length"), reply.header("x-a")),
            (Some("10"), Some("1"))
        );
    }
    conn.send(&Request::get(&path).bytes("a"))
        .await
        .expect("the connection is kept");
    assert_eq!(
        conn.reply("GET").await.expect_status(200).text(),
        "0123456789"
    );
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_in_step() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    for status in [204, 304, 200, 204] {
        let path = script(&json!({ "status": status }));
        conn.send(&Request::get(&path).bytes("a"))
            .await
            .expect("the connection is kept");
        conn.reply("GET").await.expect_status(status);
    }
}

#[tokio::test]
async fn trailers_do_not_disturb_the_body_before_them() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let with_trailers = json!({ "headers": [["Trailer", "X-Sum"]], "chunks": ["ab", "cd"], "trailers": [["X-Sum", "4"]] });
    let mut conn = Conn::plain(gateway.node().proxy)
        .await
        .expect("the port is open");
    for _ in 0..2 {
        let request = Request::get(&script(&with_trailers)).header("TE", "trailers");
        conn.send(&request.bytes("a"))
            .await
            .expect("the connection is kept");
        let reply = conn.reply("GET").await.expect_status(200);
        assert_eq!((reply.text().as_str(), reply.note), ("abcd", ""));
        assert_eq!(upstream.last().header("te"), Some("trailers"));
    }
}
