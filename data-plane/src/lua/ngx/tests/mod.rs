//! What the `ngx` table does: tables of snippets.

use http::{HeaderMap, HeaderValue, StatusCode};
use lua::pdk::Phase;

use crate::lua::tests::{Scene, check, said};

mod output;
mod threads;

fn asked() -> Scene {
    Scene {
        method: "POST",
        target: "/a%20b//c?x=1&y=2&y=3&flag",
        headers: vec![
            ("host", "A.test:8000"),
            ("x-one", "1"),
            ("x-two", "a"),
            ("x-two", "b"),
            ("cookie", "one=1; Two=2"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "7"),
        ],
        body: Some(b"p=1&q=2"),
        ..Scene::default()
    }
}

#[test]
fn variables_are_read() {
    for (name, expected) in [
        ("remote_addr", "'10.1.2.3'"),
        ("realip_remote_addr", "'10.1.2.3'"),
        ("remote_port", "'4567'"),
        ("server_addr", "'127.0.0.1'"),
        ("server_port", "'8000'"),
        ("scheme", "'http'"),
        ("host", "'a.test'"),
        ("request_uri", "'/a%20b//c?x=1&y=2&y=3&flag'"),
        ("args", "'x=1&y=2&y=3&flag'"),
        ("query_string", "'x=1&y=2&y=3&flag'"),
        ("is_args", "'?'"),
        ("request_method", "'POST'"),
        ("http_x_one", "'1'"),
        ("http_x_two", "'a, b'"),
        ("http_host", "'A.test:8000'"),
        ("http_none", "nil"),
        ("cookie_one", "'1'"),
        ("cookie_two", "'2'"),
        ("cookie_three", "nil"),
        ("arg_x", "'1'"),
        ("arg_Y", "'2'"),
        ("arg_flag", "nil"),
        ("content_type", "'application/x-www-form-urlencoded'"),
        ("content_length", "'7'"),
        ("https", "''"),
        ("ssl_protocol", "nil"),
        ("server_protocol", "'HTTP/1.1'"),
        ("status", "'000'"),
        ("body_bytes_sent", "'0'"),
        ("upstream_status", "nil"),
        ("upstream_addr", "nil"),
        ("upstream_upgrade", "nil"),
        ("unheard_of", "nil"),
    ] {
        check(
            &asked(),
            &[(Phase::Access, &format!("return ngx.var.{name}"), expected)],
        );
        check(
            &asked(),
            &[(
                Phase::Access,
                &format!("return ngx.var['{name}']"),
                expected,
            )],
        );
    }
    for (name, pattern) in [
        ("request_id", "^%x+$"),
        ("request_time", "^%d+%.%d%d%d$"),
        ("request_length", "^%d+$"),
        ("bytes_sent", "^%d+$"),
        ("msec", "^%d+%.%d%d%d$"),
        ("pid", "^%d+$"),
        (
            "time_iso8601",
            "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%+00:00$",
        ),
    ] {
        let source = format!("return ngx.var.{name}:match('{pattern}') ~= nil");
        check(&asked(), &[(Phase::Access, &source, "true")]);
    }
    check(&asked(), &[(Phase::Access, "return ngx.var[1]", "nil")]);
    assert_eq!(
        said(None, Phase::Timer, "return ngx.var.host"),
        "error: API disabled in the context of ngx.timer"
    );
    let mut answered = asked().ctx();
    answered.response.status = StatusCode::NOT_FOUND;
    answered
        .response
        .headers
        .insert("x-sent", HeaderValue::from_static("s"));
    let mut up = HeaderMap::new();
    up.insert("x-up", HeaderValue::from_static("u"));
    answered.upstream_head = Some(Box::new((StatusCode::OK, up)));
    answered.timing.upstream_status = Some(200);
    answered.sent = 3;
    let source = "local v = ngx.var return v.status, v.sent_http_x_sent, v.upstream_http_x_up, v.upstream_status, v.body_bytes_sent";
    assert_eq!(
        said(Some(&mut answered), Phase::Log, source),
        "'404', 's', 'u', '200', '3'"
    );
}

#[test]
fn some_variables_are_written() {
    let unknown = "error: variable \"host\" not found for writing; maybe it is a built-in variable that is not changeable or you forgot to use \"set $host '';\" in the config file to define it first";
    check(
        &asked(),
        &[
            (
                Phase::Access,
                "ngx.var.args = 'z=1' return ngx.var.args, ngx.req.get_uri_args()",
                "'z=1', {z = '1'}, nil",
            ),
            (
                Phase::Access,
                "ngx.var.upstream_uri = '/u?v=1' return ngx.var.upstream_uri, ngx.var.args",
                "'/u', 'v=1'",
            ),
            (
                Phase::Access,
                "ngx.var.upstream_uri = 'u'",
                "error: variable \"upstream_uri\" must start with /",
            ),
            (
                Phase::Access,
                "ngx.var.upstream_host = 'h.test' return ngx.var.upstream_host",
                "'h.test'",
            ),
            (
                Phase::Access,
                "ngx.var.upstream_scheme = 'ftp'",
                "error: invalid scheme: ftp",
            ),
            (
                Phase::Access,
                "ngx.var.upstream_upgrade = 'x' return ngx.var.upstream_upgrade",
                "'x'",
            ),
            (
                Phase::Access,
                "ngx.var.upstream_connection = 'x' return ngx.var.upstream_connection",
                "'x'",
            ),
            (
                Phase::Access,
                "ngx.var.args = 'a b'",
                "error: variable \"args\" cannot hold bytes that no request target may",
            ),
            (
                Phase::Access,
                "ngx.var.args = {}",
                "error: bad variable value type: table",
            ),
            (Phase::Access, "ngx.var.host = 'x'", unknown),
        ],
    );
}

#[test]
fn the_head_of_the_answer_is_read_and_written() {
    check(
        &asked(),
        &[
            (
                Phase::Access,
                "ngx.header.x_a = 1 return ngx.header['X-A'], ngx.header.none",
                "'1', nil",
            ),
            (
                Phase::Access,
                "ngx.header['X-A'] = { 'a', 'b' } return ngx.header.X_A",
                "{'a', 'b'}",
            ),
            (
                Phase::Access,
                "ngx.header.a = 1 ngx.header.a = nil return ngx.header.a",
                "nil",
            ),
            (
                Phase::Access,
                "ngx.header.a = 1 ngx.header.a = {} return ngx.header.a",
                "nil",
            ),
            (
                Phase::HeaderFilter,
                "ngx.header.a = 'b' return ngx.resp.get_headers()",
                "{a = 'b'}, nil",
            ),
            (
                Phase::HeaderFilter,
                "ngx.resp.add_header('a', 1) ngx.resp.add_header('a', 2) return ngx.resp.get_headers(1)",
                "{a = '1'}, 'truncated'",
            ),
            (
                Phase::HeaderFilter,
                "ngx.resp.add_header('a')",
                "error: invalid header value",
            ),
            (
                Phase::HeaderFilter,
                "ngx.header.a = print",
                "error: invalid header value for \"a\": got function, expected string, number or boolean",
            ),
            (
                Phase::Timer,
                "return ngx.header.a",
                "error: API disabled in the context of ngx.timer",
            ),
            (
                Phase::Log,
                "ngx.resp.add_header('a', 1)",
                "error: API disabled in the context of log_by_lua*",
            ),
            // Too late: said in the log, and nothing else.
            (
                Phase::BodyFilter,
                "ngx.header.a = 1 return ngx.header.a",
                "nil",
            ),
            (
                Phase::Access,
                "return ngx.status, ngx.headers_sent, ngx.is_subrequest",
                "0, false, false",
            ),
            (Phase::Access, "ngx.status = 404 return ngx.status", "404"),
            (
                Phase::HeaderFilter,
                "ngx.status = 404 return ngx.status",
                "404",
            ),
            (
                Phase::Log,
                "ngx.status = 404 return ngx.status, ngx.headers_sent",
                "200, true",
            ),
            (
                Phase::Access,
                "ngx.status = 'x'",
                "error: bad status: number expected, got string",
            ),
            (
                Phase::Access,
                "ngx.status = 5",
                "error: bad status: 5 is none",
            ),
            (
                Phase::Access,
                "ngx.other = 5",
                "error: Cannot modify ngx.other. Protected by the sandbox.",
            ),
            (Phase::Access, "return ngx.other", "nil"),
        ],
    );
}

#[test]
fn the_request_is_read() {
    check(
        &asked(),
        &[
            (
                Phase::Access,
                "local h = ngx.req.get_headers() return h['X-Two'], h.x_one, h.host",
                "{'a', 'b'}, '1', 'A.test:8000'",
            ),
            (
                Phase::Access,
                "local _, more = ngx.req.get_headers(1) return more",
                "'truncated'",
            ),
            (
                Phase::Access,
                "return ngx.req.get_method(), ngx.req.http_version(), ngx.req.is_internal()",
                "'POST', 1.1, false",
            ),
            (Phase::Access, "return ngx.req.start_time() > 1e9", "true"),
            (
                Phase::Access,
                "return ngx.req.raw_header():sub(1, 43)",
                "'POST /a%20b//c?x=1&y=2&y=3&flag HTTP/1.1\r\nh'",
            ),
            (
                Phase::Access,
                "return ngx.req.raw_header(true):sub(1, 17)",
                "'host: A.test:8000'",
            ),
            (
                Phase::Access,
                "return ngx.req.get_uri_args()",
                "{flag = true, x = '1', y = {'2', '3'}}, nil",
            ),
            (
                Phase::Access,
                "return ngx.req.get_uri_args(2)",
                "{x = '1', y = '2'}, 'truncated'",
            ),
            (
                Phase::Access,
                "ngx.req.read_body() return ngx.req.get_body_data(), ngx.req.get_body_file()",
                "'p=1&q=2', nil",
            ),
            (
                Phase::Access,
                "ngx.req.read_body() return ngx.req.get_body_data(3)",
                "'p=1'",
            ),
            (
                Phase::Access,
                "ngx.req.read_body() return ngx.req.get_post_args()",
                "{p = '1', q = '2'}, nil",
            ),
            (
                Phase::Access,
                "ngx.req.set_body_data('x') return ngx.req.get_body_data()",
                "'x'",
            ),
            (
                Phase::Access,
                "ngx.req.set_body_data(1)",
                "error: bad argument #1 to 'set_body_data' (string expected, got number)",
            ),
            (
                Phase::HeaderFilter,
                "ngx.req.read_body()",
                "error: API disabled in the context of header_filter_by_lua*",
            ),
            (
                Phase::HeaderFilter,
                "ngx.req.get_body_data()",
                "error: API disabled in the context of header_filter_by_lua*",
            ),
            (
                Phase::Timer,
                "ngx.req.get_headers()",
                "error: API disabled in the context of ngx.timer",
            ),
        ],
    );
}

#[test]
fn the_request_is_changed() {
    check(
        &asked(),
        &[
            (
                Phase::Access,
                "ngx.req.set_header('x_new', { 'a', 1 }) return ngx.req.get_headers()['x-new']",
                "{'a', '1'}",
            ),
            (
                Phase::Access,
                "ngx.req.set_header('x-one', nil) return ngx.req.get_headers()['x-one']",
                "nil",
            ),
            (
                Phase::Access,
                "ngx.req.clear_header('x-one') return ngx.req.get_headers()['x-one']",
                "nil",
            ),
            (
                Phase::Access,
                "ngx.req.set_header(1, 2)",
                "error: invalid header name \"1\": got number, expected string",
            ),
            (
                Phase::Access,
                "ngx.req.set_method(ngx.HTTP_PUT) return ngx.req.get_method()",
                "'PUT'",
            ),
            (
                Phase::Access,
                "ngx.req.set_method('PUT')",
                "error: bad method number",
            ),
            (
                Phase::Access,
                "ngx.req.set_method(3)",
                "error: unsupported HTTP method: 3",
            ),
            (
                Phase::Access,
                "ngx.req.set_uri_args('a=1') return ngx.var.args",
                "'a=1'",
            ),
            (
                Phase::Access,
                "ngx.req.set_uri_args({ a = 'b c', d = true }) return ngx.req.get_uri_args()",
                "{a = 'b c', d = true}, nil",
            ),
            (
                Phase::Access,
                "ngx.req.set_uri_args(true)",
                "error: bad argument #1 to 'set_uri_args' (string, number, or table expected, but got boolean)",
            ),
            (
                Phase::Access,
                "ngx.req.set_uri('/new') return ngx.var.uri",
                "'/new'",
            ),
            (
                Phase::Access,
                "ngx.req.set_uri('')",
                "error: attempt to use zero-length uri",
            ),
            (
                Phase::Access,
                "ngx.req.set_uri('/a\\n')",
                "error: unsafe byte \"0x0a\" in uri \"/a\\n\"",
            ),
            (
                Phase::Access,
                "ngx.req.set_uri('/a', true)",
                "error: ngx.req.set_uri with a jump is not supported: there are no locations here",
            ),
            (
                Phase::Access,
                "ngx.req.set_uri()",
                "error: bad argument #1 to 'set_uri' (string expected, got nil)",
            ),
            (
                Phase::Log,
                "ngx.req.set_header('a', 'b')",
                "error: API disabled in the context of log_by_lua*",
            ),
        ],
    );
    let mut ctx = asked().ctx();
    said(
        Some(&mut ctx),
        Phase::Access,
        "ngx.req.set_header('Host', 'h.test')",
    );
    assert_eq!(ctx.upstream.host.as_ref().expect("a host"), "h.test");
}

#[test]
fn what_is_not_there_says_so() {
    for (source, begin) in [
        (
            "ngx.location.capture('/x')",
            "error: ngx.location.capture is not supported: ",
        ),
        (
            "ngx.location.capture_multi({})",
            "error: ngx.location.capture_multi is not supported: ",
        ),
        ("ngx.exec('/x')", "error: ngx.exec is not supported: "),
        (
            "ngx.req.socket()",
            "error: ngx.req.socket is not supported: ",
        ),
    ] {
        let said = said(Some(&mut asked().ctx()), Phase::Access, source);
        assert!(said.starts_with(begin), "{said}");
    }
}

#[test]
fn phases_have_the_names_of_openresty() {
    for (phase, name) in [
        (Phase::InitWorker, "'init_worker'"),
        (Phase::Rewrite, "'rewrite'"),
        (Phase::Access, "'access'"),
        (Phase::Response, "'content'"),
        (Phase::HeaderFilter, "'header_filter'"),
        (Phase::BodyFilter, "'body_filter'"),
        (Phase::Log, "'log'"),
        (Phase::Timer, "'timer'"),
    ] {
        assert_eq!(said(None, phase, "return ngx.get_phase()"), name);
    }
}
