//! Which fields each way of hashing needs, and what it may fall back to.

use serde_json::Value;

use crate::schema::{Check, Pattern, Rules};

/// With `word` in one field, another must meet some rules.
fn if_says(field: &'static str, word: &str, then_field: &'static str, then_match: Rules) -> Check {
    Check::Conditional {
        if_field: field.into(),
        if_match: Box::new(Rules {
            matches: Some(Pattern::new(format!("^{word}$"))),
            ..Rules::default()
        }),
        then_field: then_field.into(),
        then_match: Box::new(then_match),
        then_err: None,
    }
}

fn needs(field: &'static str, word: &str, companion: &'static str) -> Check {
    let required = Rules {
        required: true,
        ..Rules::default()
    };
    if_says(field, word, companion, required)
}

fn falls_back_to(word: &str, others: &[&str]) -> Check {
    let one_of = others.iter().map(|word| Value::from(*word)).collect();
    let rules = Rules {
        one_of: Some(one_of),
        ..Rules::default()
    };
    if_says("hash_on", word, "hash_fallback", rules)
}

pub(super) fn header_is_named() -> Check {
    needs("hash_on", "header", "hash_on_header")
}

pub(super) fn fallback_header_is_named() -> Check {
    needs("hash_fallback", "header", "hash_fallback_header")
}

pub(super) fn cookie_is_named() -> Check {
    needs("hash_on", "cookie", "hash_on_cookie")
}

pub(super) fn fallback_cookie_is_named() -> Check {
    needs("hash_fallback", "cookie", "hash_on_cookie")
}

pub(super) fn query_arg_is_named() -> Check {
    needs("hash_on", "query_arg", "hash_on_query_arg")
}

pub(super) fn fallback_query_arg_is_named() -> Check {
    needs("hash_fallback", "query_arg", "hash_fallback_query_arg")
}

pub(super) fn uri_capture_is_named() -> Check {
    needs("hash_on", "uri_capture", "hash_on_uri_capture")
}

pub(super) fn fallback_uri_capture_is_named() -> Check {
    needs("hash_fallback", "uri_capture", "hash_fallback_uri_capture")
}

pub(super) fn nothing_has_no_fallback() -> Check {
    falls_back_to("none", &["none"])
}

/// A cookie that is missing is made.
pub(super) fn cookie_has_no_fallback() -> Check {
    falls_back_to("cookie", &["none"])
}

pub(super) fn consumer_falls_back_to_another() -> Check {
    let others = [
        "none",
        "ip",
        "header",
        "cookie",
        "path",
        "query_arg",
        "uri_capture",
    ];
    falls_back_to("consumer", &others)
}

pub(super) fn ip_falls_back_to_another() -> Check {
    let others = [
        "none",
        "consumer",
        "header",
        "cookie",
        "path",
        "query_arg",
        "uri_capture",
    ];
    falls_back_to("ip", &others)
}

pub(super) fn path_falls_back_to_another() -> Check {
    let others = [
        "none",
        "consumer",
        "ip",
        "header",
        "cookie",
        "query_arg",
        "uri_capture",
    ];
    falls_back_to("path", &others)
}
