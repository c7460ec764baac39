//! What is found where; the answers are replayed end to end.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::*;

fn search(names: &[&str], header: bool, query: bool, body: bool) -> Search {
    Search {
        names: names.iter().filter_map(|name| Sought::new(name)).collect(),
        header,
        query,
        body,
    }
}

fn header_map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// The key that is found, or why none is.
fn run(
    search: &Search,
    headers: &[(&'static str, &'static str)],
    query: &str,
    body: Option<&str>,
) -> Result<String, Refusal> {
    let headers = header_map(headers);
    let found = search.run(&headers, query, body.map(str::as_bytes));
    found.map(|(_, key)| String::from_utf8(key).expect("UTF-8"))
}

#[test]
fn headers_come_before_the_query_and_the_query_before_the_body() {
    let all = search(&["apikey"], true, true, true);
    let json = ("content-type", "application/json");
    for (headers, query, body, expected) in [
        (
            &[("apikey", "h"), json] as &[_],
            "apikey=q",
            "{\"apikey\":\"b\"}",
            Ok("h"),
        ),
        (&[json], "apikey=q", "{\"apikey\":\"b\"}", Ok("q")),
        (&[json], "", "{\"apikey\":\"\\u0062\"}", Ok("b")),
        (&[json], "ApiKey=q", "{}", Err(Refusal::NoKey)),
        (&[json], "apikey=q%20%C3%A9+", "{}", Ok("q é ")),
        // An empty key hides the places behind it.
        (
            &[("apikey", ""), json],
            "apikey=q",
            "{}",
            Err(Refusal::NoKey),
        ),
        (&[json], "apikey", "{\"apikey\":\"b\"}", Err(Refusal::NoKey)),
        (
            &[("apikey", "1"), ("apikey", "2"), json],
            "",
            "{}",
            Err(Refusal::Duplicate),
        ),
        (&[json], "apikey=1&apikey=2", "{}", Err(Refusal::Duplicate)),
        (&[json], "", "{\"apikey\":[\"b\"]}", Err(Refusal::Duplicate)),
        (&[json], "", "{\"apikey\":1}", Err(Refusal::NoKey)),
        (&[json], "", "{bad", Err(Refusal::NoKey)),
        (
            &[("content-type", "text/plain")],
            "",
            "apikey=b",
            Err(Refusal::NoKey),
        ),
        (
            &[("content-type", "application/x-www-form-urlencoded")],
            "",
            "x=1&apikey=b",
            Ok("b"),
        ),
        (
            &[("content-type", "multipart/form-data; boundary=X")],
            "",
            "--X\r\nContent-Disposition: form-data; name=\"apikey\"\r\n\r\nb\r\n--X--\r\n",
            Ok("b"),
        ),
    ] {
        assert_eq!(
            run(&all, headers, query, Some(body)),
            expected.map(str::to_owned),
            "{headers:?} {query} {body}"
        );
    }
}

#[test]
fn only_the_places_that_are_switched_on_are_looked_at() {
    let form = &[
        ("apikey", "h"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    for (header, query, body, expected) in [
        (true, true, true, Ok("h")),
        (false, true, true, Ok("q")),
        (false, false, true, Ok("b")),
        (false, false, false, Err(Refusal::NoKey)),
    ] {
        let search = search(&["apikey"], header, query, body);
        assert_eq!(
            run(&search, form, "apikey=q", Some("apikey=b")),
            expected.map(str::to_owned)
        );
    }
}

#[test]
fn names_are_tried_in_their_order() {
    let two = search(&["first", "x_second"], true, true, false);
    assert_eq!(
        run(&two, &[("x-second", "2")], "first=1", None),
        Ok("1".to_owned())
    );
    assert_eq!(
        run(&two, &[("x-second", "2")], "first=", None),
        Ok("2".to_owned())
    );
    assert_eq!(
        run(&two, &[("x-second", "2"), ("first", "3")], "", None),
        Ok("3".to_owned())
    );
}

#[test]
fn a_key_is_taken_out_of_every_kind_of_body() {
    let part =
        |name| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n1\r\n");
    for (kind, body, expected) in [
        (
            "application/json",
            "{\"apikey\":\"k\", \"b\":1.0}".to_owned(),
            Some("{\"b\":1.0}".to_owned()),
        ),
        ("application/json", "{\"b\": 1}".to_owned(), None),
        (
            "application/x-www-form-urlencoded",
            "b=%7e&apikey=k".to_owned(),
            Some("b=%7e".to_owned()),
        ),
        (
            "multipart/form-data; boundary=X",
            part("apikey") + &part("b") + "--X--\r\n",
            Some(part("b") + "--X--\r\n"),
        ),
        ("text/plain", "apikey=k".to_owned(), None),
    ] {
        let headers = header_map(&[(CONTENT_TYPE.as_str().to_owned().leak(), kind)]);
        let left = body::without(&headers, body.as_bytes(), b"apikey");
        assert_eq!(
            left.map(|body| String::from_utf8(body).expect("UTF-8")),
            expected,
            "{kind}"
        );
    }
}

#[test]
fn refusals_have_kongs_words_and_the_realm() {
    let handler = |config: serde_json::Value| {
        let schema = shared::plugins::Catalog::builtin()
            .plugin("key-auth")
            .expect("declared");
        let config = schema.parse(config.to_string().as_bytes()).expect("valid");
        Handler::new(&config.downcast().expect("its own type"))
    };
    let plain = handler(serde_json::json!({}));
    let realm = handler(serde_json::json!({"realm": "my\r\nrealm"}));
    assert_eq!(
        plain.refuse(Refusal::NoKey).headers[WWW_AUTHENTICATE],
        "Key"
    );
    assert_eq!(
        realm.refuse(Refusal::Unknown).headers[WWW_AUTHENTICATE],
        "Key realm=\"my%0D%0Arealm\""
    );
    for (refusal, text) in [
        (Refusal::NoKey, "No API key found in request"),
        (Refusal::Duplicate, "Duplicate API key found"),
        (Refusal::Unknown, "Unauthorized"),
    ] {
        let answer = plain.refuse(refusal);
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(
            matches!(answer.body, super::super::AnswerBody::Message(message) if message == text)
        );
    }
}
