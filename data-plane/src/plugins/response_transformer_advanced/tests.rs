//! What happens to heads. Everything else is in the vectors of `tests/parity`.

use http::HeaderName;
use serde_json::{Value, json};
use shared::plugins::Catalog;

use super::*;

fn handler(config: &Value) -> Handler {
    let schema = Catalog::builtin()
        .plugin("response-transformer-advanced")
        .expect("declared");
    let config = schema
        .parse(config.to_string().as_bytes())
        .expect("a good one");
    Handler::new(&config.downcast().expect("its own type"))
}

fn header_map(lines: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("name");
        headers.append(name, HeaderValue::from_str(value).expect("value"));
    }
    headers
}

#[test]
fn a_whole_body_is_not_compressed_like_the_one_it_replaces() {
    let handler = handler(&json!({"replace": {"body": "x"}}));
    let mut headers = header_map(&[
        ("content-encoding".to_owned(), "gzip".to_owned()),
        ("content-length".to_owned(), "40".to_owned()),
    ]);
    assert_eq!(
        handler.change_head(StatusCode::OK, &mut headers),
        BodyUse::Replace
    );
    assert!(headers.is_empty());
    assert_eq!(
        handler.change_body(StatusCode::OK, Bytes::from_static(b"\x1f\x8b")),
        "x"
    );
}

#[test]
fn compressed_json_is_left_alone() {
    let handler = handler(&json!({"add": {"json": ["a:1"]}}));
    let mut headers = header_map(&[
        ("content-encoding".to_owned(), "gzip".to_owned()),
        ("content-length".to_owned(), "40".to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ]);
    assert_eq!(
        handler.change_head(StatusCode::OK, &mut headers),
        BodyUse::Stream
    );
    assert_eq!(headers.len(), 3);
}
