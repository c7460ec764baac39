//! `kong.service.request`, `kong.service`, `kong.router`.

use std::time::Duration;

use lua::pdk::Phase::{Access, HeaderFilter, Log, Rewrite, Timer};
use serde_json::json;

use super::{Scene, check, said};
use crate::proxy::ctx::Ctx;

/// Runs snippets in a request each, and shows what would be sent.
fn sends(scene: &Scene, show: impl Fn(&Ctx) -> String, cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        let mut ctx = scene.ctx();
        let answer = said(Some(&mut ctx), Access, source);
        let shown = if answer.is_empty() {
            show(&ctx)
        } else {
            answer
        };
        assert_eq!(shown, *expected, "{source}");
    }
}

fn target(ctx: &Ctx) -> String {
    let query = ctx.upstream_query();
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("{} {}{query}", ctx.upstream_method(), ctx.upstream.path)
}

#[test]
fn the_request_line_is_set() {
    let scene = Scene {
        target: "/api/a?a=1&b=2&a=3",
        ..super::routed()
    };
    sends(
        &scene,
        target,
        &[
            ("", "GET /a?a=1&b=2&a=3"),
            (
                "kong.service.request.set_path('/x y/é%2F')",
                "GET /x%20y/%C3%A9%2F?a=1&b=2&a=3",
            ),
            (
                "kong.service.request.set_path('x')",
                "error: path must start with /",
            ),
            (
                "kong.service.request.set_path()",
                "error: path must be a string",
            ),
            (
                "kong.service.request.set_raw_query('z= &y=#')",
                "GET /a?z=%20&y=%23",
            ),
            ("kong.service.request.set_raw_query('')", "GET /a"),
            (
                "kong.service.request.set_raw_query({})",
                "error: query must be a string",
            ),
            (
                "kong.service.request.set_query({ b = 'x y', a = { '1', true, 2 }, c = true, d = false })",
                "GET /a?a=1&a&a=2&b=x%20y&c",
            ),
            ("kong.service.request.set_query({})", "GET /a"),
            (
                "kong.service.request.set_query('a=1')",
                "error: args must be a table",
            ),
            (
                "kong.service.request.set_query({ a = print })",
                "error: attempt to use function as query arg value",
            ),
            (
                "kong.service.request.set_query({ 'a' })",
                "error: attempt to use a non-string key in the \"args\" option table",
            ),
            ("kong.service.request.clear_query_arg('a')", "GET /a?b=2"),
            (
                "kong.service.request.clear_query_arg('z')",
                "GET /a?a=1&b=2&a=3",
            ),
            (
                "kong.service.request.clear_query_arg()",
                "error: query argument name must be a string",
            ),
            (
                "kong.service.request.set_method('delete')",
                "DELETE /a?a=1&b=2&a=3",
            ),
            (
                "kong.service.request.set_method('FOO')",
                "error: invalid method: FOO",
            ),
            (
                "kong.service.request.set_method(1)",
                "error: method must be a string",
            ),
        ],
    );
    let scheme = |ctx: &Ctx| {
        let detour = ctx.upstream.detour.as_ref();
        format!("{:?}", detour.and_then(|detour| detour.tls))
    };
    sends(
        &scene,
        scheme,
        &[
            ("kong.service.request.set_scheme('https')", "Some(true)"),
            ("kong.service.request.set_scheme('http')", "Some(false)"),
            (
                "kong.service.request.set_scheme('ftp')",
                "error: invalid scheme: ftp",
            ),
            (
                "kong.service.request.set_scheme()",
                "error: scheme must be a string",
            ),
        ],
    );
    sends(
        &scene,
        |ctx| ctx.buffering.to_string(),
        &[("kong.service.request.enable_buffering()", "true")],
    );
}

#[test]
fn headers_are_set() {
    let scene = Scene {
        headers: vec![("host", "a.test"), ("x-a", "1"), ("x-a", "2"), ("x_u", "u")],
        ..Scene::default()
    };
    let shown = |ctx: &Ctx| {
        let headers = &ctx.request.headers;
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        lines.sort_by_key(|line| line.split('=').next().map(str::to_owned));
        let host = ctx.upstream.host.as_ref();
        lines.extend(host.map(|host| format!("host={}", host.to_str().expect("text"))));
        lines.join(" ")
    };
    sends(
        &scene,
        shown,
        &[
            ("kong.service.request.set_header('X-A', 'n')", "x-a=n x_u=u"),
            ("kong.service.request.set_header('X-A', '')", "x-a= x_u=u"),
            (
                "kong.service.request.set_header('x-b', 1.5)",
                "x-a=1 x-a=2 x-b=1.5 x_u=u",
            ),
            (
                "kong.service.request.set_header('x-b', 2)",
                "x-a=1 x-a=2 x-b=2 x_u=u",
            ),
            (
                "kong.service.request.set_header('x_u', true)",
                "x-a=1 x-a=2 x_u=true",
            ),
            (
                "kong.service.request.set_header('x-a', { 'y', 'z' })",
                "x-a=y x-a=z x_u=u",
            ),
            (
                "kong.service.request.set_header('Host', 'b.test')",
                "x-a=1 x-a=2 x_u=u host=b.test",
            ),
            (
                "kong.service.request.set_header('X', nil)",
                "error: invalid header value for \"X\": got nil, expected array of string, string, number or boolean",
            ),
            (
                "kong.service.request.set_header('X', print)",
                "error: invalid header value for \"X\": got function, expected array of string, string, number or boolean",
            ),
            (
                "kong.service.request.set_header('X', { 1 })",
                "error: invalid header value in array \"X\": got number, expected string",
            ),
            (
                "kong.service.request.set_header(1, 'x')",
                "error: invalid header name \"1\": got number, expected string",
            ),
            (
                "kong.service.request.set_header('a b', 'x')",
                "error: invalid header name \"a b\"",
            ),
            (
                "kong.service.request.add_header('x-a', 'n')",
                "x-a=1 x-a=2 x-a=n x_u=u",
            ),
            (
                "kong.service.request.add_header('x-b', false)",
                "x-a=1 x-a=2 x-b=false x_u=u",
            ),
            (
                "kong.service.request.add_header('X')",
                "error: invalid header value for \"X\": got nil, expected array of string, string, number or boolean",
            ),
            ("kong.service.request.clear_header('X-A')", "x_u=u"),
            (
                "kong.service.request.clear_header('x-u')",
                "x-a=1 x-a=2 x_u=u",
            ),
            (
                "kong.service.request.clear_header()",
                "error: header must be a string",
            ),
            (
                "kong.service.request.set_headers({ ['x-a'] = { 'a', 'b' }, host = 'c.test', ['x-n'] = 1 })",
                "x-a=a x-a=b x-n=1 x_u=u host=c.test",
            ),
            (
                "kong.service.request.set_headers('x')",
                "error: headers must be a table",
            ),
            (
                "kong.service.request.set_headers({ X = print })",
                "error: invalid header value for \"X\": got function, expected string, number, boolean or array of strings",
            ),
            (
                "kong.service.request.set_headers({ 'x' })",
                "error: invalid header name \"1\": got number, expected string",
            ),
        ],
    );
}

#[test]
fn bodies_are_set() {
    let shown = |ctx: &Ctx| {
        let body = match &ctx.request.body {
            crate::proxy::body::RequestBody::Full(body) => {
                String::from_utf8_lossy(body).into_owned()
            }
            other => format!("{other:?}"),
        };
        let content_type = ctx.request.headers.get("content-type");
        format!(
            "{} | {body}",
            content_type.map_or("", |value| value.to_str().expect("text"))
        )
    };
    let scene = Scene {
        headers: vec![("host", "a.test"), ("content-type", "application/json")],
        ..Scene::default()
    };
    sends(
        &scene,
        shown,
        &[
            (
                "kong.service.request.set_raw_body('abc')",
                "application/json | abc",
            ),
            (
                "kong.service.request.set_raw_body(1)",
                "error: body must be a string",
            ),
            (
                "assert(kong.service.request.set_body({ a = { 1 } }))",
                "application/json | {\"a\":[1]}",
            ),
            (
                "assert(kong.service.request.set_body({ b = 'x y', a = true }, 'application/x-www-form-urlencoded'))",
                "application/x-www-form-urlencoded | a&b=x%20y",
            ),
            (
                "assert(kong.service.request.set_body({ b = 1, a = { 'x', 'y' } }, 'multipart/form-data; boundary=XX'))",
                "multipart/form-data; boundary=XX | \
                 --XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n\
                 --XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ny\r\n\
                 --XX\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n1\r\n--XX--\r\n",
            ),
            (
                "kong.service.request.set_body('x')",
                "error: args must be a table",
            ),
            (
                "kong.service.request.set_body({}, 1)",
                "error: mime must be a string",
            ),
            (
                "kong.service.request.set_body({}, 'text/plain')",
                "error: unsupported content type text/plain",
            ),
            (
                "kong.service.request.set_body({ print })",
                "error: Cannot serialise function: type not supported",
            ),
        ],
    );
    let made = "kong.service.request.set_body({ a = 1 }, 'multipart/form-data') \
        local body = kong.request.get_body() return body.a, kong.request.get_header('content-type'):find('boundary=', 1, true)";
    check(
        &Scene::default(),
        &[
            (Access, made, "'1', 22, 30"),
            (
                Access,
                "return kong.service.request.set_body({})",
                "nil, 'content type was neither explicitly given as an argument or received as a header'",
            ),
        ],
    );
}

#[test]
fn another_way_is_taken() {
    let mut scene = super::routed();
    scene.documents.push((
        "upstreams",
        json!({"id": "00000000-0000-0000-0000-0000000000e0", "name": "pool.test"}),
    ));
    let shown = |ctx: &Ctx| {
        let runtime = ctx.runtime.clone();
        let plan = ctx
            .entry(&runtime)
            .and_then(|entry| entry.plan.as_ref())
            .expect("a plan");
        let detour = ctx.upstream.detour.as_ref().expect("a detour");
        let plan = detour.plan(ctx, &runtime, plan);
        let ms = |limit: Duration| limit.as_millis();
        format!(
            "{}:{} host={} tls={} balancer={} literal={:?} retries={} {}/{}/{}",
            plan.host,
            plan.port,
            plan.host_header.to_str().expect("text"),
            plan.tls.is_some(),
            plan.balancer.is_some(),
            plan.literal,
            plan.retries,
            ms(plan.connect_timeout),
            ms(plan.write_timeout),
            ms(plan.read_timeout),
        )
    };
    sends(
        &scene,
        shown,
        &[
            (
                "kong.service.set_target('b.test', 81)",
                "b.test:81 host=b.test:81 tls=false balancer=false literal=None retries=5 60000/60000/60000",
            ),
            (
                "kong.service.set_target('127.0.0.1', 80)",
                "127.0.0.1:80 host=127.0.0.1 tls=false balancer=false literal=Some(127.0.0.1:80) retries=5 60000/60000/60000",
            ),
            (
                "kong.service.request.set_scheme('https') kong.service.set_target('b.test', 443)",
                "b.test:443 host=b.test tls=true balancer=false literal=None retries=5 60000/60000/60000",
            ),
            (
                "kong.service.request.set_scheme('https')",
                "up.test:80 host=up.test:80 tls=true balancer=false literal=None retries=5 60000/60000/60000",
            ),
            (
                "assert(kong.service.set_upstream('pool.test'))",
                "pool.test:80 host=pool.test tls=false balancer=true literal=None retries=5 60000/60000/60000",
            ),
            (
                "kong.service.set_retries(2) kong.service.set_timeouts(1, 2, 2147483646)",
                "up.test:80 host=up.test tls=false balancer=false literal=None retries=2 1/2/2147483646",
            ),
            (
                "return kong.service.set_upstream('none')",
                "nil, 'could not find an Upstream named 'none''",
            ),
            (
                "kong.service.set_upstream()",
                "error: host must be a string",
            ),
            (
                "kong.service.set_target_retry_callback('x')",
                "error: retry_callback must be a function",
            ),
            (
                "kong.service.set_target(1, 80)",
                "error: host must be a string",
            ),
            (
                "kong.service.set_target('a', '80')",
                "error: port must be an integer",
            ),
            (
                "kong.service.set_target('a', 1.5)",
                "error: port must be an integer",
            ),
            (
                "kong.service.set_target('a', 70000)",
                "error: port must be an integer between 0 and 65535: given 70000",
            ),
            (
                "kong.service.set_retries('1')",
                "error: retries must be an integer",
            ),
            (
                "kong.service.set_retries(-1)",
                "error: retries must be an integer between 0 and 32767: given -1",
            ),
            (
                "kong.service.set_timeouts(1)",
                "error: write_timeout must be an integer",
            ),
            (
                "kong.service.set_timeouts(0, 1, 1)",
                "error: connect_timeout must be an integer between 1 and 2147483646: given 0",
            ),
            (
                "kong.service.set_timeouts(1, 1, 2147483647)",
                "error: read_timeout must be an integer between 1 and 2147483646: given 2147483647",
            ),
        ],
    );
}

#[test]
fn tls_to_the_service_is_set() {
    let made =
        rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).expect("a certificate");
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let long = |text: String| -> &'static str { Box::leak(text.into()) };
    check(
        &super::routed(),
        &[
            (Access, "kong.service.set_tls_verify(true)", ""),
            (
                Access,
                "kong.service.set_tls_verify(1)",
                "error: argument must be boolean",
            ),
            (Access, "kong.service.set_tls_verify_depth(2)", ""),
            (
                Access,
                "kong.service.set_tls_verify_depth('2')",
                "error: argument must be number",
            ),
            (
                Access,
                "kong.service.set_tls_verify_depth(65)",
                "error: depth must be an integer between 0 and 64: given 65",
            ),
            (
                Access,
                long(format!(
                    "return kong.service.set_tls_verify_store([[{cert}]])"
                )),
                "true, nil",
            ),
            (
                Access,
                "kong.service.set_tls_verify_store()",
                "error: store must be a string (certificates in PEM)",
            ),
            (
                Access,
                "return kong.service.set_tls_verify_store('x')",
                "nil, 'there is no certificate in the text'",
            ),
            (
                Access,
                long(format!(
                    "return kong.service.set_tls_cert_key([[{cert}]], [[{key}]])"
                )),
                "true, nil",
            ),
            (
                Access,
                "kong.service.set_tls_cert_key(1)",
                "error: chain must be a string (certificates in PEM)",
            ),
            (
                Access,
                "kong.service.set_tls_cert_key('x')",
                "error: key must be a string (a private key in PEM)",
            ),
            (
                Access,
                "return kong.service.set_tls_cert_key('x', 'y')",
                "nil, 'there is no certificate in the text'",
            ),
        ],
    );
    // Terms that are alike are one way to speak TLS, so that connections are used again.
    let profile = |source: &str| {
        let mut ctx = super::routed().ctx();
        said(Some(&mut ctx), Access, source);
        let runtime = ctx.runtime.clone();
        let plan = ctx
            .entry(&runtime)
            .and_then(|entry| entry.plan.as_ref())
            .expect("a plan");
        let detour = ctx.upstream.detour.as_ref().expect("a detour");
        detour.plan(&ctx, &runtime, plan).tls.expect("TLS").id()
    };
    let verified = "kong.service.request.set_scheme('https') kong.service.set_tls_verify(true)";
    let deep = "kong.service.request.set_scheme('https') kong.service.set_tls_verify_depth(1)";
    assert_eq!(profile(verified), profile(verified));
    assert_ne!(profile(verified), profile(deep));
}

#[test]
fn the_route_and_its_service_are_tables() {
    check(
        &super::routed(),
        &[
            (
                Access,
                "local r = kong.router.get_route() return r.name, r.paths, r.hosts, r.service, r.strip_path",
                "'r', {'/api'}, nil, {id = '00000000-0000-0000-0000-0000000000a0'}, true",
            ),
            (
                Log,
                "local s = kong.router.get_service() return s.name, s.host, s.port, s.path",
                "'s', 'up.test', 80, nil",
            ),
        ],
    );
    check(
        &Scene::default(),
        &[(
            Access,
            "return kong.router.get_route(), kong.router.get_service()",
            "nil, nil",
        )],
    );
}

#[test]
fn each_has_its_phases() {
    for name in [
        "set_scheme",
        "set_path",
        "set_header",
        "add_header",
        "clear_header",
        "set_headers",
        "set_raw_body",
        "enable_buffering",
    ] {
        let mut ctx = Scene::default().ctx();
        let source = format!("kong.service.request.{name}('http')");
        let expected = "error: function cannot be called in header_filter phase (only in: rewrite, access, balancer)";
        assert_eq!(said(Some(&mut ctx), HeaderFilter, &source), expected);
    }
    for name in [
        "set_raw_query",
        "set_query",
        "clear_query_arg",
        "set_method",
        "set_body",
    ] {
        let mut ctx = Scene::default().ctx();
        let source = format!("kong.service.request.{name}('a')");
        let expected = "error: function cannot be called in log phase (only in: rewrite, access)";
        assert_eq!(said(Some(&mut ctx), Log, &source), expected);
    }
    for name in [
        "set_target_retry_callback",
        "set_upstream",
        "set_target",
        "set_retries",
        "set_timeouts",
    ] {
        let mut ctx = Scene::default().ctx();
        let expected = "error: function cannot be called in rewrite phase (only in: access)";
        let source = format!("kong.service.{name}()");
        assert_eq!(said(Some(&mut ctx), Rewrite, &source), expected);
    }
    for name in ["cert_key", "verify", "verify_depth", "verify_store"] {
        let expected =
            "error: function cannot be called in timer phase (only in: rewrite, access, balancer)";
        assert_eq!(
            said(None, Timer, &format!("kong.service.set_tls_{name}()")),
            expected
        );
    }
    for name in ["get_route", "get_service"] {
        let expected = "error: function cannot be called in timer phase \
            (only in: access, balancer, response, header_filter, body_filter, log)";
        assert_eq!(
            said(None, Timer, &format!("kong.router.{name}()")),
            expected
        );
    }
}
