//! `kong.request`: what the client sent.

use serde_json::Value;
use tests::Request;

use super::{Row, Scene};

pub fn scenes() -> Vec<Scene> {
    let scene = |name, request, rows| Scene {
        name,
        request,
        answer: Value::Null,
        rows,
    };
    let post = |kind: &str, body: &str| {
        Request::new("POST", "/x")
            .header("Content-Type", kind)
            .body(body)
    };
    let plain = Request::new(
        "POST",
        "/pdk/%7Euser/a%20b//c/../d%2fe?x=1&y=two%20words&x=3&flag&empty=",
    )
    .header("Host", "Client.Test:8080")
    .header("X-One", "1")
    .header("X-Two", "a")
    .header("X-Two", "b")
    .json(&serde_json::json!({ "a": [1, 2], "b": {} }));
    let multipart = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
                     --X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n\
                     --X\r\nContent-Disposition: form-data; name=\"b\"; filename=\"f\"\r\n\r\nfile\r\n--X--\r\n";
    let forwarded = |headers: &[(&str, &str)]| {
        let request = Request::get("/fwd/own?q=1").header("Host", "own.test");
        headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    };
    vec![
        scene("request", plain, REQUEST),
        scene(
            "forwarded",
            forwarded(&[
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "user@Fwd.Test:8443"),
                ("X-Forwarded-Port", "9443"),
                ("X-Forwarded-Path", "/told/path"),
                ("X-Forwarded-Prefix", "/told"),
            ]),
            FORWARDED,
        ),
        scene(
            "forwarded port of the host",
            forwarded(&[
                ("X-Forwarded-Host", "fwd.test:8443"),
                ("X-Forwarded-Port", "70000"),
            ]),
            &[("access", "kong.request.get_forwarded_port()", "[8443]")],
        ),
        scene(
            "stripped",
            Request::get("/stripped/rest"),
            &[
                (
                    "access",
                    "kong.request.get_forwarded_prefix()",
                    r#"["/stripped"]"#,
                ),
                (
                    "access",
                    "kong.request.get_forwarded_path()",
                    r#"["/stripped/rest"]"#,
                ),
            ],
        ),
        scene("nothing sent", Request::get("/empty"), NOTHING),
        scene("captures", Request::get("/captured/42/abc"), CAPTURES),
        scene(
            "form",
            post(
                "application/x-www-form-urlencoded",
                "a=1&b=x%20y&a=2&flag&e=",
            ),
            FORM,
        ),
        scene(
            "multipart",
            post("multipart/form-data; boundary=X", multipart),
            MULTIPART,
        ),
        scene("broken JSON", post("application/json", "{bad"), BROKEN),
        scene("JSON of a number", post("application/json", "12"), BROKEN),
        scene(
            "other type",
            post("text/plain; charset=utf-8", "a=1"),
            OTHER,
        ),
        scene(
            "long body",
            post("application/json", &format!("[\"{}\"]", "x".repeat(99_996))),
            LONG,
        ),
    ]
}

const REQUEST: &[Row] = &[
    ("access", "kong.request.get_scheme()", r#"["http"]"#),
    ("access", "kong.request.get_host()", r#"["client.test"]"#),
    ("access", "kong.request.get_port()", r#"["$proxy"]"#),
    (
        "access",
        "kong.request.get_forwarded_scheme()",
        r#"["http"]"#,
    ),
    (
        "access",
        "kong.request.get_forwarded_host()",
        r#"["client.test"]"#,
    ),
    (
        "access",
        "kong.request.get_forwarded_port()",
        r#"["$proxy"]"#,
    ),
    (
        "access",
        "kong.request.get_forwarded_path()",
        r#"["/pdk/%7Euser/a%20b//c/../d%2fe"]"#,
    ),
    ("access", "kong.request.get_forwarded_prefix()", "[null]"),
    ("access", "kong.request.get_http_version()", "[1.1]"),
    ("access", "kong.request.get_method()", r#"["POST"]"#),
    (
        "access",
        "kong.request.get_path()",
        r#"["/pdk/~user/a b/d%2Fe"]"#,
    ),
    (
        "access",
        "kong.request.get_raw_path()",
        r#"["/pdk/%7Euser/a%20b//c/../d%2fe"]"#,
    ),
    (
        "access",
        "kong.request.get_path_with_query()",
        r#"["/pdk/%7Euser/a%20b//c/../d%2fe?x=1&y=two%20words&x=3&flag&empty="]"#,
    ),
    (
        "access",
        "kong.request.get_raw_query()",
        r#"["x=1&y=two%20words&x=3&flag&empty="]"#,
    ),
    ("access", "kong.request.get_query_arg('x')", r#"["1"]"#),
    (
        "access",
        "kong.request.get_query_arg('y')",
        r#"["two words"]"#,
    ),
    ("access", "kong.request.get_query_arg('flag')", "[true]"),
    ("access", "kong.request.get_query_arg('empty')", r#"[""]"#),
    ("access", "kong.request.get_query_arg('X')", "[null]"),
    (
        "access",
        "kong.request.get_query_arg(1)",
        "!query argument name must be a string",
    ),
    (
        "access",
        "kong.request.get_query_arg()",
        "!query argument name must be a string",
    ),
    (
        "access",
        "(kong.request.get_query())",
        r#"[{"x":["1","3"],"y":"two words","flag":true,"empty":""}]"#,
    ),
    ("access", "(kong.request.get_query(1))", r#"[{"x":"1"}]"#),
    (
        "access",
        "kong.request.get_query(0)",
        "!max_args must be >= 1",
    ),
    (
        "access",
        "kong.request.get_query(1001)",
        "!max_args must be <= 1000",
    ),
    (
        "access",
        "kong.request.get_query('x')",
        "!max_args must be a number",
    ),
    ("access", "kong.request.get_header('x_one')", r#"["1"]"#),
    ("access", "kong.request.get_header('X-TWO')", r#"["a"]"#),
    (
        "access",
        "kong.request.get_header('host')",
        r#"["Client.Test:8080"]"#,
    ),
    ("access", "kong.request.get_header('x-none')", "[null]"),
    (
        "access",
        "kong.request.get_header(1)",
        "!header name must be a string",
    ),
    (
        "access",
        "kong.request.get_headers()['x-two']",
        r#"[["a","b"]]"#,
    ),
    (
        "access",
        "kong.request.get_headers().X_Two",
        r#"[["a","b"]]"#,
    ),
    ("access", "kong.request.get_headers()['X-One']", r#"["1"]"#),
    (
        "access",
        "rawget(kong.request.get_headers(), 'x-one')",
        r#"["1"]"#,
    ),
    (
        "access",
        "select('#', kong.request.get_headers())",
        r#"["$number"]"#,
    ),
    (
        "access",
        "select(2, kong.request.get_headers(1))",
        r#"["truncated"]"#,
    ),
    ("access", "select(2, kong.request.get_headers(1000))", "[]"),
    (
        "access",
        "kong.request.get_headers(0)",
        "!max_headers must be >= 1",
    ),
    (
        "access",
        "kong.request.get_headers(1001)",
        "!max_headers must be <= 1000",
    ),
    (
        "access",
        "kong.request.get_headers('x')",
        "!max_headers must be a number",
    ),
    (
        "access",
        "kong.request.get_raw_body()",
        r#"["{\"a\":[1,2],\"b\":{}}"]"#,
    ),
    (
        "access",
        "kong.request.get_body()",
        r#"[{"a":[1,2],"b":{}},null,"application/json"]"#,
    ),
    (
        "access",
        "kong.request.get_body('application/x-www-form-urlencoded')",
        r#"[{"{\"a\":[1,2],\"b\":{}}":true},null,"application/x-www-form-urlencoded"]"#,
    ),
    (
        "access",
        "kong.request.get_body(1)",
        "!mimetype must be a string",
    ),
    (
        "access",
        "kong.request.get_body(nil, 0)",
        "!max_args must be >= 1",
    ),
    // Plugins hand these straight to functions that count their arguments.
    (
        "access",
        "select('#', kong.request.get_raw_body()), select('#', kong.request.get_header('x-one')), \
         select('#', kong.request.get_query_arg('x')), select('#', kong.request.get_path()), \
         select('#', kong.request.get_header('none')), select('#', kong.request.get_query_arg('none'))",
        "[1,1,1,1,1,1]",
    ),
    ("access", "kong.request.get_start_time()", r#"["$number"]"#),
    ("access", "kong.request.get_start_time() > 1.6e12", "[true]"),
    (
        "access",
        "kong.request.get_uri_captures()",
        r#"[{"named":{},"unnamed":{}}]"#,
    ),
    (
        "rewrite",
        "kong.request.get_path()",
        r#"["/pdk/~user/a b/d%2Fe"]"#,
    ),
    (
        "rewrite",
        "kong.request.get_raw_body()",
        r#"["{\"a\":[1,2],\"b\":{}}"]"#,
    ),
    (
        "header_filter",
        "kong.request.get_header('x-one')",
        r#"["1"]"#,
    ),
    (
        "header_filter",
        "kong.request.get_query_arg('x')",
        r#"["1"]"#,
    ),
    ("body_filter", "kong.request.get_method()", r#"["POST"]"#),
    (
        "log",
        "kong.request.get_raw_path()",
        r#"["/pdk/%7Euser/a%20b//c/../d%2fe"]"#,
    ),
    ("log", "kong.request.get_host()", r#"["client.test"]"#),
];

const FORWARDED: &[Row] = &[
    (
        "access",
        "kong.request.get_forwarded_scheme()",
        r#"["https"]"#,
    ),
    (
        "access",
        "kong.request.get_forwarded_host()",
        r#"["fwd.test"]"#,
    ),
    ("access", "kong.request.get_forwarded_port()", "[9443]"),
    (
        "access",
        "kong.request.get_forwarded_path()",
        r#"["/told/path"]"#,
    ),
    (
        "access",
        "kong.request.get_forwarded_prefix()",
        r#"["/told"]"#,
    ),
    ("access", "kong.request.get_scheme()", r#"["http"]"#),
    ("access", "kong.request.get_host()", r#"["own.test"]"#),
    ("access", "kong.request.get_port()", r#"["$proxy"]"#),
    ("access", "kong.request.get_path()", r#"["/fwd/own"]"#),
];

const NOTHING: &[Row] = &[
    ("access", "kong.request.get_raw_body()", r#"[""]"#),
    (
        "access",
        "kong.request.get_body()",
        r#"[null,"missing content type",null]"#,
    ),
    ("access", "kong.request.get_raw_query()", r#"[""]"#),
    ("access", "(kong.request.get_query())", "[{}]"),
    (
        "access",
        "kong.request.get_path_with_query()",
        r#"["/empty"]"#,
    ),
];

const CAPTURES: &[Row] = &[
    (
        "access",
        "kong.request.get_uri_captures().named",
        r#"[{"id":"42"}]"#,
    ),
    (
        "access",
        "kong.request.get_uri_captures().unnamed[0]",
        r#"["/captured/42/abc"]"#,
    ),
    (
        "access",
        "kong.request.get_uri_captures().unnamed[1]",
        r#"["42"]"#,
    ),
    (
        "access",
        "kong.request.get_uri_captures().unnamed[2]",
        r#"["abc"]"#,
    ),
];

const FORM: &[Row] = &[
    (
        "access",
        "kong.request.get_body()",
        r#"[{"a":["1","2"],"b":"x y","flag":true,"e":""},null,"application/x-www-form-urlencoded"]"#,
    ),
    (
        "access",
        "kong.request.get_body(nil, 1)",
        r#"[{"a":"1"},null,"application/x-www-form-urlencoded"]"#,
    ),
    (
        "access",
        "kong.request.get_body('application/json')",
        r#"[null,"invalid json body","application/json"]"#,
    ),
];

const MULTIPART: &[Row] = &[(
    "access",
    "kong.request.get_body()",
    r#"[{"a":["1","2"],"b":"file"},null,"multipart/form-data"]"#,
)];

const BROKEN: &[Row] = &[(
    "access",
    "kong.request.get_body()",
    r#"[null,"invalid json body","application/json"]"#,
)];

const OTHER: &[Row] = &[(
    "access",
    "kong.request.get_body()",
    r#"[null,"unsupported content type 'text/plain; charset=utf-8'","$string"]"#,
)];

const LONG: &[Row] = &[
    ("access", "#kong.request.get_raw_body(0)", "[100000]"),
    (
        "access",
        "kong.request.get_raw_body(100)",
        r#"[null,"$string"]"#,
    ),
    ("access", "#kong.request.get_raw_body(100000)", "[100000]"),
    (
        "access",
        "kong.request.get_raw_body()",
        r#"[null,"request body did not fit into client body buffer, consider raising 'client_body_buffer_size'"]"#,
    ),
    (
        "access",
        "select(2, kong.request.get_body(nil, nil, 0))",
        r#"[null,"application/json"]"#,
    ),
];
