//! What large bodies cost: memory that stays within its bounds, however many come at once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tests::coding::{decode, encode};
use tests::wire::{Conn, Reply, chunk};
use tests::{Request, Setup, eventually, script};
use tokio::task::JoinSet;

use crate::bodies::Changed;

const MIB: usize = 1 << 20;

/// How long the slowest of many large bodies may take where nothing is optimised.
const LONG: Duration = Duration::from_secs(300);

/// A JSON object of about so many bytes, beginning with a member to be taken out, and what is left without it.
fn document(length: usize) -> (Vec<u8>, Vec<u8>) {
    let mut items = Vec::with_capacity(length + 100);
    for number in 0.. {
        if items.len() > length {
            break;
        }
        let name = number * 7919 % 100_003;
        items.extend(
            format!("{{\"id\":{number},\"name\":\"item {name}\",\"price\":1.10}},").bytes(),
        );
    }
    items.extend(b"null");
    let with = |head: &[u8], items: &[u8]| [head, items, b"]}"].concat();
    (
        with(b"{\"secret\":\"s\",\"items\":[", &items),
        with(b"{\"items\":[", &items),
    )
}

/// Reads a reply of a known length as it comes; panics at the first byte that differs.
async fn reads(conn: &mut Conn, expected: &[u8]) {
    let head = conn.head().await.expect("an answer");
    assert_eq!(head.status, 200, "{head}");
    let length = head.header("content-length").map(str::parse);
    assert_eq!(length, Some(Ok(expected.len())), "{head}");
    let mut place = 0;
    while place < expected.len() {
        let piece = conn.some().await.expect("the gateway sends");
        assert!(!piece.is_empty(), "it ends after {place} bytes");
        let same = expected[place..].starts_with(&piece);
        assert!(same, "other bytes after {place}");
        place += piece.len();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_changes_of_7_mib_at_once_stay_within_bounds() {
    let flags = ["--transform-memory-wait", "300"];
    let config = json!({ "remove": { "json": ["secret"] } });
    let plugins = [("response-transformer", config)];
    let changed = Changed::with(Setup::node_flags(flags), &plugins).await;
    let (whole, expected) = document(7 * MIB);
    changed.upstream.document(whole);
    let expected = Arc::new(expected);
    let path =
        script(&json!({ "headers": [["Content-Type", "application/json"]], "document": true }));
    let mut clients = JoinSet::new();
    for _ in 0..100 {
        let mut conn = changed.connected().await;
        let (request, expected) = (Request::get(&path).bytes("a"), expected.clone());
        clients.spawn(async move {
            conn.send(&request).await.expect("the gateway reads");
            let reading = reads(&mut conn, &expected);
            tokio::time::timeout(LONG, reading).await.expect("in time");
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("a right answer");
    }
    let peak = changed.gateway.node().process.peak_memory();
    println!("100 changes of 7 MiB at once: {} MiB at most", peak >> 20);
    assert!(peak < 2560 << 20, "{} MiB", peak >> 20);
}

/// What is compressed is decoded only while it is changed, so a node holds one decoded body for each of its threads.
#[tokio::test(flavor = "multi_thread")]
async fn forty_compressed_bodies_are_not_decoded_all_at_once() {
    let config = json!({ "remove": { "json": ["secret"] } });
    let plugins = [("response-transformer", config)];
    let changed = Changed::with(Setup::default(), &plugins).await;
    let (whole, expected) = document(7 * MIB);
    let expected = Arc::new(expected);
    changed.upstream.document(encode("gzip", &whole));
    let headers = [
        ["Content-Type", "application/json"],
        ["Content-Encoding", "gzip"],
    ];
    let path = script(&json!({ "headers": headers, "document": true }));
    let mut clients = JoinSet::new();
    for _ in 0..40 {
        let mut conn = changed.connected().await;
        let (request, expected) = (Request::get(&path).bytes("a"), expected.clone());
        clients.spawn(async move {
            conn.send(&request).await.expect("the gateway reads");
            let reply = tokio::time::timeout(LONG, whole_reply(&mut conn));
            let body = reply.await.expect("in time");
            let plain = decode("gzip", &body).expect("gzip");
            assert!(plain == *expected, "other bytes");
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("a right answer");
    }
    let peak = changed.gateway.node().process.peak_memory();
    println!(
        "40 compressed bodies of 7 MiB at once: {} MiB at most",
        peak >> 20
    );
    assert!(peak < 240 << 20, "{} MiB", peak >> 20);
}

/// The body of a reply of a known length; nothing else limits how long it may take.
async fn whole_reply(conn: &mut Conn) -> Vec<u8> {
    let head = conn.head().await.expect("an answer").expect_status(200);
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    let length = head.header("content-length").map(str::parse::<usize>);
    let length = length.expect("a length").expect("a number");
    let mut body = Vec::with_capacity(length);
    while body.len() < length {
        let piece = conn.some().await.expect("the gateway sends");
        assert!(!piece.is_empty(), "it ends after {} bytes", body.len());
        body.extend(piece);
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_uploads_of_7_mib_at_once_stay_within_bounds() {
    let flags = ["--transform-memory-wait", "300"];
    let config = json!({ "remove": { "body": ["secret"] } });
    let plugins = [("request-transformer", config)];
    let changed = Changed::with(Setup::node_flags(flags), &plugins).await;
    let (whole, expected) = document(7 * MIB);
    let (whole, expected) = (Arc::new(whole), Arc::new(expected));
    let path = script(&json!({ "mirror": true }));
    let mut clients = JoinSet::new();
    for number in 0..50 {
        let mut conn = changed.connected().await;
        let (path, whole, expected) = (path.clone(), whole.clone(), expected.clone());
        clients.spawn(async move {
            let framing = match number % 2 {
                0 => format!("Content-Length: {}", whole.len()),
                _ => "Transfer-Encoding: chunked".to_owned(),
            };
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
            );
            conn.send(head.as_bytes()).await.expect("the gateway reads");
            for piece in whole.chunks(256 * 1024) {
                let framed = chunk(piece);
                let piece = if number % 2 == 0 { piece } else { &framed };
                conn.send(piece).await.expect("the gateway reads");
            }
            if number % 2 == 1 {
                conn.send(b"0\r\n\r\n").await.expect("the gateway reads");
            }
            let reading = comes_back(&mut conn, &expected);
            tokio::time::timeout(LONG, reading).await.expect("in time");
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("a right answer");
    }
    let peak = changed.gateway.node().process.peak_memory();
    println!("50 uploads of 7 MiB at once: {} MiB at most", peak >> 20);
    assert!(peak < 2560 << 20, "{} MiB", peak >> 20);
}

async fn comes_back(conn: &mut Conn, expected: &[u8]) {
    conn.head().await.expect("an answer").expect_status(200);
    let mut place = 0;
    while let Some((piece, note)) = conn.next_chunk().await.expect("the gateway sends") {
        assert_eq!(note, "");
        let same = expected[place..].starts_with(&piece);
        assert!(same, "other bytes after {place}");
        place += piece.len();
    }
    assert_eq!(place, expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_of_64_mib_costs_no_memory_where_only_headers_are_changed() {
    let config = json!({ "add": { "headers": ["x-n:1"] }, "remove": { "headers": ["x-a"] } });
    let changed = Changed::by("response-transformer", config).await;
    let body: Vec<u8> = (0..64 * MIB).map(|at| ((at * 31) >> 3) as u8).collect();
    changed.upstream.document(body.clone());
    let response = json!({ "headers": [["Content-Type", "application/json"]], "document": true });
    let request = Request::get(&script(&response)).bytes("a");
    let mut warm = changed.connected().await;
    warm.send(&Request::get("/").bytes("a"))
        .await
        .expect("the gateway reads");
    warm.reply("GET").await.expect_status(200);
    let before = changed.gateway.node().process.peak_memory();
    // One client reads as fast as it can; the other lets the gateway wait until the first is done.
    let mut slow = changed.connected().await;
    slow.send(&request).await.expect("the gateway reads");
    let mut fast = changed.connected().await;
    fast.send(&request).await.expect("the gateway reads");
    reads(&mut fast, &body).await;
    reads(&mut slow, &body).await;
    let grown = changed.gateway.node().process.peak_memory() - before;
    println!("two answers of 64 MiB: {} KiB more", grown >> 10);
    // What lies in buffers and what the allocator has not given back yet.
    assert!(grown < 32 << 20, "{} KiB", grown >> 10);
}

/// A node with one thread that has room for about one body of 3 MiB.
async fn with_little_memory(wait: &str) -> Changed {
    let flags = [
        "--workers",
        "1",
        "--transform-memory",
        "2m",
        "--transform-memory-wait",
        wait,
    ];
    let config = json!({ "remove": { "json": ["secret"] } });
    let plugins = [("response-transformer", config)];
    Changed::with(Setup::node_flags(flags), &plugins).await
}

/// A document in pieces, of which the upstream holds back all but the first two.
fn held(length: usize) -> (Value, Vec<u8>) {
    let filler = "y".repeat(1000);
    let response = json!({
        "headers": [["Content-Type", "application/json"]],
        "chunks": ["{\"secret\":1,\"a\":\"", [filler, length / 1000], "\"}"],
        "hold_after": 2,
    });
    let changed = format!("{{\"a\":\"{}\"}}", filler.repeat(length / 1000));
    (response, changed.into_bytes())
}

#[tokio::test]
async fn bodies_wait_for_memory_and_get_their_turn() {
    let changed = with_little_memory("60").await;
    let (whole, expected) = document(3 * MIB);
    changed.upstream.document(whole);
    let (expected, mut clients) = (Arc::new(expected), JoinSet::new());
    for framing in ["length", "chunked"].repeat(5) {
        let response = json!({
            "headers": [["Content-Type", "application/json"]],
            "document": true,
            "framing": framing,
        });
        let mut conn = changed.connected().await;
        let request = Request::get(&script(&response)).bytes("a");
        let expected = expected.clone();
        clients.spawn(async move {
            conn.send(&request).await.expect("the gateway reads");
            reads(&mut conn, &expected).await;
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("a right answer");
    }
    assert!(
        changed
            .metric("headgate_transform_memory_waits_total ")
            .await
            > 0
    );
    eventually("all of it is given back", || async {
        changed.metric("headgate_transform_memory_bytes ").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_body_that_finds_no_memory_in_time_is_not_passed_on_unchanged() {
    let changed = with_little_memory("0.2").await;
    let (response, expected) = held(3 * MIB);
    let mut first = changed.connected().await;
    first
        .send(&Request::get(&script(&response)).bytes("a"))
        .await
        .expect("the gateway reads");
    eventually("it has the memory", || async {
        changed.metric("headgate_transform_memory_bytes ").await > 2 * MIB as u64
    })
    .await;
    changed.upstream.document(document(MIB).0);
    let second = json!({ "headers": [["Content-Type", "application/json"]], "document": true });
    let refused = changed.got(&second).await.expect_status(503);
    assert!(
        refused.text().contains("Too many large bodies at once"),
        "{refused}"
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    let counted = "headgate_answered_here_total{reason=\"body_memory\"} ";
    assert_eq!(changed.metric(counted).await, 1);
    // Small bodies do not wait behind large ones, and nobody waits for what is only passed on.
    let small =
        json!({ "headers": [["Content-Type", "application/json"]], "json": { "secret": 1 } });
    assert_eq!(changed.got(&small).await.text(), "{}");
    let plain = changed
        .got(&json!({ "chunks": [["0123456789", MIB]] }))
        .await;
    assert_eq!(plain.body.len(), 10 * MIB);

    changed.upstream.release();
    reads(&mut first, &expected).await;
    let reply: Reply = changed.got(&second).await;
    assert_eq!(
        reply
            .expect_status(200)
            .header("headgate-transform-skipped"),
        None
    );
}
