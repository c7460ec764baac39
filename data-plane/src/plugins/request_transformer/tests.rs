//! What a configuration asks for before anything is read. What it does is in the vectors of `tests/parity`.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use shared::plugins::{Catalog, RequestTransformer};

use super::compile::Plan;

fn plan(config: &Value) -> Plan {
    let schema = Catalog::builtin()
        .plugin("request-transformer")
        .expect("declared");
    let config = schema
        .parse(config.to_string().as_bytes())
        .expect("a good one");
    Plan::new(
        &config
            .downcast::<RequestTransformer>()
            .expect("its own type"),
    )
}

#[test]
fn only_configurations_that_may_change_a_body_ask_for_it() {
    for (config, content_type, asks) in [
        (
            json!({"add": {"headers": ["a:1"]}}),
            "application/json",
            false,
        ),
        (json!({"add": {"body": ["a:1"]}}), "application/json", true),
        (json!({"add": {"body": ["a:1"]}}), "text/plain", false),
        (
            json!({"add": {"body": ["a:1"]}, "replace": {"headers": ["content_type:x"]}}),
            "text/plain",
            true,
        ),
        (
            json!({"add": {"body": ["a:1"]}, "replace": {"headers": ["Content-Type:x"]}}),
            "text/plain",
            true,
        ),
        (
            json!({"http_method": "GET"}),
            "application/x-www-form-urlencoded",
            true,
        ),
        (json!({"http_method": "GET"}), "application/json", false),
        (
            json!({"http_method": "POST"}),
            "application/x-www-form-urlencoded",
            false,
        ),
    ] {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        assert_eq!(
            plan(&config).may_read_body(&headers),
            asks,
            "{config} {content_type}"
        );
    }
}
