//! hmac-auth.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::wire::Reply;
use tests::{Gateway, Request, Upstream};

/// A route behind hmac-auth, and `ann`, who is called `a` there.
async fn start(config: Value) -> (Gateway, Upstream) {
    let (gateway, upstream) = (Gateway::start().await, Upstream::start().await);
    let admin = gateway.admin();
    admin.service("orders", &upstream).await;
    admin.route("orders", "/orders").await;
    admin.plugin("/routes/orders", "hmac-auth", config).await;
    for name in ["ann", "guest"] {
        admin
            .create("/consumers", json!({ "username": name }))
            .await;
    }
    let credential = json!({ "username": "a", "secret": "s" });
    admin.create("/consumers/ann/hmac-auth", credential).await;
    (gateway, upstream)
}

fn now() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

/// What a client that holds `secret` writes for these lines.
fn sign(secret: &str, names: &str, lines: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = STANDARD.encode(hmac::sign(&key, lines.as_bytes()));
    format!(
        "hmac username=\"a\", algorithm=\"hmac-sha256\", headers=\"{names}\", signature=\"{tag}\""
    )
}

fn message(reply: &Reply) -> String {
    reply.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_signature_over_date_and_request_line_names_the_consumer() {
    let (gateway, _upstream) = start(json!({})).await;
    let date = now();
    for (names, line) in [
        ("date request-line", "GET /orders?a=1 HTTP/1.1".to_owned()),
        (
            "date @request-target",
            "@request-target: get /orders?a=1".to_owned(),
        ),
        ("date x-extra", "x-extra: 1".to_owned()),
    ] {
        let signed = sign("s", names, &format!("date: {date}\n{line}"));
        let request = Request::get("/orders?a=1")
            .header("Date", &date)
            .header("X-Extra", "1");
        let reply = gateway
            .send(request.header("Authorization", &signed))
            .await
            .expect_status(200);
        assert_eq!(reply.echoed("x-consumer-username").as_deref(), Some("ann"));
        assert_eq!(
            reply.echoed("x-credential-identifier").as_deref(),
            Some("a")
        );
        assert_eq!(reply.echoed("authorization"), Some(signed));
    }
}

#[tokio::test]
async fn what_was_not_signed_so_is_refused() {
    let (gateway, upstream) =
        start(json!({ "realm": "orders", "enforce_headers": ["date"] })).await;
    let date = now();
    let old = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(1000));
    let send = |date: &str, signed: String| {
        gateway.send(
            Request::get("/orders")
                .header("Date", date)
                .header("Authorization", &signed),
        )
    };
    let no_date = "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication";
    let lines = format!("date: {date}");
    for (reply, text) in [
        (gateway.get("/orders").await, "Unauthorized"),
        (
            send(&old, sign("s", "date", &format!("date: {old}"))).await,
            no_date,
        ),
        (
            send("today", sign("s", "date", "date: today")).await,
            no_date,
        ),
        (
            send(&date, sign("S", "date", &lines)).await,
            "HMAC signature does not match",
        ),
        (
            send(&date, sign("s", "host", "host: x")).await,
            "HMAC signature cannot be verified",
        ),
        (
            send(&date, sign("s", "date", &lines).replace("\"a\"", "\"b\"")).await,
            "HMAC signature cannot be verified",
        ),
    ] {
        let reply = reply.expect_status(401);
        assert_eq!(
            reply.header("www-authenticate"),
            Some("hmac realm=\"orders\"")
        );
        assert_eq!(message(&reply), text);
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_body_is_held_to_its_digest() {
    let (gateway, upstream) = start(json!({ "validate_request_body": true })).await;
    let date = now();
    let of = |body: &[u8]| format!("SHA-256={}", STANDARD.encode(digest(&SHA256, body)));
    let send = |digest: String, body: Vec<u8>| {
        let lines = format!("date: {date}\ndigest: {digest}");
        let request = Request::new("POST", "/orders")
            .header("Date", &date)
            .header("Digest", &digest)
            .header("Authorization", &sign("s", "date digest", &lines));
        gateway.send(request.body(body))
    };
    let large = vec![b'x'; 200_000];
    for body in [b"hello".to_vec(), large.clone()] {
        let reply = send(of(&body), body.clone()).await.expect_status(200);
        assert_eq!(
            reply.json()["body"].as_str().map(str::len),
            Some(body.len())
        );
    }
    let before = upstream.requests();
    let reply = send(of(b"hello"), b"Hello".to_vec())
        .await
        .expect_status(401);
    assert_eq!(message(&reply), "HMAC signature does not match");
    let signed = sign("s", "date", &format!("date: {date}"));
    let bare = |method: &str| {
        Request::new(method, "/orders")
            .header("Date", &date)
            .header("Authorization", &signed)
    };
    gateway
        .send(bare("POST").body("hello"))
        .await
        .expect_status(401);
    assert_eq!(upstream.requests(), before);
    gateway.send(bare("GET")).await.expect_status(200);
}

#[tokio::test]
async fn a_hidden_signature_does_not_reach_the_upstream() {
    let config = json!({ "hide_credentials": true, "anonymous": "guest" });
    let (gateway, _upstream) = start(config).await;
    let date = now();
    let signed = sign("s", "x-date", &format!("x-date: {date}"));
    for (header, signed, username) in [
        ("Authorization", signed.as_str(), "ann"),
        ("Proxy-Authorization", signed.as_str(), "ann"),
        ("Authorization", "hmac nonsense", "guest"),
    ] {
        let request = Request::get("/orders")
            .header("X-Date", &date)
            .header(header, signed);
        let reply = gateway.send(request).await.expect_status(200);
        assert_eq!(reply.echoed(header), None);
        assert_eq!(
            reply.echoed("x-consumer-username").as_deref(),
            Some(username)
        );
    }
}
