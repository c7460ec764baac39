//! `kong.client`, `kong.router`: who asks, and what answers.

use serde_json::Value;
use tests::Request;

use super::{Row, Scene};

/// The id of the consumer `bob`.
pub const BOB: &str = "00000000-0000-4000-8000-0000000000b0";

pub fn scenes() -> Vec<Scene> {
    let scene = |name, request, rows| Scene {
        name,
        request,
        answer: Value::Null,
        rows,
    };
    let known = Request::get("/auth")
        .header("apikey", "of-bob")
        .header("X-Real-IP", "10.1.2.3");
    vec![
        scene("somebody", known, SOMEBODY),
        scene("nobody", Request::get("/nobody"), NOBODY),
        scene("authenticated", Request::get("/nobody"), AUTHENTICATED),
    ]
}

const SOMEBODY: &[Row] = &[
    ("access", "kong.client.get_ip()", r#"["127.0.0.1"]"#),
    ("access", "kong.client.get_port()", r#"["$number"]"#),
    (
        "access",
        "kong.client.get_forwarded_ip()",
        r#"["10.1.2.3"]"#,
    ),
    ("access", "kong.client.get_forwarded_port()", "[null]"),
    (
        "access",
        "kong.client.get_consumer().username",
        r#"["bob"]"#,
    ),
    (
        "access",
        "kong.client.get_consumer().custom_id",
        r#"["c-bob"]"#,
    ),
    (
        "access",
        "kong.client.get_consumer().id",
        r#"["00000000-0000-4000-8000-0000000000b0"]"#,
    ),
    (
        "access",
        "kong.client.get_credential().key",
        r#"["of-bob"]"#,
    ),
    (
        "access",
        "kong.client.get_credential().consumer.id",
        r#"["00000000-0000-4000-8000-0000000000b0"]"#,
    ),
    (
        "header_filter",
        "kong.client.get_consumer().username",
        r#"["bob"]"#,
    ),
    (
        "body_filter",
        "kong.client.get_credential().key",
        r#"["of-bob"]"#,
    ),
    ("log", "kong.client.get_consumer().username", r#"["bob"]"#),
    ("rewrite", "kong.client.get_ip()", r#"["127.0.0.1"]"#),
    (
        "rewrite",
        "kong.client.get_forwarded_ip()",
        r#"["10.1.2.3"]"#,
    ),
    ("access", "kong.client.get_protocol()", r#"["http"]"#),
    ("access", "kong.client.get_protocol(true)", r#"["http"]"#),
    ("access", "kong.client.get_consumer_groups()", "[null]"),
    ("access", "kong.router.get_route().name", r#"["auth"]"#),
    ("access", "kong.router.get_route().paths", r#"[["/auth"]]"#),
    ("access", "kong.router.get_service().name", r#"["orders"]"#),
    (
        "access",
        "kong.router.get_service().port",
        r#"["$upstream"]"#,
    ),
    ("log", "kong.router.get_route().name", r#"["auth"]"#),
    (
        "header_filter",
        "kong.router.get_service().host",
        r#"["127.0.0.1"]"#,
    ),
];

const NOBODY: &[Row] = &[
    (
        "access",
        "kong.client.get_forwarded_port()",
        r#"["$number"]"#,
    ),
    ("access", "kong.client.get_consumer()", "[null]"),
    ("access", "kong.client.get_credential()", "[null]"),
    (
        "access",
        "kong.client.load_consumer('00000000-0000-4000-8000-0000000000b0').username",
        r#"["bob"]"#,
    ),
    (
        "access",
        "(kong.client.load_consumer('00000000-0000-4000-8000-00000000ffff'))",
        "[null]",
    ),
    (
        "access",
        "kong.client.load_consumer('bob')",
        "!cannot load a consumer with an id that is not a uuid",
    ),
    (
        "access",
        "kong.client.load_consumer('bob', true).custom_id",
        r#"["c-bob"]"#,
    ),
    (
        "access",
        "(kong.client.load_consumer('alice', true))",
        "[null]",
    ),
    (
        "access",
        "kong.client.load_consumer(5)",
        "!consumer_id must be a string",
    ),
    (
        "access",
        "kong.client.load_consumer('')",
        "!cannot load a consumer with an id that is not a uuid",
    ),
    (
        "access",
        "kong.client.authenticate()",
        "!either credential or consumer must be provided",
    ),
    (
        "access",
        "kong.client.authenticate('bob')",
        "!consumer must be a table or nil",
    ),
    (
        "access",
        "kong.client.authenticate(nil, 'key')",
        "!credential must be a table or nil",
    ),
];

const AUTHENTICATED: &[Row] = &[(
    "access",
    "(function()
       kong.client.authenticate(kong.client.load_consumer('bob', true), { id = 'c-1' })
       return kong.client.get_consumer().username, kong.client.get_credential().id, kong.request.get_header('x-consumer-username')
     end)()",
    r#"["bob","c-1",null]"#,
), ("log", "kong.client.get_consumer().username", r#"["bob"]"#)];
