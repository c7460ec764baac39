//! `kong.ctx` and `ngx.ctx`.

use lua::pdk::Phase;
use serde_json::json;

use crate::lua::tests::{Scene, check, said};

#[test]
fn tables_live_as_long_as_the_request() {
    let mut ctx = Scene::default().ctx();
    let first = "kong.ctx.shared.a = 1 kong.ctx.plugin.b = 2 ngx.ctx.c = 3 ngx.ctx.d = { 4 }";
    assert_eq!(said(Some(&mut ctx), Phase::Access, first), "");
    let second =
        "return kong.ctx.shared.a, kong.ctx.plugin.b, ngx.ctx.c, ngx.ctx.d[1], kong.ctx.other";
    assert_eq!(said(Some(&mut ctx), Phase::Log, second), "1, 2, 3, 4, nil");
    let other = "ngx.ctx = { e = 5 } return ngx.ctx.e, ngx.ctx.c, ngx.ctx.KONG_PHASE";
    assert_eq!(
        said(Some(&mut ctx), Phase::Access, other),
        "5, nil, 'access'"
    );
    let mut next = Scene::default().ctx();
    let nothing = "return kong.ctx.shared.a, kong.ctx.plugin.b, ngx.ctx.c";
    assert_eq!(
        said(Some(&mut next), Phase::Access, nothing),
        "nil, nil, nil"
    );
}

#[test]
fn without_a_request_there_is_none() {
    for (source, expected) in [
        ("return ngx.ctx", "error: no request ctx found"),
        ("ngx.ctx = {}", "error: no request found"),
        (
            "ngx.ctx = 1",
            "error: Cannot modify ngx.ctx. Protected by the sandbox.",
        ),
        (
            "return kong.ctx.plugin",
            "error: function cannot be called in timer phase (only in: rewrite, access, balancer, response, header_filter, body_filter, log)",
        ),
    ] {
        assert_eq!(said(None, Phase::Timer, source), expected, "{source}");
    }
}

#[test]
fn names_of_kongs_own_are_readable() {
    let id = |last: u8| format!("00000000-0000-4000-8000-0000000000{last:02}");
    let scene = Scene {
        documents: vec![
            (
                "services",
                json!({ "id": id(1), "host": "s.test", "port": 81, "retries": 2 }),
            ),
            (
                "routes",
                json!({ "id": id(2), "paths": ["/"], "service": { "id": id(1) } }),
            ),
        ],
        ..Scene::default()
    };
    let (route, service) = (format!("'{}'", id(2)), format!("'{}'", id(1)));
    check(
        &scene,
        &[
            (Phase::Access, "return ngx.ctx.route.id", &route),
            (Phase::Access, "return ngx.ctx.service.id", &service),
            (
                Phase::Access,
                "local d = ngx.ctx.balancer_data return d.scheme, d.host, d.port, d.retries, d.try_count, d.ip",
                "'http', 's.test', 81, 2, 0, nil",
            ),
            (
                Phase::Access,
                "return ngx.ctx.authenticated_consumer, ngx.ctx.KONG_PROXIED",
                "nil, nil",
            ),
            (
                Phase::Access,
                "return ngx.ctx.KONG_PROCESSING_START > 1e12",
                "true",
            ),
            (Phase::Access, "ngx.ctx.route = 1 return ngx.ctx.route", "1"),
            (Phase::Access, "return getmetatable(ngx.ctx)", "false"),
        ],
    );
}
