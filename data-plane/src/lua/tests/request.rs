//! `kong.request`.

use http::Version;
use lua::pdk::Phase::{self, Access, HeaderFilter, Log, Response, Rewrite, Timer};
use shared::settings::Networks;

use super::{Scene, check, said};
use crate::config::Config;

/// A client, and a peer that is trusted to say who the client is.
fn behind_a_proxy() -> Scene {
    let config = Config {
        trusted_ips: Networks(vec!["10.0.0.0/8".parse().expect("a network")]),
        ..Config::default()
    };
    Scene {
        config,
        headers: vec![
            ("host", "A.test.:8000"),
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-host", "user@Outer.test:8443"),
            ("x-forwarded-port", "70000"),
            ("x-forwarded-path", "/outer/a"),
            ("x-forwarded-prefix", "/outer"),
            ("x-real-ip", "1.2.3.4"),
        ],
        ..super::routed()
    }
}

#[test]
fn where_the_request_went() {
    let plain = Scene {
        headers: vec![
            ("host", "A.test.:8000"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "outer.test"),
            ("x-forwarded-prefix", "/outer"),
        ],
        target: "/api/a",
        ..super::routed()
    };
    check(
        &plain,
        &[
            (Rewrite, "return kong.request.get_scheme()", "'http'"),
            (Access, "return kong.request.get_host()", "'a.test'"),
            (Log, "return kong.request.get_port()", "8000"),
            (
                Access,
                "return kong.request.get_forwarded_scheme()",
                "'http'",
            ),
            (
                Access,
                "return kong.request.get_forwarded_host()",
                "'a.test'",
            ),
            (Access, "return kong.request.get_forwarded_port()", "8000"),
            (
                Access,
                "return kong.request.get_forwarded_path()",
                "'/api/a'",
            ),
            (
                Access,
                "return kong.request.get_forwarded_prefix()",
                "'/api'",
            ),
        ],
    );
    check(
        &behind_a_proxy(),
        &[
            (Access, "return kong.request.get_scheme()", "'http'"),
            (
                Access,
                "return kong.request.get_forwarded_scheme()",
                "'https'",
            ),
            (
                Access,
                "return kong.request.get_forwarded_host()",
                "'outer.test'",
            ),
            (Access, "return kong.request.get_forwarded_port()", "8443"),
            (
                Access,
                "return kong.request.get_forwarded_path()",
                "'/outer/a'",
            ),
            (
                Access,
                "return kong.request.get_forwarded_prefix()",
                "'/outer'",
            ),
        ],
    );
    let nowhere = Scene {
        headers: vec![],
        version: Version::HTTP_10,
        tls: true,
        ..Scene::default()
    };
    check(
        &nowhere,
        &[
            (Access, "return kong.request.get_scheme()", "'https'"),
            (Access, "return kong.request.get_host()", "'kong'"),
            (Access, "return kong.request.get_port()", "8443"),
            (Access, "return kong.request.get_http_version()", "1"),
            (Access, "return kong.request.get_forwarded_prefix()", "nil"),
        ],
    );
}

#[test]
fn what_the_request_line_says() {
    let scene = Scene {
        method: "get",
        target: "/t/%61%2f//b/../c?a=1&b=x%20y&a=2&flag&e=&%41=+",
        ..Scene::default()
    };
    check(
        &scene,
        &[
            (Access, "return kong.request.get_method()", "'GET'"),
            (Access, "return kong.request.get_path()", "'/t/a%2F/c'"),
            (
                Access,
                "return kong.request.get_raw_path()",
                "'/t/%61%2f//b/../c'",
            ),
            (
                Access,
                "return kong.request.get_path_with_query()",
                "'/t/%61%2f//b/../c?a=1&b=x%20y&a=2&flag&e=&%41=+'",
            ),
            (
                Access,
                "return kong.request.get_raw_query()",
                "'a=1&b=x%20y&a=2&flag&e=&%41=+'",
            ),
            (
                Access,
                "kong.service.request.set_query({ z = 1 }) return kong.request.get_raw_query()",
                "'z=1'",
            ),
            (Access, "return kong.request.get_query_arg('a')", "'1'"),
            (Access, "return kong.request.get_query_arg('flag')", "true"),
            (Access, "return kong.request.get_query_arg('e')", "''"),
            (Access, "return kong.request.get_query_arg('none')", "nil"),
            (
                Access,
                "return kong.request.get_query_arg(1)",
                "error: query argument name must be a string",
            ),
            (
                Access,
                "return kong.request.get_query()",
                "{A = ' ', a = {'1', '2'}, b = 'x y', e = '', flag = true}, nil",
            ),
            (
                Access,
                "return kong.request.get_query(2)",
                "{a = '1', b = 'x y'}, 'truncated'",
            ),
            (
                Access,
                "return kong.request.get_query('2')",
                "error: max_args must be a number",
            ),
            (
                Access,
                "return kong.request.get_query(0)",
                "error: max_args must be >= 1",
            ),
            (
                Access,
                "return kong.request.get_query(1001)",
                "error: max_args must be <= 1000",
            ),
        ],
    );
    for (version, number) in [
        (Version::HTTP_10, "1"),
        (Version::HTTP_11, "1.1"),
        (Version::HTTP_2, "2"),
    ] {
        let scene = Scene {
            version,
            ..Scene::default()
        };
        check(
            &scene,
            &[(Access, "return kong.request.get_http_version()", number)],
        );
    }
    check(
        &Scene::default(),
        &[
            (Access, "return kong.request.get_raw_query()", "''"),
            (
                Access,
                "local t = kong.request.get_start_time() return t > 1.6e12, t % 1",
                "true, 0",
            ),
            (
                Access,
                "return kong.request.get_uri_captures()",
                "{named = {}, unnamed = {}}",
            ),
        ],
    );
}

#[test]
fn what_a_route_captured() {
    let mut scene = super::routed();
    scene.documents[1].1["paths"] = serde_json::json!(["~/u/(?<user>[a-z]+)/(\\d+)"]);
    scene.target = "/u/bob/7";
    check(
        &scene,
        &[(
            Access,
            "return kong.request.get_uri_captures()",
            "{named = {user = 'bob'}, unnamed = {'bob', '7', [0] = '/u/bob/7'}}",
        )],
    );
}

#[test]
fn headers_are_found_in_any_case() {
    let scene = Scene {
        headers: vec![
            ("host", "a.test"),
            ("x-foo", "1"),
            ("x-foo", "2"),
            ("x-bar", ""),
            ("u_s", "under"),
        ],
        body: Some(b"12345"),
        ..Scene::default()
    };
    check(
        &scene,
        &[
            (Rewrite, "return kong.request.get_header('X-FOO')", "'1'"),
            (Access, "return kong.request.get_header('x_foo')", "'1'"),
            (Access, "return kong.request.get_header('x-bar')", "''"),
            (Access, "return kong.request.get_header('u_s')", "'under'"),
            (Access, "return kong.request.get_header('u-s')", "nil"),
            (Access, "return kong.request.get_header('Host')", "'a.test'"),
            (Access, "return kong.request.get_header('none')", "nil"),
            (Access, "return kong.request.get_header('no header')", "nil"),
            (
                Access,
                "kong.service.request.set_header('host', 'b.test') return kong.request.get_header('host')",
                "'b.test'",
            ),
            (
                Access,
                "return kong.request.get_header()",
                "error: header name must be a string",
            ),
            (
                Access,
                "local h = kong.request.get_headers() return h.X_Foo, h['Host'], h.u_s, h.none",
                "{'1', '2'}, 'a.test', 'under', nil",
            ),
            (
                Access,
                "local h, more = kong.request.get_headers(1) return h, more",
                "{host = 'a.test'}, 'truncated'",
            ),
            (
                Access,
                "return kong.request.get_headers(true)",
                "error: max_headers must be a number",
            ),
            (
                Access,
                "return kong.request.get_headers(0)",
                "error: max_headers must be >= 1",
            ),
            (
                Access,
                "return kong.request.get_headers(1001)",
                "error: max_headers must be <= 1000",
            ),
        ],
    );
    let counted = Scene {
        headers: vec![("host", "a.test"), ("content-length", "5")],
        body: Some(b"12345"),
        ..super::routed()
    };
    check(
        &counted,
        &[
            (
                Access,
                "return kong.request.get_header('content-length')",
                "'5'",
            ),
            (
                Access,
                "kong.service.request.set_raw_body('abc') return kong.request.get_headers()['content-length']",
                "'3'",
            ),
        ],
    );
}

const LONG: &[u8] = &[b'x'; 9000];

#[test]
fn bodies_are_read_and_stay() {
    let with = |content_type: &'static str, body: &'static [u8]| Scene {
        method: "POST",
        headers: vec![("host", "a.test"), ("content-type", content_type)],
        body: Some(body),
        ..Scene::default()
    };
    check(
        &with("text/plain", b"hello"),
        &[
            (Rewrite, "return kong.request.get_raw_body()", "'hello'"),
            (
                Access,
                "kong.request.get_raw_body() return kong.request.get_raw_body()",
                "'hello'",
            ),
            (Response, "return kong.request.get_raw_body()", "'hello'"),
            (
                Access,
                "return kong.request.get_raw_body('1')",
                "error: max_allowed_file_size must be a number",
            ),
            (
                Access,
                "return kong.request.get_body()",
                "nil, 'unsupported content type 'text/plain'', 'text/plain'",
            ),
            (
                Access,
                "return kong.request.get_body('application/json')",
                "nil, 'invalid json body', 'application/json'",
            ),
            (
                Access,
                "return kong.request.get_body(1)",
                "error: mimetype must be a string",
            ),
        ],
    );
    check(
        &with("text/plain", LONG),
        &[
            (
                Access,
                "return kong.request.get_raw_body()",
                "nil, 'request body did not fit into client body buffer, consider raising 'client_body_buffer_size''",
            ),
            (Access, "return #kong.request.get_raw_body(0)", "9000"),
            (Access, "return #kong.request.get_raw_body(9000)", "9000"),
            (
                Access,
                "return kong.request.get_raw_body(8999)",
                "nil, 'request body file too big: 9000 > 8999'",
            ),
        ],
    );
    check(
        &with(
            "application/x-www-form-urlencoded; charset=x",
            b"a=1&b=%20&a=2&f",
        ),
        &[
            (
                Access,
                "return kong.request.get_body()",
                "{a = {'1', '2'}, b = ' ', f = true}, nil, 'application/x-www-form-urlencoded'",
            ),
            (
                Access,
                "return kong.request.get_body(nil, 1)",
                "{a = '1'}, nil, 'application/x-www-form-urlencoded'",
            ),
            (
                Access,
                "return kong.request.get_body(nil, 0)",
                "error: max_args must be >= 1",
            ),
        ],
    );
    check(
        &with("Application/JSON", br#"{"a":[1,{"b":null}],"c":"d"}"#),
        &[(
            Access,
            "local b, err, mime = kong.request.get_body() return b.a[1], b.a[2].b == ngx.null, b.c, err, mime",
            "1, true, 'd', nil, 'application/json'",
        )],
    );
    check(
        &with("application/json", b"12"),
        &[(
            Access,
            "return kong.request.get_body()",
            "nil, 'invalid json body', 'application/json'",
        )],
    );
    let parts = b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nfile\r\n--XX--\r\n";
    check(
        &with("multipart/form-data; boundary=XX", parts),
        &[
            (
                Access,
                "return kong.request.get_body()",
                "{a = {'1', '2'}, f = 'file'}, nil, 'multipart/form-data'",
            ),
            (
                Access,
                "return kong.request.get_body('multipart/form-data')",
                "{a = {'1', '2'}, f = 'file'}, nil, 'multipart/form-data'",
            ),
        ],
    );
    check(
        &with("multipart/form-data", parts),
        &[(
            Access,
            "return kong.request.get_body()",
            "nil, 'unable to decode multipart body', 'multipart/form-data'",
        )],
    );
    check(
        &Scene::default(),
        &[
            (Access, "return kong.request.get_raw_body()", "''"),
            (
                Access,
                "return kong.request.get_body()",
                "nil, 'missing content type'",
            ),
        ],
    );
}

#[test]
fn each_has_its_phases() {
    let anywhere =
        "(only in: rewrite, access, balancer, response, header_filter, body_filter, log)";
    for name in [
        "get_scheme",
        "get_host",
        "get_forwarded_scheme",
        "get_forwarded_host",
        "get_forwarded_port",
        "get_forwarded_path",
        "get_forwarded_prefix",
        "get_http_version",
        "get_method",
        "get_path",
        "get_raw_path",
        "get_path_with_query",
        "get_raw_query",
        "get_query_arg",
        "get_query",
        "get_header",
        "get_headers",
        "get_start_time",
        "get_uri_captures",
    ] {
        let source = format!("return kong.request.{name}('a')");
        let expected = format!("error: function cannot be called in timer phase {anywhere}");
        assert_eq!(said(None, Timer, &source), expected);
    }
    for (phase, name, word) in [
        (HeaderFilter, "get_raw_body", "header_filter"),
        (Log, "get_body", "log"),
    ] {
        let mut ctx = Scene::default().ctx();
        assert_eq!(
            said(Some(&mut ctx), phase, &format!("kong.request.{name}()")),
            format!(
                "error: function cannot be called in {word} phase (only in: rewrite, access, response)"
            )
        );
    }
    assert_eq!(
        said(None, Phase::Timer, "kong.request.get_port()"),
        "error: function cannot be called in timer phase (only in: certificate, rewrite, access, balancer, response, \
         header_filter, body_filter, log)"
    );
}

/// What `kong.tools.http` says of how the client came.
#[test]
fn a_proxy_before_tells_of_https_if_it_is_trusted() {
    let told = |values: &[&'static str]| Scene {
        headers: [("host", "a.test")]
            .into_iter()
            .chain(values.iter().map(|value| ("x-forwarded-proto", *value)))
            .collect(),
        ..Scene::default()
    };
    let asks =
        |arguments: &str| format!("return require('kong.tools.http').check_https({arguments})");
    for (values, arguments, expected) in [
        (&["https"][..], "true, true", "true"),
        (&["HTTPS"], "true, true", "true"),
        (&["http"], "true, true", "false"),
        (&["https"], "false, true", "false"),
        (&["https"], "true, false", "false"),
        (&[], "true, true", "false"),
        (
            &["https", "http"],
            "true, true",
            "nil, 'Only one X-Forwarded-Proto header allowed'",
        ),
    ] {
        check(
            &told(values),
            &[(Phase::Access, &asks(arguments), expected)],
        );
    }
}
