//! Bodies under a `Content-Encoding`: opened, changed and closed again, or left as they are to the byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::coding::{decode, encode};
use tests::wire::Reply;
use tests::{Request, Setup, script};

use crate::bodies::{Changed, upload};

/// Every coding that is opened: as the head names it, and as the body is made.
const CODINGS: [(&str, &str); 6] = [
    ("gzip", "gzip"),
    ("x-gzip", "gzip"),
    ("deflate", "deflate"),
    ("deflate", "deflate (raw)"),
    ("br", "br"),
    ("zstd", "zstd"),
];

const BOTH: [&str; 2] = ["response-transformer", "response-transformer-advanced"];

fn response(kind: &str, named: &str, body: &[u8]) -> Value {
    json!({
        "headers": [["Content-Type", kind], ["Content-Encoding", named]],
        "body_b64": STANDARD.encode(body),
    })
}

fn chunked(mut response: Value) -> Value {
    response["framing"] = "chunked".into();
    response
}

/// What is in it, once its framing was looked at.
#[track_caller]
fn opened(reply: &Reply, named: &str, made: &str) -> String {
    assert_eq!(reply.header("content-encoding"), Some(named), "{reply}");
    let length = reply.body.len().to_string();
    assert_eq!(
        reply.header("content-length"),
        Some(&*length),
        "{made}: {reply}"
    );
    let plain = decode(made, &reply.body).unwrap_or_else(|error| panic!("{made}: {error}"));
    String::from_utf8(plain).expect("text")
}

#[tokio::test]
async fn a_compressed_response_is_changed_and_compressed_again() {
    for plugin in BOTH {
        let changed = Changed::by(plugin, json!({ "add": { "json": ["b:1"] } })).await;
        for (named, made) in CODINGS {
            let body = encode(made, br#"{"a": 1.10}"#);
            let sent = response("application/json", named, &body);
            let path = script(&sent);
            for reply in [
                changed.got(&sent).await,
                changed.got(&chunked(sent.clone())).await,
                changed.got_by_http2(&Request::get(&path)).await,
            ] {
                let plain = opened(&reply, named, made);
                assert_eq!(plain, r#"{"a":1.10,"b":"1"}"#, "{plugin}, {made}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_opened_keeps_every_byte() {
    let gzip = encode("gzip", br#"{"a":1}"#);
    let bodies: [(&str, Vec<u8>); 9] = [
        ("compress", b"\x1f\x9d\x90".to_vec()),
        ("gzip, br", encode("br", &gzip)),
        ("zstd, zstd", b"whatever".to_vec()),
        ("gzip", encode("gzip", b"{bad")),
        ("gzip", encode("gzip", b"\"text\"")),
        ("gzip", br#"{"a":1}"#.to_vec()),
        ("gzip", gzip[..gzip.len() - 1].to_vec()),
        ("br", b"\xff\xff\xff".to_vec()),
        ("gzip", Vec::new()),
    ];
    for plugin in BOTH {
        let changed = Changed::by(plugin, json!({ "add": { "json": ["b:1"] } })).await;
        for (named, body) in &bodies {
            let sent = response("application/json", named, body);
            let path = script(&sent);
            for reply in [
                changed.got(&sent).await,
                changed.got_by_http2(&Request::get(&path)).await,
            ] {
                assert_eq!(&reply.body, body, "{plugin}, {named}");
                assert_eq!(reply.header("content-encoding"), Some(*named));
                let length = body.len().to_string();
                assert_eq!(reply.header("content-length"), Some(&*length), "{named}");
                assert_eq!(reply.header("headgate-transform-skipped"), None, "{named}");
            }
        }
        // Nothing would have been changed, so HEAD may tell the length as well.
        let unknown = script(&response("application/json", "compress", b"1234567"));
        let head = changed.gateway.send(Request::new("HEAD", &unknown)).await;
        assert_eq!(head.header("content-length"), Some("7"));
    }
}

#[tokio::test]
async fn a_response_that_is_long_once_it_is_decoded_passes_and_says_so() {
    let config = json!({ "add": { "json": ["b:1"] } });
    let changed = Changed::by("response-transformer", config).await;
    let bomb = format!("{{\"a\":\"{}\"}}", " ".repeat(4 << 20));
    for (named, made) in CODINGS {
        let body = encode(made, bomb.as_bytes());
        let sent = match body.len() {
            0..=1000 => response("application/json", named, &body),
            // deflate makes no less than a thousandth of it: that alone is too long.
            _ => response("application/json", named, &encode(made, &[b' '; 100_000])),
        };
        let reply = changed.got(&sent).await;
        assert_eq!(STANDARD.encode(&reply.body), sent["body_b64"], "{made}");
        let skipped = reply.header("headgate-transform-skipped");
        assert_eq!(skipped, Some("body-too-large"), "{made}");
        assert_eq!(reply.header("content-encoding"), Some(named));
    }
    let skipped = changed.metric("headgate_transform_skipped_total ").await;
    assert_eq!(skipped, CODINGS.len() as u64);
}

#[tokio::test]
async fn a_whole_body_is_compressed_as_the_one_it_replaces() {
    let config = json!({ "replace": { "body": "hidden" } });
    let changed = Changed::by("response-transformer-advanced", config).await;
    for (named, made) in CODINGS {
        // What the upstream sent is not looked at.
        for body in [encode(made, b"<h1>boom</h1>"), b"not in it".to_vec()] {
            let reply = changed.got(&response("text/html", named, &body)).await;
            // Without a body to go by, `deflate` is what its name says.
            let made = if named == "deflate" { "deflate" } else { made };
            assert_eq!(opened(&reply, named, made), "hidden");
        }
    }
    let reply = changed.got(&response("text/html", "compress", b"x")).await;
    assert_eq!(
        (&*reply.text(), reply.header("content-encoding")),
        ("hidden", None)
    );
}

#[tokio::test]
async fn several_plugins_share_one_opening() {
    let one = json!({ "add": { "json": ["one:1"] } });
    let two = json!({ "add": { "json": ["two:2"] } });
    let plugins = [(BOTH[1], one), (BOTH[0], two)];
    let changed = Changed::with(Setup::default(), &plugins).await;
    let body = encode("br", b"{}");
    let reply = changed
        .got(&response("application/json", "br", &body))
        .await;
    assert_eq!(opened(&reply, "br", "br"), r#"{"one":"1","two":"2"}"#);
    let untouched = encode("br", b"null");
    let reply = changed
        .got(&response("application/json", "br", &untouched))
        .await;
    assert_eq!(reply.body, untouched, "neither changed it");
}

#[tokio::test]
async fn a_step_on_a_request_is_not_evaded_by_compressing_its_body() {
    let config = json!({ "remove": { "body": ["a"] }, "add": { "body": ["b:1"] } });
    let changed = Changed::by("request-transformer", config).await;
    let part =
        |name: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n1\r\n");
    let (form, form_changed) = (part("a") + "--X--\r\n", part("b") + "--X--\r\n");
    for (named, made) in CODINGS {
        for (kind, sent, expected) in [
            (
                "application/json",
                r#"{"a":1,"n":1.10}"#,
                r#"{"n":1.10,"b":"1"}"#,
            ),
            ("application/x-www-form-urlencoded", "a=1&c=2", "c=2&b=1"),
            ("multipart/form-data; boundary=X", &form, &form_changed),
        ] {
            let request = upload(kind, encode(made, sent.as_bytes()));
            let request = request.header("Content-Encoding", named);
            let in_chunks = request.clone().header("Transfer-Encoding", "chunked");
            for request in [request, in_chunks] {
                let seen = changed.seen(request).await;
                let plain = decode(made, &seen.body).expect("the same coding");
                assert_eq!(String::from_utf8_lossy(&plain), expected, "{made}, {kind}");
                assert_eq!(seen.header("content-encoding"), Some(named));
                let length = seen.body.len().to_string();
                assert_eq!(seen.header("content-length"), Some(&*length));
            }
        }
    }
    let body = encode("zstd", br#"{"a":1}"#);
    let request = upload("application/json", body).header("content-encoding", "zstd");
    changed.got_by_http2(&request).await.expect_status(200);
    let plain = decode("zstd", &changed.upstream.last().body).expect("zstd");
    assert_eq!(plain, br#"{"b":"1"}"#, "over HTTP/2");
}

#[tokio::test]
async fn a_request_that_cannot_be_opened_passes_and_one_that_is_too_long_does_not() {
    let config = json!({ "remove": { "body": ["a"] } });
    let changed = Changed::by("request-transformer", config).await;
    for (named, body) in [
        ("compress", b"\x1f\x9d".to_vec()),
        ("gzip, gzip", encode("gzip", &encode("gzip", b"{\"a\":1}"))),
        ("gzip", b"{\"a\":1}".to_vec()),
        ("gzip", encode("gzip", b"{bad")),
        ("gzip", encode("gzip", b"[1 ]")),
    ] {
        let request = upload("application/json", body.clone()).header("Content-Encoding", named);
        let seen = changed.seen(request).await;
        assert_eq!(seen.body, body, "{named}");
        assert_eq!(seen.header("content-encoding"), Some(named));
    }
    let before = changed.upstream.requests();
    let bomb = encode(
        "gzip",
        format!("{{\"a\":\"{}\"}}", "y".repeat(100_000)).as_bytes(),
    );
    assert!(bomb.len() < 1000, "short as it comes: {}", bomb.len());
    let request = upload("application/json", bomb).header("Content-Encoding", "gzip");
    let refused = changed.gateway.send(request).await.expect_status(413);
    assert_eq!(refused.json()["message"], "Payload too large");
    assert_eq!(changed.upstream.requests(), before);
    let counted = "headgate_answered_here_total{reason=\"body_too_large\"} ";
    assert_eq!(changed.metric(counted).await, 1);
}

#[tokio::test]
async fn a_compressed_form_that_becomes_a_get_is_told_in_the_query_too() {
    let changed = Changed::by("request-transformer", json!({ "http_method": "GET" })).await;
    let body = encode("gzip", b"a=2&b=3");
    let request = upload("application/x-www-form-urlencoded", body.clone());
    let seen = changed
        .seen(request.header("Content-Encoding", "gzip"))
        .await;
    assert_eq!((&*seen.method, &*seen.path), ("GET", "/x?a=2&b=3"));
    assert_eq!(seen.body, body);
}

#[tokio::test]
async fn nothing_left_of_a_compressed_form_is_an_empty_body_without_a_coding() {
    let changed = Changed::by(
        "request-transformer",
        json!({ "remove": { "body": ["a"] } }),
    )
    .await;
    let request = upload("application/x-www-form-urlencoded", encode("br", b"a=1"));
    let seen = changed.seen(request.header("Content-Encoding", "br")).await;
    assert_eq!(seen.header("content-length"), Some("0"));
    assert_eq!(seen.header("content-encoding"), None);
}
