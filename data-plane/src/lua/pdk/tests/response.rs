//! `kong.response` and `kong.service.response`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use lua::pdk::Phase;

use crate::lua::call::{Halted, Outcome};
use crate::lua::tests::{Scene, check, outcome, said};
use crate::plugins::{Answer, AnswerBody};
use crate::proxy::ctx::{Ctx, Maker};

/// A request whose answer is here.
pub(super) fn answered() -> Box<Ctx> {
    let mut ctx = Scene::default().ctx();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/x"));
    headers.append("x-twice", HeaderValue::from_static("a"));
    headers.append("x-twice", HeaderValue::from_static("b"));
    ctx.response.status = StatusCode::CREATED;
    ctx.response.maker = Maker::Upstream;
    ctx.response.headers = headers.clone();
    ctx.response
        .headers
        .insert("x-ours", HeaderValue::from_static("1"));
    ctx.upstream_head = Some(Box::new((StatusCode::CREATED, headers)));
    ctx.timing.upstream_status = Some(201);
    ctx
}

fn table(phase: Phase, cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        let mut ctx = answered();
        assert_eq!(said(Some(&mut ctx), phase, source), *expected, "{source}");
    }
}

#[test]
fn answers_are_read() {
    table(
        Phase::Log,
        &[
            ("return kong.response.get_status()", "201"),
            ("return kong.response.get_header('X_Twice')", "'a'"),
            ("return kong.response.get_header('none')", "nil"),
            ("return kong.response.get_header('no name')", "nil"),
            (
                "return kong.response.get_header(1)",
                "error: header name must be a string",
            ),
            (
                "return kong.response.get_headers()",
                "{content-type = 'text/x', x-ours = '1', x-twice = {'a', 'b'}}, nil",
            ),
            ("return (kong.response.get_headers()).X_Ours", "'1'"),
            (
                "return kong.response.get_headers(2)",
                "{content-type = 'text/x', x-twice = 'a'}, 'truncated'",
            ),
            (
                "return kong.response.get_headers('x')",
                "error: max_headers must be a number",
            ),
            (
                "return kong.response.get_headers(0)",
                "error: max_headers must be >= 1",
            ),
            (
                "return kong.response.get_headers(1001)",
                "error: max_headers must be <= 1000",
            ),
            ("return kong.response.get_source()", "'service'"),
            ("return kong.service.response.get_status()", "201"),
            ("return kong.service.response.get_header('x-ours')", "nil"),
            ("return kong.service.response.get_header('X-Twice')", "'a'"),
            (
                "return kong.service.response.get_header()",
                "error: header name must be a string",
            ),
            (
                "return kong.service.response.get_headers(1000)",
                "{content-type = 'text/x', x-twice = {'a', 'b'}}, nil",
            ),
            (
                "return kong.service.response.get_raw_body()",
                "error: service body is only available with buffered proxying (see: kong.service.request.enable_buffering function)",
            ),
        ],
    );
    let mut ctx = answered();
    ctx.buffered = Some(Bytes::from_static(b"\0whole"));
    assert_eq!(
        said(
            Some(&mut ctx),
            Phase::Response,
            "return kong.service.response.get_raw_body()"
        ),
        "'\0whole'"
    );
    let mut nothing = Scene::default().ctx();
    assert_eq!(
        said(
            Some(&mut nothing),
            Phase::Log,
            "return kong.service.response.get_status(), kong.service.response.get_header('a'), kong.service.response.get_headers()"
        ),
        "nil, nil, {}, nil"
    );
    for (maker, source) in [(Maker::Plugin, "'exit'"), (Maker::Gateway, "'error'")] {
        let mut ctx = answered();
        ctx.response.maker = maker;
        assert_eq!(
            said(
                Some(&mut ctx),
                Phase::Log,
                "return kong.response.get_source()"
            ),
            source
        );
    }
}

#[test]
fn each_is_refused_in_other_phases() {
    let back = "(only in: response, header_filter, body_filter, log)";
    let forth = "(only in: rewrite, access, response, header_filter)";
    for (name, only) in [
        ("kong.response.get_status", back),
        ("kong.response.get_header", back),
        ("kong.response.get_headers", back),
        ("kong.response.get_source", back),
        ("kong.service.response.get_status", back),
        ("kong.service.response.get_header", back),
        ("kong.service.response.get_headers", back),
        ("kong.service.response.get_raw_body", back),
        ("kong.service.response.get_body", back),
    ] {
        let expected = format!("error: function cannot be called in access phase {only}");
        check(
            &Scene::default(),
            &[(Phase::Access, &format!("{name}('x', 'y')"), &expected)],
        );
    }
    for name in [
        "set_status",
        "set_header",
        "add_header",
        "clear_header",
        "set_headers",
        "error",
    ] {
        let expected = format!("error: function cannot be called in log phase {forth}");
        check(
            &Scene::default(),
            &[(
                Phase::Log,
                &format!("kong.response.{name}('x', 'y')"),
                &expected,
            )],
        );
    }
    for name in ["get_raw_body", "set_raw_body"] {
        check(
            &Scene::default(),
            &[(
                Phase::HeaderFilter,
                &format!("kong.response.{name}('x')"),
                "error: function cannot be called in header_filter phase (only in: body_filter)",
            )],
        );
    }
}

#[test]
fn the_head_is_changed() {
    let wrong = "expected array of string, string, number or boolean";
    for (source, expected) in [
        ("set_status('x')", "error: code must be a number".to_owned()),
        (
            "set_status(99)",
            "error: code must be a number between 100 and 599".to_owned(),
        ),
        (
            "set_status(600)",
            "error: code must be a number between 100 and 599".to_owned(),
        ),
        (
            "set_status(103)",
            "error: code 103 announces an answer and cannot be one".to_owned(),
        ),
        (
            "set_header('X-A')",
            format!("error: invalid header value for \"X-A\": got nil, {wrong}"),
        ),
        (
            "set_header('X-A', print)",
            format!("error: invalid header value for \"X-A\": got function, {wrong}"),
        ),
        (
            "set_header('X-A', { 1 })",
            "error: invalid header value in array \"X-A\": got number, expected string".to_owned(),
        ),
        (
            "set_header('X-A', 'a\\nb')",
            "error: invalid header value for \"X-A\": it holds a control character".to_owned(),
        ),
        (
            "set_header(1, 'a')",
            "error: invalid header name \"1\": got number, expected string".to_owned(),
        ),
        (
            "set_header('a b', 'a')",
            "error: invalid header name \"a b\"".to_owned(),
        ),
        (
            "add_header('X-A')",
            format!("error: invalid header value for \"X-A\": got nil, {wrong}"),
        ),
        (
            "clear_header()",
            "error: header name must be a string".to_owned(),
        ),
        (
            "set_headers('x')",
            "error: headers must be a table".to_owned(),
        ),
        (
            "set_headers({ [1] = 'x' })",
            "error: invalid header name \"1\": got number, expected string".to_owned(),
        ),
    ] {
        table(
            Phase::HeaderFilter,
            &[(&format!("kong.response.{source}"), &expected)],
        );
    }
    let mut ctx = answered();
    let source = "kong.response.set_status(204)
        kong.response.set_header('x_a', 1.5)
        kong.response.set_header('X-B', true)
        kong.response.set_header('x-twice', { 'c', 'd' })
        kong.response.add_header('X-B', 'more')
        kong.response.clear_header('Content_Type')
        kong.response.set_headers({ ['X-Ours'] = 2, empty = '' })
        kong.response.set_header('Transfer-Encoding', 'chunked')
        return kong.response.get_status(), kong.response.get_headers()";
    assert_eq!(
        said(Some(&mut ctx), Phase::HeaderFilter, source),
        "204, {empty = '', x-a = '1.5', x-b = {'true', 'more'}, x-ours = '2', x-twice = {'c', 'd'}}, nil"
    );
    // Before there is an answer they wait for it.
    let mut ctx = Scene::default().ctx();
    let source = "kong.response.set_header('X-A', 1) kong.response.add_header('X-A', 2)
        kong.response.set_header('X-B', 1) kong.response.clear_header('X-B')";
    assert_eq!(said(Some(&mut ctx), Phase::Access, source), "");
    assert!(ctx.response.headers.is_empty());
    ctx.response
        .headers
        .insert("x-b", HeaderValue::from_static("upstream"));
    ctx.keep_promises();
    let kept: Vec<_> = ctx
        .response
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(kept, [("x-a", &b"1"[..]), ("x-a", b"2")]);
}

fn answer(ctx: &mut Ctx, phase: Phase, source: &str) -> Answer {
    match outcome(Some(ctx), phase, source) {
        Outcome::Halted(Halted::Answer(answer)) => *answer,
        other => panic!("{source}: {other:?}"),
    }
}

fn text(answer: &Answer) -> &str {
    match &answer.body {
        AnswerBody::Exact(bytes) | AnswerBody::Typed(bytes) => {
            std::str::from_utf8(bytes).expect("text")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn exit_answers() {
    for (source, expected) in [
        ("exit('x')", "code must be a number"),
        ("exit()", "code must be a number"),
        ("exit(99)", "code must be a number between 100 and 599"),
        ("exit(600)", "code must be a number between 100 and 599"),
        (
            "exit(100)",
            "code 100 announces an answer and cannot be one",
        ),
        (
            "exit(199, 'x')",
            "code 199 announces an answer and cannot be one",
        ),
        ("exit(200, 1)", "body must be a nil, string or table"),
        ("exit(200, '', 'x')", "headers must be a nil or table"),
        (
            "exit(200, '', { 'x' })",
            "invalid header name \"1\": got number, expected string",
        ),
        (
            "exit(200, { print })",
            "body encoding failed while flushing response: Cannot serialise function: type not supported",
        ),
    ] {
        let source = format!("kong.response.{source}");
        check(
            &Scene::default(),
            &[(Phase::Access, &source, &format!("error: {expected}"))],
        );
    }
    let json = Some("application/json; charset=utf-8");
    for (source, status, content_type, body) in [
        ("exit(204)", 204, None, ""),
        ("exit(200, 'plain')", 200, None, "plain"),
        (
            "exit(403, { message = 'no' })",
            403,
            json,
            "{\"message\":\"no\"}",
        ),
        ("exit(403, { 1, 2 })", 403, json, "[1,2]"),
        (
            "exit(200, { a = '/' }, { ['content-type'] = 'a/b' })",
            200,
            Some("a/b"),
            "{\"a\":\"\\/\"}",
        ),
        (
            "exit(200, 'x', { content_type = 'a/b' })",
            200,
            Some("a/b"),
            "x",
        ),
    ] {
        for phase in [
            Phase::Rewrite,
            Phase::Access,
            Phase::Response,
            Phase::HeaderFilter,
        ] {
            let mut ctx = Scene::default().ctx();
            let answer = answer(
                &mut ctx,
                phase,
                &format!("kong.response.{source} error('goes on')"),
            );
            assert_eq!(answer.status.as_u16(), status, "{source}");
            assert_eq!(
                answer
                    .headers
                    .get("content-type")
                    .map(|v| v.to_str().expect("text")),
                content_type,
                "{source}"
            );
            assert_eq!(text(&answer), body, "{source}");
        }
    }
    let mut ctx = Scene::default().ctx();
    let answered = answer(
        &mut ctx,
        Phase::Access,
        "kong.response.exit(200, '', { ['X-A'] = { 'a', 'b' }, ['transfer-encoding'] = 'chunked' })",
    );
    let all: Vec<_> = answered.headers.get_all("x-a").iter().collect();
    assert_eq!(all, ["a", "b"]);
    assert!(!answered.headers.contains_key("transfer-encoding"));
}

#[test]
fn grpc_clients_are_told_in_headers() {
    let scene = Scene {
        version: Version::HTTP_2,
        headers: vec![
            ("host", "a.test"),
            ("content-type", "application/grpc+proto"),
        ],
        ..Scene::default()
    };
    for (source, status, message) in [
        ("exit(403, 'go')", "7", "go"),
        ("exit(403, { message = 'go' })", "7", "go"),
        ("exit(403, { other = 'go' })", "7", "PermissionDenied"),
        ("exit(418)", "3", "InvalidArgument"),
        ("exit(200)", "0", "OK"),
        ("exit(302)", "2", "Unknown"),
        ("exit(500, nil, { ['grpc-status'] = 9 })", "9", "Internal"),
        (
            "error(503)",
            "14",
            "The upstream server is currently unavailable",
        ),
        ("error(401, 'who?')", "16", "who?"),
    ] {
        let mut ctx = scene.ctx();
        let answer = answer(&mut ctx, Phase::Access, &format!("kong.response.{source}"));
        assert_eq!(answer.status.as_u16(), 200, "{source}");
        assert_eq!(
            answer.headers["content-type"], "application/grpc",
            "{source}"
        );
        assert_eq!(answer.headers["grpc-status"], status, "{source}");
        assert_eq!(answer.headers["grpc-message"], message, "{source}");
        assert_eq!(text(&answer), "", "{source}");
    }
    let source = "kong.response.exit(200, { a = 1 }, { ['content-type'] = 'application/grpc' })";
    check(
        &scene,
        &[(
            Phase::Access,
            source,
            "error: table body encoding with gRPC is not supported",
        )],
    );
}

#[test]
fn error_answers_in_the_format_that_is_wanted() {
    for (source, expected) in [
        ("error('x')", "code must be a number"),
        ("error(101)", "code must be a number between 400 and 599"),
        ("error(399)", "code must be a number between 400 and 599"),
        ("error(600)", "code must be a number between 400 and 599"),
        (
            "error(500, 1)",
            "message must be a nil, a string or a table",
        ),
        ("error(500, '', 1)", "headers must be a nil or table"),
        (
            "error(500, '', { a = print })",
            "invalid header value for \"a\": got function, expected array of string, string, number or boolean",
        ),
    ] {
        let source = format!("kong.response.{source}");
        check(
            &Scene::default(),
            &[(Phase::Access, &source, &format!("error: {expected}"))],
        );
    }
    let json = "application/json; charset=utf-8";
    for (accept, source, content_type, begin) in [
        (
            "",
            "error(404)",
            json,
            "{\n  \"message\":\"Not found\",\n  \"request_id\":\"",
        ),
        (
            "",
            "error(429)",
            json,
            "{\n  \"message\":\"Too many requests\"",
        ),
        (
            "",
            "error(599)",
            json,
            "{\n  \"message\":\"The upstream server responded with 599\"",
        ),
        (
            "",
            "error(500, 'a \"b\"')",
            json,
            "{\n  \"message\":\"a \\\"b\\\"\"",
        ),
        (
            "",
            "error(500, { a = 1 })",
            json,
            "{\n  \"message\":{\"a\":1},\n",
        ),
        (
            "text/plain",
            "error(500, 'm')",
            "text/plain; charset=utf-8",
            "m\nrequest_id: ",
        ),
        (
            "text/plain;q=0.5, application/xml",
            "error(500, '<m>')",
            "application/xml; charset=utf-8",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>&lt;m&gt;</message>\n  <requestid>",
        ),
        (
            "text/html",
            "error(500, { a = '<' })",
            "text/html; charset=utf-8",
            "<!doctype html>\n",
        ),
        (
            "text/plain",
            "error(500, 'm', { ['Content-Type'] = 'text/html' })",
            "text/html",
            "<!doctype html>\n",
        ),
        (
            "text/plain",
            "error(500, 'm', { content_type = 'image/png' })",
            "image/png",
            "{\n  \"message\":\"m\"",
        ),
    ] {
        let mut scene = Scene::default();
        if !accept.is_empty() {
            scene.headers.push(("accept", accept));
        }
        let mut ctx = scene.ctx();
        let answer = answer(
            &mut ctx,
            Phase::Response,
            &format!("kong.response.{source}"),
        );
        assert_eq!(answer.headers["content-type"], content_type, "{source}");
        assert!(
            text(&answer).starts_with(begin),
            "{source}: {}",
            text(&answer)
        );
        assert!(matches!(answer.body, AnswerBody::Typed(_)));
    }
    // The page of the acceptance target.
    let mut ctx = Scene::default().ctx();
    let id = ctx.id;
    let page = answer(
        &mut ctx,
        Phase::Response,
        "kong.response.error(500, 'Error when trying to access 3rd party service: ' .. 'connection refused', { ['Content-Type'] = 'text/html' })",
    );
    assert!(
        text(&page).contains(
            "<p>Error when trying to access 3rd party service: connection refused.</p>\n"
        )
    );
    assert!(text(&page).contains(&format!("<p>request_id: {id}</p>")));
}

#[test]
fn only_a_status_that_stays_may_announce_an_answer() {
    let mut ctx = answered();
    ctx.response.status = StatusCode::SWITCHING_PROTOCOLS;
    let same = "kong.response.set_status(101) ngx.status = 101 return ngx.status";
    assert_eq!(said(Some(&mut ctx), Phase::HeaderFilter, same), "101");
    for phase in [Phase::Access, Phase::HeaderFilter] {
        let mut ctx = answered();
        assert_eq!(
            said(Some(&mut ctx), phase, "ngx.status = 101"),
            "error: code 101 announces an answer and cannot be one"
        );
    }
}
