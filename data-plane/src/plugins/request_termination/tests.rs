//! Answers, by configuration.

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

#[test]
fn every_configuration_has_its_answer() {
    let json = "application/json; charset=utf-8";
    for (config, status, answer) in [
        (
            json!({}),
            503,
            Some((json, r#"{"message":"Service unavailable"}"#)),
        ),
        (
            json!({"status_code": 403, "message": "So \"long\""}),
            403,
            Some((json, r#"{"message":"So \"long\""}"#)),
        ),
        (
            json!({"status_code": 500}),
            500,
            Some((json, r#"{"message":"An unexpected error occurred"}"#)),
        ),
        (json!({"body": "{}"}), 503, Some((json, "{}"))),
        (
            json!({"body": "<p>", "content_type": "text/html"}),
            503,
            Some(("text/html", "<p>")),
        ),
        // Whatever the status says by itself.
        (json!({"status_code": 200}), 200, None),
        (json!({"status_code": 301}), 301, None),
        (json!({"status_code": 400}), 400, None),
        (json!({"status_code": 101}), 500, None),
    ] {
        let handler = handler(config.clone());
        let made = match &handler.reply {
            Reply::Bytes(kind, body) => Some((kind.to_str().expect("text"), &**body)),
            Reply::Status => None,
            Reply::Echo(_) => panic!("needs a request"),
        };
        let answer = answer.map(|(kind, body)| (kind, body.as_bytes()));
        assert_eq!(
            (handler.status.as_u16(), made),
            (status, answer),
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
