//! Bodies that nobody wants whole pass piece by piece: configurations of header steps alone, types that no step is for,
//! events, gRPC, and bodies that are replaced unseen.

use serde_json::{Value, json};
use tests::wire::{Conn, chunk, chunks};
use tests::{Request, Setup, eventually, script};

use crate::bodies::Changed;

/// Half of a body, and the other half once the test lets it go.
fn halves(kind: &str) -> Value {
    json!({
        "headers": [["Content-Type", kind]],
        "chunks": ["{\"first\":1,", "\"second\":2}"],
        "hold_after": 1,
    })
}

/// Asks for a response of which the upstream sends the second half only when the client has the first.
async fn half_by_half(changed: &Changed, path: &str) {
    let mut conn = changed.connected().await;
    conn.send(&Request::get(path).bytes("a"))
        .await
        .expect("the gateway reads");
    let head = conn.head().await.expect("an answer").expect_status(200);
    assert_eq!(head.header("x-n"), Some("1"));
    let first = conn.next_chunk().await.expect("the gateway sends");
    assert_eq!(first, Some((b"{\"first\":1,".to_vec(), "")));
    changed.upstream.release();
    let second = conn.next_chunk().await.expect("the gateway sends");
    assert_eq!(second, Some((b"\"second\":2}".to_vec(), "")));
    assert_eq!(conn.next_chunk().await.expect("the end"), None);
}

#[tokio::test]
async fn a_response_streams_where_only_headers_are_changed() {
    let steps = json!({
        "remove": { "headers": ["x-a"] },
        "replace": { "headers": ["x-b:1"] },
        "add": { "headers": ["x-n:1"] },
    });
    for plugin in ["response-transformer", "response-transformer-advanced"] {
        let changed = Changed::by(plugin, steps.clone()).await;
        half_by_half(&changed, &script(&halves("application/json"))).await;
    }
}

#[tokio::test]
async fn a_response_streams_whose_type_or_status_no_step_is_for() {
    let basic = json!({ "add": { "headers": ["x-n:1"], "json": ["b:1"] } });
    let changed = Changed::by("response-transformer", basic).await;
    for kind in [
        "text/event-stream",
        "application/grpc",
        "application/grpc+json",
        "text/json",
    ] {
        half_by_half(&changed, &script(&halves(kind))).await;
    }
    let by_status = json!({
        "add": { "headers": ["x-n:1"] },
        "remove": { "json": ["first"], "if_status": ["500-599"] },
        "replace": { "body": "gone", "if_status": ["404"] },
    });
    let changed = Changed::by("response-transformer-advanced", by_status).await;
    half_by_half(&changed, &script(&halves("application/json"))).await;
}

/// Uploads to an upstream that sends back what it gets; the second half leaves when the first is back.
async fn up_and_back(changed: &Changed, kind: &str, half: usize) {
    let path = script(&json!({ "mirror": true }));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut conn = changed.connected().await;
    conn.send(head.as_bytes()).await.expect("the gateway reads");
    for half in [vec![b'1'; half], vec![b'2'; half]] {
        conn.send(&chunk(&half)).await.expect("the gateway reads");
        if half[0] == b'1' {
            conn.head().await.expect("an answer").expect_status(200);
        }
        assert!(back(&mut conn, half.len()).await == half, "{kind}");
    }
    conn.send(&chunks([])).await.expect("the gateway reads");
    assert_eq!(conn.next_chunk().await.expect("the end"), None);
    assert_eq!(changed.upstream.last().header("x-n"), Some("1"));
}

async fn back(conn: &mut Conn, length: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < length {
        let piece = conn.next_chunk().await.expect("the gateway sends");
        let (piece, note) = piece.expect("not the end");
        assert_eq!(note, "");
        read.extend(piece);
    }
    read
}

#[tokio::test]
async fn a_request_streams_where_no_step_is_for_its_body() {
    let headers = json!({
        "remove": { "headers": ["x-a"], "querystring": ["q"] },
        "add": { "headers": ["x-n:1"] },
    });
    let body = json!({ "add": { "headers": ["x-n:1"], "body": ["b:1"] } });
    for (config, kind) in [
        (headers, "application/json"),
        (body.clone(), "application/octet-stream"),
        (body, "application/grpc"),
    ] {
        let changed = Changed::by("request-transformer", config).await;
        // Before it connects, a node reads 64 KiB of any body (proxy-and-routing.md 8.3); after that, and with
        // `request_buffering` off, every piece goes on as it comes.
        up_and_back(&changed, kind, 200_000).await;
        let unbuffered = json!({ "request_buffering": false });
        let admin = changed.gateway.admin();
        admin
            .patch("/routes/all", unbuffered)
            .await
            .expect_status(200);
        changed.gateway.settled().await;
        up_and_back(&changed, kind, 10).await;
    }
}

#[tokio::test]
async fn a_body_that_is_replaced_is_not_waited_for() {
    let config = json!({ "replace": { "body": "hidden" } });
    let changed = Changed::with(
        Setup::node_flags(["--workers", "1"]),
        &[("response-transformer-advanced", config)],
    )
    .await;
    let reply = changed.got(&halves("text/event-stream")).await;
    assert_eq!(
        (&*reply.text(), reply.header("content-length")),
        ("hidden", Some("6"))
    );
    changed.upstream.release();
    let long = json!({ "chunks": [["0123456789", 1 << 20]] });
    assert_eq!(changed.got(&long).await.text(), "hidden");

    // What is short is read off, so that its connection can be used again.
    let short = json!({ "chunks": ["short", "er"] });
    eventually("a connection is used again", || async {
        let opened = changed.upstream.connections();
        assert_eq!(changed.got(&short).await.text(), "hidden");
        changed.upstream.connections() == opened
    })
    .await;
}
