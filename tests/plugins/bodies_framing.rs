//! How changed bodies are framed: lengths, statuses without a body, trailers, old and new clients, and bodies that end
//! too early.

use std::time::Duration;

use serde_json::{Value, json};
use tests::wire::{Conn, Reply, chunk};
use tests::{Request, Setup, script};

use crate::bodies::Changed;

fn adds_b() -> Value {
    json!({ "add": { "headers": ["x-n:1"], "json": ["b:1"] } })
}

fn json_with(mut response: Value) -> Value {
    response["headers"] = match response["headers"].take() {
        Value::Array(mut lines) => {
            lines.push(json!(["Content-Type", "application/json"]));
            Value::Array(lines)
        }
        _ => json!([["Content-Type", "application/json"]]),
    };
    response
}

async fn both(changed: &Changed, request: Request) -> [Reply; 2] {
    let by_http2 = changed.got_by_http2(&request).await;
    [changed.gateway.send(request).await, by_http2]
}

#[tokio::test]
async fn an_answer_without_a_body_gets_its_head_changed_and_no_body() {
    let both_plugins = [
        ("response-transformer", adds_b()),
        (
            "response-transformer-advanced",
            json!({ "add": { "headers": ["x-a:1"] }, "replace": { "body": "{\"all\":1}" } }),
        ),
    ];
    let changed = Changed::with(Setup::default(), &both_plugins).await;
    let json = json_with(json!({ "json": { "a": 1 } }));
    let cases = [
        ("HEAD", json.clone(), 200),
        ("GET", json_with(json!({ "status": 204 })), 204),
        ("GET", json_with(json!({ "status": 304 })), 304),
    ];
    for (method, response, status) in cases {
        for reply in both(&changed, Request::new(method, &script(&response))).await {
            assert_eq!(reply.status, status, "{reply}");
            assert_eq!(reply.body, b"", "{method} {status}");
            assert_eq!(
                (reply.header("x-n"), reply.header("x-a")),
                (Some("1"), Some("1"))
            );
            assert_eq!(reply.header("content-length"), None, "{method} {status}");
        }
    }
    let reply = changed.got(&json).await;
    assert_eq!(reply.text(), r#"{"all":1,"b":"1"}"#);
}

#[tokio::test]
async fn interim_answers_are_not_touched_and_the_final_one_is() {
    let changed = Changed::by("response-transformer", adds_b()).await;
    let raw = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: \
               application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    for reply in both(&changed, Request::get(&script(&json!({ "raw": raw })))).await {
        assert_eq!(reply.expect_status(200).text(), r#"{"a":1,"b":"1"}"#);
    }
}

#[tokio::test]
async fn trailers_go_on_where_the_framing_has_a_place_for_them() {
    let changed = Changed::by("response-transformer", adds_b()).await;
    let response = json_with(json!({
        "headers": [["Trailer", "X-Sum"]],
        "chunks": ["{\"a\"", ":1}"],
        "trailers": [["X-Sum", "4"]],
    }));
    let path = script(&response);
    let sum = [("x-sum".to_owned(), "4".to_owned())];

    let asks = Request::get(&path).header("TE", "trailers");
    let reply = changed.gateway.send(asks.clone()).await;
    assert_eq!(reply.text(), r#"{"a":1,"b":"1"}"#);
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert_eq!(reply.header("content-length"), None);
    assert_eq!(reply.trailers, sum, "{reply}");

    // Nor are they lost behind a long upload that can not be tried again.
    let once = json!({ "retries": 0 });
    let admin = changed.gateway.admin();
    admin
        .patch("/services/orders", once)
        .await
        .expect_status(200);
    let mut upload = asks.clone().body(vec![b'x'; 200_000]);
    upload.method = "POST".to_owned();
    let reply = changed.gateway.send(upload).await;
    assert_eq!(reply.trailers, sum, "{reply}");

    let reply = changed.gateway.get(&path).await;
    assert_eq!(reply.text(), r#"{"a":1,"b":"1"}"#);
    assert_eq!(reply.header("content-length"), Some("15"));
    assert!(reply.trailers.is_empty(), "nobody asked for them");

    let reply = changed.got_by_http2(&asks).await;
    assert_eq!(reply.text(), r#"{"a":1,"b":"1"}"#);
    assert_eq!(reply.header("content-length"), Some("15"));
    assert_eq!(reply.trailers, sum);
}

#[tokio::test]
async fn a_request_in_chunks_gets_a_length_and_loses_its_trailers() {
    let config = json!({ "add": { "body": ["b:1"] } });
    let changed = Changed::by("request-transformer", config).await;
    let mut conn = changed.connected().await;
    let mut request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        .to_vec();
    request.extend(chunk(b"{\"a\""));
    request.extend(chunk(b":1}"));
    request.extend(b"0\r\nX-Sum: 4\r\n\r\n");
    for _ in 0..2 {
        conn.send(&request).await.expect("the gateway reads");
        conn.reply("POST").await.expect_status(200);
        let seen = changed.upstream.last();
        assert_eq!(seen.body, br#"{"a":1,"b":"1"}"#);
        assert_eq!(seen.header("content-length"), Some("15"));
        assert_eq!(seen.header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn what_came_of_a_body_that_broke_off_is_passed_on_and_no_end_is_made_up() {
    let changed = Changed::by("response-transformer", adds_b()).await;
    let announced = json_with(json!({ "body": "{\"a\":1,\"c\":2}", "close_mid": 5 }));
    let chunked = json_with(json!({ "chunks": ["{\"a\":1,", "\"c\":2}"], "close_mid": 5 }));
    for (response, length) in [(announced, Some("13")), (chunked, None)] {
        let request = Request::get(&script(&response));
        let [http1, http2] = both(&changed, request).await;
        assert_eq!((&*http1.text(), http1.note), ("{\"a\":", "truncated"));
        assert_eq!(http1.header("content-length"), length);
        assert_eq!((&*http2.text(), http2.note), ("{\"a\":", "stream error"));
    }
}

#[tokio::test]
async fn a_body_that_the_upstream_no_longer_sends_ends_in_no_clean_end_either() {
    let changed = Changed::by("response-transformer", adds_b()).await;
    let patience = json!({ "read_timeout": 300 });
    let admin = changed.gateway.admin();
    admin
        .patch("/services/orders", patience)
        .await
        .expect_status(200);
    let response = json_with(json!({ "chunks": ["{\"a\":", "1}"], "hold_after": 1 }));
    let reply = changed.got(&response).await;
    assert_eq!((&*reply.text(), reply.note), ("{\"a\":", "truncated"));
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_changed_body_with_its_length() {
    let changed = Changed::by("response-transformer", adds_b()).await;
    let path = script(&json_with(json!({ "chunks": ["{\"a\"", ":1}"] })));
    let mut conn = changed.connected().await;
    conn.send(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
        .await
        .expect("the gateway reads");
    let reply = conn.reply("GET").await.expect_status(200);
    assert_eq!(reply.text(), r#"{"a":1,"b":"1"}"#);
    assert_eq!(reply.header("content-length"), Some("15"));
    assert_eq!(reply.header("transfer-encoding"), None);
    assert!(conn.closes_within(Duration::from_secs(5)).await);
}

/// Sends the head of an upload that waits for `100 Continue`, and the body once that has come.
async fn expecting(conn: &mut Conn, length: usize) -> Result<(), Vec<u8>> {
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    conn.send(head.as_bytes()).await.expect("the gateway reads");
    let first = conn.some().await.expect("an answer");
    if first == b"HTTP/1.1 100 Continue\r\n\r\n" {
        Ok(())
    } else {
        Err(first)
    }
}

#[tokio::test]
async fn a_client_that_waits_to_send_its_body_is_asked_for_it_unless_it_is_too_long() {
    let config = json!({ "remove": { "body": ["a"] } });
    let changed = Changed::by("request-transformer", config).await;
    let mut conn = changed.connected().await;
    assert_eq!(expecting(&mut conn, 13).await, Ok(()));
    conn.send(b"{\"a\":1,\"c\":2}")
        .await
        .expect("the gateway reads");
    conn.reply("POST").await.expect_status(200);
    assert_eq!(changed.upstream.last().body, b"{\"c\":2}");

    let refused = expecting(&mut conn, 1001)
        .await
        .expect_err("no interim answer");
    assert!(refused.starts_with(b"HTTP/1.1 413 "), "{refused:?}");
    assert_eq!(changed.upstream.requests(), 1);
}

#[tokio::test]
async fn a_client_that_sends_far_too_much_gets_its_answer_when_it_is_done() {
    let config = json!({ "remove": { "body": ["a"] } });
    let changed = Changed::by("request-transformer", config).await;
    let long = format!("{{\"a\":\"{}\"}}", "y".repeat(20 << 20));
    let upload = crate::bodies::upload("application/json", long);
    let chunked = upload.clone().header("Transfer-Encoding", "chunked");
    let mut conn = changed.connected().await;
    for request in [upload, chunked] {
        // Read only once everything is written, on a connection that then serves on.
        conn.send(&request.bytes("a")).await.expect("all is taken");
        let refused = conn.reply("POST").await.expect_status(413);
        assert_eq!(refused.json()["message"], "Payload too large");
        let refused = changed.got_by_http2(&request).await.expect_status(413);
        assert_eq!(refused.json()["message"], "Payload too large");
    }
    assert_eq!(changed.upstream.requests(), 0);
}
