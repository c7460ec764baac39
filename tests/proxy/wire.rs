//! HTTP/1.1 between the node and an upstream, byte for byte: an upstream that is a mere socket shows what is written, and says
//! what a well-behaved one never would.

use std::time::Duration;

use serde_json::json;
use tests::wire::{Conn, chunk, chunks};
use tests::{Gateway, Request, Setup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// More than the sockets on the way and what is read before connecting hold together.
const LONG: usize = 32 << 20;

/// A gateway of one worker in front of a listener.
async fn in_front_of(upstream: &TcpListener) -> Gateway {
    let gateway = Gateway::with(Setup::node_flags(["--workers", "1"])).await;
    let address = upstream.local_addr().expect("it is bound");
    let service =
        json!({ "name": "raw", "url": format!("http://{address}"), "read_timeout": 10_000 });
    gateway.admin().create("/services", service).await;
    gateway.admin().route("raw", "/").await;
    gateway.settled().await;
    gateway
}

async fn client(gateway: &Gateway) -> Conn {
    let conn = Conn::plain(gateway.node().proxy).await;
    conn.expect("the port is open")
}

/// The next connection that brings a request, and that request's head. Another test may knock at this port, where
/// something of its own once was.
async fn asked(listener: &TcpListener) -> (TcpStream, String) {
    for _ in 0..16 {
        let (mut upstream, _) = listener.accept().await.expect("the gateway connects");
        if let Some(head) = head(&mut upstream).await {
            return (upstream, head);
        }
    }
    panic!("nobody asks for anything");
}

/// The head of a request; `None` if the connection ends.
async fn head(upstream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(upstream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).expect("a head is text here"))
}

async fn say(upstream: &mut TcpStream, text: &str) {
    let said = upstream.write_all(text.as_bytes()).await;
    said.expect("the gateway reads");
}

/// Reads `length` bytes.
async fn read(upstream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let read = timeout(Duration::from_secs(20), upstream.read_exact(&mut bytes)).await;
    read.expect("it comes in time").expect("it is whole");
    bytes
}

/// How a request is framed: by a length if that is known, else in chunks, whatever the method.
#[tokio::test]
async fn a_body_is_framed_by_what_is_known_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = in_front_of(&listener).await;
    // Longer than what is read before connecting.
    let long = "x".repeat(100_000);
    for (method, body, framing) in [
        ("GET", None, None),
        ("POST", None, None),
        ("POST", Some("short"), Some("content-length: 5")),
        ("GET", Some("short"), Some("content-length: 5")),
        ("POST", Some(&*long), Some("transfer-encoding: chunked")),
        ("GET", Some(&*long), Some("transfer-encoding: chunked")),
        ("DELETE", Some(&*long), Some("transfer-encoding: chunked")),
    ] {
        let mut conn = client(&gateway).await;
        let request = match body {
            None => format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
            Some(body) => {
                let head =
                    format!("{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                [head.into_bytes(), chunks([body.as_bytes()])].concat()
            }
        };
        conn.send(&request).await.expect("the gateway reads");
        let (mut upstream, head) = asked(&listener).await;
        let said = head.lines().find(|line| {
            line.starts_with("content-length") || line.starts_with("transfer-encoding")
        });
        assert_eq!(said, framing, "{method} {head}");
        match (body, framing) {
            (Some(body), Some("transfer-encoding: chunked")) => {
                let mut got = Vec::new();
                loop {
                    let mut line = Vec::new();
                    while !line.ends_with(b"\r\n") {
                        line.push(upstream.read_u8().await.expect("a chunk"));
                    }
                    let size = std::str::from_utf8(&line).expect("text").trim();
                    let size = usize::from_str_radix(size, 16).expect("a size");
                    got.extend_from_slice(&read(&mut upstream, size).await);
                    assert_eq!(read(&mut upstream, 2).await, b"\r\n");
                    if size == 0 {
                        break;
                    }
                }
                assert!(got == body.as_bytes(), "{} bytes came", got.len());
            }
            (Some(body), _) => assert_eq!(read(&mut upstream, body.len()).await, body.as_bytes()),
            (None, _) => {}
        }
        say(
            &mut upstream,
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        )
        .await;
        conn.reply(method).await.expect_status(204);
    }
}

/// An upstream that answers before it has the whole request gets the rest of it all the same.
#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = in_front_of(&listener).await;
    let mut conn = client(&gateway).await;
    let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG}\r\n\r\n");
    conn.send(head.as_bytes()).await.expect("the gateway reads");
    conn.send(&vec![b'x'; 128 << 10])
        .await
        .expect("the gateway reads");
    let (mut upstream, _) = asked(&listener).await;
    say(
        &mut upstream,
        "HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nlater",
    )
    .await;
    let reply = conn.reply("PUT").await.expect_status(202);
    assert_eq!(reply.text(), "later");
    let rest = vec![b'x'; LONG - (128 << 10)];
    let (sent, got) = tokio::join!(conn.send(&rest), read(&mut upstream, LONG));
    sent.expect("the gateway reads");
    assert!(got.iter().all(|byte| *byte == b'x'));
}

/// An upstream that refuses a body and closes: the client gets the answer, not an error of the gateway's.
#[tokio::test]
async fn an_upstream_that_refuses_a_body_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = in_front_of(&listener).await;
    for _ in 0..5 {
        let mut conn = client(&gateway).await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG}\r\n\r\n");
        conn.send(head.as_bytes()).await.expect("the gateway reads");
        conn.send(&vec![b'x'; 128 << 10])
            .await
            .expect("the gateway reads");
        let (mut upstream, _) = asked(&listener).await;
        let answer =
            "HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlong";
        say(&mut upstream, answer).await;
        let reply = conn.reply("POST").await.expect_status(413);
        assert_eq!(reply.text(), "long");
        drop(upstream);
    }
}

/// What an upstream says unasked is nobody's answer: neither behind an answer nor while the connection waits.
#[tokio::test]
async fn what_an_upstream_says_unasked_reaches_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = in_front_of(&listener).await;
    let mut conn = client(&gateway).await;
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    for (at_once, pause) in [(true, 0), (false, 0), (false, 100)] {
        conn.send(&Request::get("/").bytes("a"))
            .await
            .expect("the gateway reads");
        let (mut upstream, _) = asked(&listener).await;
        if at_once {
            say(&mut upstream, &format!("{answer}true{forged}")).await;
        } else {
            say(&mut upstream, &format!("{answer}true")).await;
        }
        assert_eq!(conn.reply("GET").await.expect_status(200).text(), "true");
        if !at_once {
            say(&mut upstream, forged).await;
        }
        // Long enough for it to lie there when the connection is wanted again.
        tokio::time::sleep(Duration::from_millis(pause.max(50))).await;
        drop(upstream);
    }
    conn.send(&Request::get("/").bytes("a"))
        .await
        .expect("the gateway reads");
    let (mut upstream, _) = asked(&listener).await;
    say(&mut upstream, &format!("{answer}last")).await;
    assert_eq!(conn.reply("GET").await.expect_status(200).text(), "last");
}

/// Early hints and their like are not the answer, however many come.
#[tokio::test]
async fn what_comes_before_the_answer_is_passed_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = in_front_of(&listener).await;
    let mut conn = client(&gateway).await;
    conn.send(&Request::get("/").bytes("a"))
        .await
        .expect("the gateway reads");
    let (mut upstream, _) = asked(&listener).await;
    for status in ["100 Continue", "102 Processing", "103 Early Hints"] {
        say(
            &mut upstream,
            &format!("HTTP/1.1 {status}\r\nX-Early: 1\r\n\r\n"),
        )
        .await;
    }
    say(
        &mut upstream,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let reply = conn.reply("GET").await.expect_status(200);
    assert_eq!(
        (reply.text().as_str(), reply.header("x-early")),
        ("ok", None)
    );
}

/// A body in chunks goes up in chunks, with the trailers that were announced.
#[tokio::test]
async fn trailers_of_a_request_go_up_if_they_were_announced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gateway = in_front_of(&listener).await;
    let unbuffered = json!({ "request_buffering": false });
    let patched = gateway.admin().patch("/routes/raw", unbuffered).await;
    patched.expect_status(200);
    gateway.settled().await;
    let mut conn = client(&gateway).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
    conn.send(head.as_bytes()).await.expect("the gateway reads");
    conn.send(&chunk(b"body")).await.expect("the gateway reads");
    let (mut upstream, _) = asked(&listener).await;
    assert_eq!(read(&mut upstream, 9).await, b"4\r\nbody\r\n");
    conn.send(b"0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n")
        .await
        .expect("the gateway reads");
    let end = b"0\r\nx-sum: 1\r\n\r\n";
    assert_eq!(read(&mut upstream, end.len()).await, end);
    say(
        &mut upstream,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    conn.reply("POST").await.expect_status(200);
}
