//! `kong.log.serialize`.

use std::net::SocketAddr;
use std::time::Instant;

use http::{HeaderValue, StatusCode};
use lua::pdk::Phase;
use serde_json::json;

use crate::lua::tests::{Scene, check, said};
use crate::proxy::ctx::{Ctx, Maker};

fn id(last: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{last:02}")
}

/// A request that has been served.
fn served() -> Box<Ctx> {
    let scene = Scene {
        documents: vec![
            (
                "services",
                json!({ "id": id(1), "name": "s", "host": "s.test" }),
            ),
            (
                "routes",
                json!({ "id": id(2), "name": "r", "paths": ["/a"], "service": { "id": id(1) } }),
            ),
            ("consumers", json!({ "id": id(3), "username": "anna" })),
        ],
        target: "/a/b?x=1&x=2&y",
        headers: vec![
            ("host", "A.test:8000"),
            ("authorization", "secret"),
            ("proxy-authorization", "secret"),
            ("user-agent", "u"),
        ],
        ..Scene::default()
    };
    let mut ctx = scene.ctx();
    ctx.consumer = ctx
        .runtime
        .consumer(&uuid::Uuid::parse_str(&id(3)).expect("an id"))
        .cloned();
    ctx.credential = Some(crate::proxy::ctx::Credential {
        id: uuid::Uuid::parse_str(&id(4)).expect("an id"),
        identifier: "anna".to_owned(),
    });
    ctx.timing
        .balanced(SocketAddr::from(([127, 0, 0, 1], 81)), Instant::now());
    ctx.timing.failed(StatusCode::BAD_GATEWAY);
    ctx.timing
        .balanced(SocketAddr::from(([127, 0, 0, 2], 81)), Instant::now());
    ctx.timing.answered(StatusCode::OK);
    ctx.response.status = StatusCode::OK;
    ctx.response.maker = Maker::Upstream;
    ctx.response.proxied = true;
    ctx.response
        .headers
        .insert("x-a", HeaderValue::from_static("1"));
    ctx.sent = 10;
    ctx
}

#[test]
fn the_document_has_every_member() {
    // What takes time is checked to be a number, then made one that is known.
    let source = "local d = kong.log.serialize()
        for name, value in pairs(d.latencies) do
          assert(type(value) == 'number' and value >= 0 and value < 10000, name)
          d.latencies[name] = 0
        end
        assert(d.started_at > 1e12)
        d.started_at = 0
        for _, try in ipairs(d.tries) do
          assert(try.balancer_start > 1e12 and try.balancer_start_ns > 1e18 and try.balancer_latency_ns >= 0)
          try.balancer_start, try.balancer_start_ns, try.balancer_latency, try.balancer_latency_ns = nil
        end
        assert(#d.request.id == 32)
        d.request.id = nil
        assert(d.route.id and d.route.name == 'r' and d.service.name == 's' and d.consumer.username == 'anna')
        d.route, d.service, d.consumer = nil
        d.request.headers = { authorization = d.request.headers.authorization,
          ['proxy-authorization'] = d.request.headers['proxy-authorization'],
          ['user-agent'] = d.request.headers['user-agent'], host = d.request.headers.host }
        return d";
    let expected = format!(
        "{{authenticated_entity = {{consumer_id = '{}', id = '{}'}}, client_ip = '10.1.2.3', \
         latencies = {{kong = 0, proxy = 0, receive = 0, request = 0}}, \
         request = {{headers = {{authorization = 'REDACTED', host = 'A.test:8000', proxy-authorization = 'REDACTED', user-agent = 'u'}}, \
         method = 'GET', querystring = {{x = {{'1', '2'}}, y = true}}, size = {}, uri = '/a/b?x=1&x=2&y', \
         url = 'http://a.test:8000/a/b?x=1&x=2&y'}}, \
         response = {{headers = {{x-a = '1'}}, size = {}, status = 200}}, source = 'upstream', started_at = 0, \
         tries = {{{{code = 502, ip = '127.0.0.1', port = 81, state = 'failed'}}, {{ip = '127.0.0.2', port = 81}}}}, \
         upstream_status = '200', upstream_uri = '/b?x=1&x=2&y', workspace = '00000000-0000-0000-0000-000000000000', \
         workspace_name = 'default'}}",
        id(3),
        id(4),
        "GET /a/b?x=1&x=2&y HTTP/1.1\r\nhost: A.test:8000\r\nauthorization: secret\r\nproxy-authorization: secret\r\nuser-agent: u\r\n\r\n".len(),
        "HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\n".len() + 10,
    );
    assert_eq!(said(Some(&mut served()), Phase::Log, source), expected);
    // Nobody was asked, nobody is known.
    let nothing = "local d = kong.log.serialize()
        return d.latencies.proxy, d.upstream_status, d.source, d.tries, d.consumer, d.authenticated_entity, d.route";
    check(
        &Scene::default(),
        &[(Phase::Log, nothing, "-1, '', 'kong', {}, nil, nil, nil")],
    );
}

#[test]
fn plugins_add_members() {
    for (source, expected) in [
        (
            "kong.log.set_serialize_value('a', 1) return kong.log.serialize().a",
            "1",
        ),
        (
            "kong.log.set_serialize_value('a.b.c', { 1 }) return kong.log.serialize().a",
            "{b = {c = {1}}}",
        ),
        (
            "kong.log.set_serialize_value('request.method', 'X') return kong.log.serialize().request.method",
            "'X'",
        ),
        (
            "kong.log.set_serialize_value('request.method') return kong.log.serialize().request.method",
            "nil",
        ),
        (
            "kong.log.set_serialize_value('a.b') return kong.log.serialize().a",
            "nil",
        ),
        (
            "kong.log.set_serialize_value('source.deeper', 1) return kong.log.serialize().source",
            "{deeper = 1}",
        ),
        (
            "kong.log.set_serialize_value('source', 'x', { mode = 'add' }) return kong.log.serialize().source",
            "'kong'",
        ),
        (
            "kong.log.set_serialize_value('more', 'x', { mode = 'add' }) return kong.log.serialize().more",
            "'x'",
        ),
        (
            "kong.log.set_serialize_value('source', 'x', { mode = 'replace' }) return kong.log.serialize().source",
            "'x'",
        ),
        (
            "kong.log.set_serialize_value('a.b', 'x', { mode = 'replace' }) return kong.log.serialize().a",
            "nil",
        ),
        (
            "kong.log.set_serialize_value(1, 2)",
            "error: key must be a string",
        ),
        (
            "kong.log.set_serialize_value('a', 2, { mode = 'x' })",
            "error: mode must be 'set', 'add' or 'replace'",
        ),
        (
            "kong.log.set_serialize_value('a', 2, 'set')",
            "error: options must be a table or nil",
        ),
        (
            "kong.log.set_serialize_value('a', print) kong.log.serialize()",
            "error: value must be nil, a number, string, boolean or a non-self-referencial table containing numbers, string and booleans",
        ),
        (
            "local t = {} t.t = t kong.log.set_serialize_value('a', t) kong.log.serialize()",
            "error: value must be nil, a number, string, boolean or a non-self-referencial table containing numbers, string and booleans",
        ),
    ] {
        check(&Scene::default(), &[(Phase::Log, source, expected)]);
    }
    let everywhere = "error: function cannot be called in timer phase (only in: certificate, rewrite, access, response, header_filter, body_filter, log)";
    assert_eq!(
        said(None, Phase::Timer, "kong.log.set_serialize_value('a', 1)"),
        everywhere
    );
    check(
        &Scene::default(),
        &[(
            Phase::Access,
            "kong.log.serialize()",
            "error: function cannot be called in access phase (only in: log)",
        )],
    );
}
