//! Answers, by configuration.

use http::header::CONTENT_TYPE;
use serde_json::Value;
use shared::plugins::Catalog;

use super::*;

fn handler(config: Value) -> Handler {
    let schema = Catalog::builtin()
        .plugin("request-termination")
        .expect("declared");
    let config = schema.parse(config.to_string().as_bytes()).expect("valid");
    Handler::new(&config.downcast().expect("its own type"))
}

/// Status, content type and exact body; the body is `None` for the status's own page.
fn answer(config: Value) -> (u16, String, Option<String>) {
    let handler = handler(config);
    let answer = match &handler.reply {
        Reply::Bytes(kind, body) => Answer::exact(handler.status, kind.clone(), body.clone()),
        Reply::Status => bare(handler.status),
        Reply::Echo(_) => panic!("needs a request"),
    };
    let kind = answer
        .headers
        .get(CONTENT_TYPE)
        .map_or("", |kind| kind.to_str().expect("text"));
    let body = match &answer.body {
        AnswerBody::Exact(body) => Some(String::from_utf8(body.to_vec()).expect("UTF-8")),
        AnswerBody::Status => None,
        AnswerBody::Message(_) => panic!("messages have no request id here"),
    };
    (answer.status.as_u16(), kind.to_owned(), body)
}

#[test]
fn every_configuration_has_its_answer() {
    let json = "application/json; charset=utf-8";
    let moved = page(301, "Moved Permanently");
    for (config, status, kind, body) in [
        (
            json!({}),
            503,
            json,
            Some(r#"{"message":"Service unavailable"}"#),
        ),
        (
            json!({"status_code": 403, "message": "So \"long\""}),
            403,
            json,
            Some(r#"{"message":"So \"long\""}"#),
        ),
        (
            json!({"status_code": 500}),
            500,
            json,
            Some(r#"{"message":"An unexpected error occurred"}"#),
        ),
        (json!({"status_code": 200}), 200, "", Some("")),
        (json!({"status_code": 201}), 201, "", Some("")),
        (json!({"status_code": 301}), 301, "text/html", Some(&*moved)),
        (json!({"status_code": 400}), 400, "", None),
        (json!({"status_code": 418}), 418, "", Some("")),
        (json!({"body": "{}"}), 503, json, Some("{}")),
        (
            json!({"body": "<p>", "content_type": "text/html"}),
            503,
            "text/html",
            Some("<p>"),
        ),
    ] {
        assert_eq!(
            answer(config.clone()),
            (status, kind.to_owned(), body.map(str::to_owned)),
            "{config}"
        );
    }
}

#[test]
fn a_trigger_is_a_header_or_an_argument() {
    let trigger = handler(json!({"trigger": "x-stop"}))
        .trigger
        .expect("configured");
    let headers = HeaderMap::from_iter([(
        "x-stop".parse().expect("name"),
        HeaderValue::from_static(""),
    )]);
    assert!(trigger.fires(&headers, ""));
    assert!(trigger.fires(&HeaderMap::new(), "a=1&x-stop"));
    assert!(trigger.fires(&HeaderMap::new(), "x-stop=0"));
    assert!(!trigger.fires(&HeaderMap::new(), "X-Stop=1&a=x-stop"));
}

#[test]
fn a_request_is_shown_with_its_lists() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-a", "1"),
        ("x-a", "2"),
        ("content-type", "application/json"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    assert_eq!(
        echo::headers(&headers, Some(&HeaderValue::from_static("gw"))),
        json!({"content-type": "application/json", "host": "gw", "x-a": ["1", "2"]})
    );
    assert_eq!(
        echo::arguments(b"a=1&b&a=%20"),
        json!({"a": ["1", " "], "b": true})
    );
    assert_eq!(echo::parsed(&headers, b"{\"a\":1}"), json!({"a": 1}));
    assert_eq!(echo::parsed(&headers, b"{bad"), Value::Null);
}
