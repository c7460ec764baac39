//! What is signed and what is compared; the answers are replayed end to end.

use http::{Method, Version};
use serde_json::json;

use super::*;
use crate::proxy::body::RequestBody;
use crate::proxy::ctx::ClientRequest;

fn handler(config: serde_json::Value) -> Handler {
    let schema = shared::plugins::Catalog::builtin().plugin("hmac-auth");
    let parsed = schema
        .expect("declared")
        .parse(config.to_string().as_bytes());
    Handler::new(&parsed.expect("valid").downcast().expect("its own type"))
}

fn request(version: Version, lines: &[(&'static str, &'static str)]) -> ClientRequest {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    ClientRequest {
        announced: None,
        head_length: 0,
        method: Method::POST,
        target: "/a%20b?c=d".to_owned(),
        path_len: 6,
        path: "/a b".to_owned(),
        version,
        host: Some(HeaderValue::from_static("gateway.test")),
        headers,
        body: RequestBody::Empty,
        had_body: false,
        expects: false,
    }
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).expect("a header")
}

/// A signature over `lines`, with the names of what they are.
fn signed(names: &str, lines: &str, secret: &[u8]) -> HeaderValue {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let tag = STANDARD.encode(aws_lc_rs::hmac::sign(&key, lines.as_bytes()));
    header(&format!(
        "hmac username=\"u\", algorithm=\"hmac-sha256\", headers=\"{names}\", signature=\"{tag}\""
    ))
}

#[test]
fn the_four_parts_are_read_as_long_as_they_can_be() {
    let parts = |text: &str| {
        let header = header(text);
        let signature = Signature::read(&header)?;
        let names: Vec<_> = signature.headers().map(String::from_utf8_lossy).collect();
        let (username, algorithm) = (signature.username()?, signature.algorithm());
        Some(format!("{username} {algorithm:?} {}", names.join("|")))
    };
    let all = "username=\"u\", algorithm=\"hmac-sha1\", headers=\"date  host\", signature=\"c2ln\"";
    let read = Some("u Some(Sha1) date||host".to_owned());
    for scheme in ["hmac ", "Hmac ", "hmac", "x hmac   ", "hmac zzz hmac "] {
        assert_eq!(parts(&format!("{scheme}{all}")), read, "{scheme}");
    }
    assert_eq!(parts(&format!("HMAC {all}")), None);
    assert_eq!(
        parts(&format!("hmac {}", all.replace("\", ", "\",\t"))),
        read
    );
    assert_eq!(
        parts(&format!("hmac {}", all.replace("\", ", "\" , "))),
        None
    );
    assert_eq!(parts(&format!("hmac {all} trailing")), read);
    let unknown = all
        .replace("sha1", "md5")
        .replace("\"u\"", "\"a\", algorithm=\"b\"");
    let found = parts(&format!("hmac {unknown}"));
    assert_eq!(found.as_deref(), Some("a\", algorithm=\"b None date||host"));
    for broken in [
        "hmac zzz",
        "hmac ",
        "hmac username=\"u\"",
        "hmac algorithm=\"hmac-sha1\", username=\"u\", headers=\"date\", signature=\"c2ln\"",
        "hmac username=\"\", algorithm=\"hmac-sha1\", headers=\"date\", signature=\"c2ln\"",
        "hmac username=\"u\", algorithm=\"hmac-sha1\", headers=\"date\", signature=\"\"",
        "hmac username=\"u\", algorithm=\"hmac-sha1\", headers=\"date\", signature=\"c2ln",
        "Basic dTpw",
    ] {
        assert_eq!(parts(broken), None, "{broken}");
    }
}

#[test]
fn headers_and_the_request_line_are_signed_in_the_order_given() {
    let one = request(
        Version::HTTP_11,
        &[("date", "today"), ("x-a", "1"), ("x-a", "2")],
    );
    for (names, lines) in [
        ("date", "date: today"),
        ("Date HOST", "Date: today\nHOST: gateway.test"),
        ("x-a x_a", "x-a: 1\nx_a: 1"),
        ("none date", "none:\ndate: today"),
        ("", ":"),
        ("request-line date", "POST /a%20b?c=d HTTP/1.1\ndate: today"),
        ("@request-target", "@request-target: post /a%20b?c=d"),
    ] {
        let header = signed(names, lines, b"secret");
        // An empty list is none: Kong's pattern wants something between the quotes.
        let signature = Signature::read(&header);
        assert_eq!(signature.is_some(), !names.is_empty(), "{names}");
        let Some(signature) = signature else { continue };
        let is_of = |algorithm, secret| signature.is_of(&one, algorithm, secret);
        assert!(is_of(HmacAlgorithm::Sha256, &b"secret"[..]), "{names}");
        assert!(!is_of(HmacAlgorithm::Sha256, &b"Secret"[..]), "{names}");
        assert!(!is_of(HmacAlgorithm::Sha1, &b"secret"[..]), "{names}");
    }
}

#[test]
fn a_header_named_like_the_request_line_comes_first() {
    let odd = request(Version::HTTP_11, &[("request-line", "mine")]);
    let header = signed("request-line", "request-line: mine", b"s");
    let signature = Signature::read(&header).expect("whole");
    assert!(signature.is_of(&odd, HmacAlgorithm::Sha256, b"s"));
}

#[test]
fn versions_are_printed_as_numbers() {
    for (version, text) in [
        (Version::HTTP_10, "HTTP/1"),
        (Version::HTTP_11, "HTTP/1.1"),
        (Version::HTTP_2, "HTTP/2"),
    ] {
        let line = format!("POST /a%20b?c=d {text}");
        let header = signed("request-line", &line, b"s");
        let signature = Signature::read(&header).expect("whole");
        let request = request(version, &[]);
        assert!(
            signature.is_of(&request, HmacAlgorithm::Sha256, b"s"),
            "{text}"
        );
    }
}

#[test]
fn every_algorithm_makes_what_its_name_says() {
    // `printf 'date: today' | openssl dgst -<algorithm> -hmac secret -binary | base64`
    let today = request(Version::HTTP_11, &[("date", "today")]);
    for (name, tag) in [
        ("hmac-sha1", "JDDgiK7NI02uwVOiuqdU70e7FlU="),
        (
            "hmac-sha256",
            "SNERdFCcPF40c5kw0zbmSXn3Zv2KZWhiuHSijhZs/4k=",
        ),
        (
            "hmac-sha384",
            "HJx2sM6piwtfVIQCJjc7bP0Xt55RUfJLwfmLw73A5kBsKsvExiL92ZwvssAsWERO",
        ),
        (
            "hmac-sha512",
            "A19ZYmfSmmd23/ftGtxDvcWetANbSAqAyQ2Fxi9XY7M1qHWBXuTJLjSHL63Jo+oNRoQ6/4wZnaoj88TV59VwXQ==",
        ),
    ] {
        let text = format!(
            "hmac username=\"u\", algorithm=\"{name}\", headers=\"date\", signature=\"{tag}\""
        );
        let header = header(&text);
        let signature = Signature::read(&header).expect("whole");
        let algorithm = signature.algorithm().expect("known");
        assert!(signature.is_of(&today, algorithm, b"secret"), "{name}");
    }
}

#[test]
fn a_date_is_current_within_the_skew_on_both_sides() {
    let handler = handler(json!({"clock_skew": 10}));
    let at = |offset: i64| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs((now() + offset) as u64);
        let mut headers = HeaderMap::new();
        headers.insert(DATE, header(&httpdate::fmt_http_date(time)));
        handler.is_current(&headers, &DATE)
    };
    // A second may pass between the two clocks.
    for (offset, expected) in [(0, true), (-8, true), (8, true), (-12, false), (13, false)] {
        assert_eq!(at(offset), expected, "{offset}");
    }
    assert!(!handler.is_current(&HeaderMap::new(), &DATE));
}

#[test]
fn a_digest_is_that_of_the_body_and_may_only_be_left_out_of_an_empty_one() {
    // `printf hello | openssl dgst -sha256 -binary | base64`
    let of_hello = "SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    for (digest, body, expected) in [
        (Some(of_hello), "hello", true),
        (Some(of_hello), "other", false),
        (Some(of_hello), "", false),
        (Some("SHA-512=x"), "hello", false),
        (
            Some("sha-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
            "hello",
            false,
        ),
        (None, "hello", false),
        (None, "", true),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(digest) = digest {
            headers.insert(DIGEST, header(digest));
        }
        assert_eq!(
            has_digest(&headers, body.as_bytes()),
            expected,
            "{digest:?} {body}"
        );
    }
}

#[test]
fn refusals_have_kongs_words_and_the_realm() {
    let plain = handler(json!({}));
    let realm = handler(json!({"realm": "mine"}));
    let challenge =
        |handler: &Handler| handler.refuse(Refusal::NoDate).headers[WWW_AUTHENTICATE].clone();
    assert_eq!(challenge(&plain), "hmac");
    assert_eq!(challenge(&realm), "hmac realm=\"mine\"");
    for (refusal, status, text) in [
        (Refusal::NothingShown, 401, "Unauthorized"),
        (
            Refusal::Unverifiable,
            401,
            "HMAC signature cannot be verified",
        ),
        (Refusal::Different, 401, "HMAC signature does not match"),
        (
            Refusal::NoDate,
            401,
            "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication",
        ),
    ] {
        let answer = plain.refuse(refusal);
        assert_eq!(answer.status, status);
        assert!(matches!(answer.body, super::super::AnswerBody::Message(said) if said == text));
    }
}

proptest::proptest! {
    #[test]
    fn nothing_a_client_sends_makes_the_readers_panic(
        text in "[hH]mac (username=\"|\",|algorithm=\"|headers=\"|signature=\"|[ a\",]){0,14}",
        date in "[A-Z][a-z]{2}[, ]{1,2}[0-9A-Za-z :,-]{0,30}",
    ) {
        if let Some(signature) = Signature::read(&header(&text)) {
            signature.is_of(&request(Version::HTTP_11, &[]), HmacAlgorithm::Sha1, b"s");
        }
        date::parse(date.as_bytes());
    }
}
