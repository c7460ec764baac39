//! Plugins in Lua: a handler for the node, the same in Lua for nginx, and the request.

use serde_json::{Value, json};

use super::report::{at_least, case, ratio};
use super::{Asked, Case, Figures, Suite, lua, plugin};

/// 100 bytes and a header that the handlers read.
static ASKED: Asked = Asked {
    off: "off",
    path: "/short",
    headers: &[("X-User", "ann")],
    bytes: 100,
};

/// The suite.
pub static SUITE: Suite = Suite {
    cases: CASES,
    asked: &[&ASKED],
    custom,
    streams: None,
    aims,
};

const ACCESS: &str = "access";
const HEADER_FILTER: &str = "header-filter";
const BOTH: &str = "both";

static CASES: &[Case] = &[
    Case {
        route: ACCESS,
        title: "access: reads a header, sets another",
        asked: &ASKED,
        plugins: || json!([plugin("on-access", json!({}))]),
        lua: || lua::access(UP),
    },
    Case {
        route: HEADER_FILTER,
        title: "header_filter: the same on the answer",
        asked: &ASKED,
        plugins: || json!([plugin("on-answer", json!({}))]),
        lua: || lua::header_filter(DOWN),
    },
    Case {
        route: BOTH,
        title: "both, in two plugins",
        asked: &ASKED,
        plugins: || {
            json!([
                plugin("on-access", json!({})),
                plugin("on-answer", json!({}))
            ])
        },
        lua: || lua::access(UP) + &lua::header_filter(DOWN),
    },
    Case {
        route: "pre-function",
        title: "pre-function: access",
        asked: &ASKED,
        plugins: || {
            json!([plugin(
                "pre-function",
                json!({ "access": [READS_AND_SETS] })
            )])
        },
        lua: || lua::access(UP),
    },
];

/// As who writes for nginx would.
const UP: &str = r#"ngx.req.set_header("X-From", ngx.req.get_headers()["x-user"] or "none")"#;
const DOWN: &str = r#"ngx.header["X-Answered"] = ngx.header["Content-Type"] or "none""#;

/// As who writes for Kong would.
const READS_AND_SETS: &str =
    r#"kong.service.request.set_header("X-From", kong.request.get_header("x-user") or "none")"#;
const ANSWERS: &str =
    r#"kong.response.set_header("X-Answered", kong.response.get_header("Content-Type") or "none")"#;

fn custom() -> Value {
    let source = |name: &str, method: &str, body: &str| {
        json!({
            "name": name,
            "schema": format!("return {{ name = \"{name}\", fields = {{ {{ config = {{ type = \"record\", fields = {{}} }} }} }} }}"),
            "handler": format!(
                "local Handler = {{ PRIORITY = 1000, VERSION = \"1.0.0\" }}\n\
                 function Handler:{method}(conf)\n  {body}\nend\nreturn Handler\n"
            ),
        })
    };
    json!([
        source("on-access", "access", READS_AND_SETS),
        source("on-answer", "header_filter", ANSWERS)
    ])
}

fn aims(figures: &Figures) {
    for route in [ACCESS, HEADER_FILTER, BOTH] {
        let case = case(CASES, route);
        at_least(
            &format!("{}: over nginx with Lua", case.title),
            1.0,
            ratio(figures.over_nginx(case)),
        );
    }
}
