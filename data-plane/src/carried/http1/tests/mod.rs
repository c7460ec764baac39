//! Heads and framing, as texts; [`exchange`] is what happens on a connection.

mod exchange;

use super::head::Sent;
use super::*;

use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, Version};

/// What a head is written as, and how the body after it is framed.
fn written(
    method: Method,
    headers: &[(HeaderName, &str)],
    body: &str,
    had: bool,
) -> (String, Sent) {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value")))
        .collect();
    let head = RequestHead {
        method: &method,
        path: "/p",
        query: None,
        host: Some(&HeaderValue::from_static("h")),
        headers: &headers,
        websocket: false,
        had_body: had,
    };
    let mut out = Vec::new();
    let body = UpstreamBody::Full(Bytes::copy_from_slice(body.as_bytes()));
    let framing = head.write(&body, &mut out).expect("it can be written");
    (String::from_utf8(out).expect("text"), framing)
}

#[test]
fn the_framing_of_a_request_is_nobody_s_but_its_body_s() {
    let lies = [(CONTENT_LENGTH, "99"), (TRANSFER_ENCODING, "chunked")];
    for (body, had, expected) in [
        ("four", true, "host: h\r\ncontent-length: 4\r\n\r\n"),
        ("four", false, "host: h\r\ncontent-length: 4\r\n\r\n"),
        ("", true, "host: h\r\ncontent-length: 0\r\n\r\n"),
        ("", false, "host: h\r\n\r\n"),
    ] {
        let (text, framing) = written(Method::POST, &lies, body, had);
        assert_eq!(text, format!("POST /p HTTP/1.1\r\n{expected}"));
        assert_eq!(framing, Sent::Length(body.len() as u64));
    }
}

#[test]
fn a_target_is_written_as_it_is_or_not_at_all() {
    let headers = HeaderMap::new();
    for (path, query, expected) in [
        ("/", None, Ok("/")),
        ("/a%20b", Some("c=d&e"), Ok("/a%20b?c=d&e")),
        ("/", Some(""), Ok("/?")),
        ("/a", Some("x#y"), Ok("/a?x%23y")),
        ("/ä\"<>|{}^`\\", Some("ü"), Ok("/ä\"<>|{}^`\\?ü")),
        (
            "/a b",
            None,
            Err("byte 0x20 at 2 of the target '/a b' cannot be sent"),
        ),
        (
            "/",
            Some("a\r\nX: y"),
            Err("byte 0x0d at 1 of the target 'a\\r\\nX: y' cannot be sent"),
        ),
        (
            "/\u{7f}",
            None,
            Err("byte 0x7f at 1 of the target '/\\u{7f}' cannot be sent"),
        ),
    ] {
        let head = RequestHead {
            method: &Method::GET,
            path,
            query,
            host: None,
            headers: &headers,
            websocket: false,
            had_body: false,
        };
        let mut out = b"before".to_vec();
        let written = head.write(&UpstreamBody::Full(Bytes::new()), &mut out);
        let expected = expected.map(|target| format!("GET {target} HTTP/1.1\r\n\r\n"));
        match expected {
            Ok(text) => {
                written.expect(path);
                assert_eq!(String::from_utf8_lossy(&out), format!("before{text}"));
            }
            Err(error) => {
                assert_eq!(written.expect_err(path).to_string(), error);
                assert_eq!(out, b"before");
            }
        }
    }
}

/// Reads a response whole: `Err` with what is said of it. Given in pieces of `size` bytes, as a slow upstream sends it.
fn read(
    method: &Method,
    text: &[u8],
    size: usize,
) -> Result<(ResponseHead, Vec<u8>, HeaderMap, bool), String> {
    let (mut buffer, mut looked) = (BytesMut::new(), 0);
    let mut pieces = text.chunks(size);
    let mut head = None;
    let mut left = (Framing::End, false);
    let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
    loop {
        match &mut head {
            None if !buffer.is_empty() => {
                let found = head::read(&mut buffer, &mut looked).map_err(|e| e.to_string())?;
                if let Some(mut found) = found {
                    left = Framing::of(method, found.status, found.version, &mut found.headers)
                        .map_err(|e| e.to_string())?;
                    left.1 &= head::stays(found.version, &found.headers);
                    head = Some(found);
                    continue;
                }
            }
            None => {}
            Some(_) => match left.0.take(&mut buffer).map_err(|e| e.to_string())? {
                Part::Data(data) => {
                    body.extend_from_slice(&data);
                    continue;
                }
                Part::Trailers(found) => {
                    trailers = found;
                    continue;
                }
                Part::End => {
                    let head = head.take().expect("it was read");
                    return Ok((head, body, trailers, left.1 && buffer.is_empty()));
                }
                Part::More => {}
            },
        }
        match pieces.next() {
            Some(piece) => buffer.extend_from_slice(piece),
            None if head.is_none() => return Err(WireError::Closed.to_string()),
            None => left.0.closed().map_err(|e| e.to_string())?,
        }
    }
}

const CLOSED: &str = "the connection was closed before the response was complete";

/// The response, then its status, body and whether the connection stays; or what is said of it.
type Case = (
    &'static str,
    &'static str,
    Result<(u16, &'static str, bool), &'static str>,
);

const RESPONSES: &[Case] = &[
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        Ok((200, "ok", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
        Ok((200, "ok", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        Ok((200, "", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
        Ok((200, "ok", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
        Ok((200, "ok", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\n\r\nto the end",
        Ok((200, "to the end", false)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        Ok((200, "ok", false)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 2\r\n\r\nok",
        Ok((200, "ok", false)),
    ),
    (
        "GET",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        Ok((200, "ok", false)),
    ),
    (
        "GET",
        "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
        Ok((200, "ok", true)),
    ),
    // More than was asked for: nobody's answer.
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
        Ok((200, "ok", false)),
    ),
    (
        "HEAD",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
        Ok((200, "", true)),
    ),
    (
        "HEAD",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        Ok((200, "", true)),
    ),
    (
        "GET",
        "HTTP/1.1 204 No Content\r\n\r\n",
        Ok((204, "", true)),
    ),
    (
        "GET",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n",
        Ok((304, "", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        Ok((200, "ok", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n1;a=\"b\"\r\no\r\n01 ;x\r\nk\r\n000\r\n\r\n",
        Ok((200, "ok", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n",
        Ok((200, "0123456789", true)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nraw",
        Ok((200, "raw", false)),
    ),
    // Two lengths: the chunks count, and the connection is not trusted any more.
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        Ok((200, "ok", false)),
    ),
    (
        "GET",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        Ok((200, "ok", false)),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        Err(CLOSED),
    ),
    ("GET", "HTTP/1.1 200 OK\r\ncontent-len", Err(CLOSED)),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        Err(CLOSED),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        Err(CLOSED),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        Err("not HTTP/1.1: Content-Length is no number, or more than one"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        Err("not HTTP/1.1: Content-Length is no number, or more than one"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\nok",
        Err("not HTTP/1.1: Content-Length is no number, or more than one"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\nok",
        Err("not HTTP/1.1: Content-Length is no number, or more than one"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\nok\r\n0\r\n\r\n",
        Err("not HTTP/1.1: the size of a chunk is no hexadecimal number"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
        Err("not HTTP/1.1: the size of a chunk is no hexadecimal number"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n",
        Err("not HTTP/1.1: the size of a chunk is no hexadecimal number"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2 2\r\nok\r\n0\r\n\r\n",
        Err("not HTTP/1.1: the size of a chunk is no hexadecimal number"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11112222333344445\r\nok\r\n0\r\n\r\n",
        Err("not HTTP/1.1: the size of a chunk is no hexadecimal number"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
        Err("not HTTP/1.1: a line of a chunk does not end in CRLF"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok!\r\n0\r\n\r\n",
        Err("not HTTP/1.1: a chunk is longer than it says"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx t: 1\r\n\r\n",
        Err("not HTTP/1.1: invalid header name"),
    ),
    (
        "GET",
        "nonsense\r\n\r\n",
        Err("not HTTP/1.1: invalid HTTP version"),
    ),
    (
        "GET",
        "HTTP/1.1 099 No\r\n\r\n",
        Err("not HTTP/1.1: the status is no number from 100 to 999"),
    ),
    (
        "GET",
        "HTTP/1.1 20x No\r\n\r\n",
        Err("not HTTP/1.1: invalid response status"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nx y: 1\r\n\r\n",
        Err("not HTTP/1.1: invalid header name"),
    ),
    (
        "GET",
        "HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\n\r\n",
        Err("not HTTP/1.1: invalid header name"),
    ),
];

#[test]
fn a_response_ends_where_its_head_says_however_it_is_cut() {
    for (method, text, expected) in RESPONSES {
        let method: Method = method.parse().expect("a method");
        for size in [1, 2, 3, 7, text.len()] {
            let got = read(&method, text.as_bytes(), size);
            match (got, expected) {
                (Ok((head, body, _, stays)), Ok((status, expected, stays_then))) => {
                    assert_eq!(head.status, *status, "{text:?} by {size}");
                    assert_eq!(
                        String::from_utf8_lossy(&body),
                        *expected,
                        "{text:?} by {size}"
                    );
                    // What follows may not have come yet.
                    assert!(
                        stays == *stays_then || size < text.len() && stays,
                        "{text:?} by {size}"
                    );
                }
                (Err(error), Err(expected)) => assert_eq!(error, *expected, "{text:?} by {size}"),
                (got, _) => panic!("{text:?} by {size}: {got:?}, not {expected:?}"),
            }
        }
    }
}

#[test]
fn a_head_keeps_its_lines_and_their_order() {
    let text = "HTTP/1.0 404 Weg\r\nX-B: 1\r\nx-a:  two \r\nSet-Cookie: a\r\nX-Empty:\r\nset-cookie: b\r\nx-l: \u{fc}\r\n\r\n";
    let (head, body, _, _) = read(&Method::GET, text.as_bytes(), 5).expect("it is read");
    assert_eq!(
        (head.status.as_u16(), head.version),
        (404, Version::HTTP_10)
    );
    assert!(body.is_empty());
    let lines: Vec<(&str, &[u8])> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(
        lines[..4],
        [
            ("x-b", &b"1"[..]),
            ("x-a", b"two"),
            ("set-cookie", b"a"),
            ("set-cookie", b"b")
        ]
    );
    assert_eq!(head.headers["x-empty"], "");
    assert_eq!(head.headers["x-l"].as_bytes(), "\u{fc}".as_bytes());
}

#[test]
fn a_length_beside_chunks_is_taken_away() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-sum: 1\r\n\r\n";
    let (head, _, trailers, _) = read(&Method::GET, text.as_bytes(), 9).expect("it is read");
    assert!(!head.headers.contains_key(CONTENT_LENGTH));
    assert_eq!(trailers["x-sum"], "1");
}

#[test]
fn what_never_ends_is_refused() {
    let long = "x".repeat(300 * 1024);
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (text, expected) in [
        (
            format!("HTTP/1.1 200 OK\r\nx: {long}"),
            "not HTTP/1.1: the head is too long",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
            "not HTTP/1.1: too many headers",
        ),
        (
            format!("{chunk}2;{long}"),
            "not HTTP/1.1: a line of a chunk is too long",
        ),
        (
            format!("{chunk}0\r\nx: {long}"),
            "not HTTP/1.1: the trailers are too long",
        ),
        (
            format!("{chunk}0\r\n{many}\r\n"),
            "not HTTP/1.1: too many headers",
        ),
    ] {
        let got = read(&Method::GET, text.as_bytes(), 4096).expect_err("it is too much");
        assert_eq!(got, expected);
    }
}

/// What a client said of trailers decides which may be written (RFC 9110 6.5.1).
#[test]
fn trailers_that_are_announced_and_may_be_are_written() {
    let said = [
        (TRAILER, "X-Sum, content-length, nope nope, x-more"),
        (TE, "trailers"),
    ];
    let headers: HeaderMap = said
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect();
    let names = head::announced(&headers);
    assert_eq!(names, ["x-sum", "x-more"].map(HeaderName::from_static));
}
