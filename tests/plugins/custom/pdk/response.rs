//! `kong.response` and `kong.service.response`: what the client and what the upstream says.

use serde_json::json;
use tests::Request;

use super::{Row, Scene};

pub fn scenes() -> Vec<Scene> {
    let answer = json!({
        "status": 207,
        "headers": [["X-Up", "1"], ["X-Two", "a"], ["X-Two", "b"], ["Content-Type", "application/json"]],
        "body": "{\"a\":[1]}",
    });
    let form = json!({ "headers": [["Content-Type", "application/x-www-form-urlencoded"]], "body": "a=1&b=2" });
    let scene = |name, path, answer, rows| Scene {
        name,
        request: Request::get(path),
        answer,
        rows,
    };
    vec![
        scene("filtered", "/x", answer.clone(), FILTERED),
        scene("whole", "/whole", answer, WHOLE),
        scene("whole form", "/whole", form, WHOLE_FORM),
        scene("own", "/auth", serde_json::Value::Null, OWN),
    ]
}

const NOT_BUFFERED: &str = "!service body is only available with buffered proxying (see: kong.service.request.enable_buffering function)";

const FILTERED: &[Row] = &[
    (
        "header_filter",
        "kong.service.response.get_status()",
        "[207]",
    ),
    (
        "header_filter",
        "kong.service.response.get_header('x-up')",
        r#"["1"]"#,
    ),
    (
        "header_filter",
        "kong.service.response.get_header('x_two')",
        r#"["a"]"#,
    ),
    (
        "header_filter",
        "kong.service.response.get_header('x-none')",
        "[null]",
    ),
    (
        "header_filter",
        "kong.service.response.get_header(1)",
        "!must be a string",
    ),
    (
        "header_filter",
        "kong.service.response.get_headers()['X-Two']",
        r#"[["a","b"]]"#,
    ),
    (
        "header_filter",
        "kong.service.response.get_headers().x_up",
        r#"["1"]"#,
    ),
    (
        "header_filter",
        "select(2, kong.service.response.get_headers(1))",
        r#"["truncated"]"#,
    ),
    (
        "header_filter",
        "kong.service.response.get_headers(0)",
        "!max_headers must be >= 1",
    ),
    (
        "header_filter",
        "kong.service.response.get_raw_body()",
        NOT_BUFFERED,
    ),
    (
        "header_filter",
        "kong.service.response.get_body()",
        NOT_BUFFERED,
    ),
    ("header_filter", "kong.response.get_status()", "[207]"),
    (
        "header_filter",
        "kong.response.get_source()",
        r#"["service"]"#,
    ),
    (
        "header_filter",
        "kong.response.get_header('X-Up')",
        r#"["1"]"#,
    ),
    (
        "header_filter",
        "kong.response.get_header('x_two')",
        r#"["a"]"#,
    ),
    (
        "header_filter",
        "kong.response.get_header(1)",
        "!must be a string",
    ),
    (
        "header_filter",
        "kong.response.get_headers()['x-two']",
        r#"[["a","b"]]"#,
    ),
    (
        "header_filter",
        "kong.response.get_headers()['X_Up']",
        r#"["1"]"#,
    ),
    (
        "header_filter",
        "select(2, kong.response.get_headers(1))",
        r#"["truncated"]"#,
    ),
    (
        "header_filter",
        "kong.response.get_headers(0)",
        "!max_headers must be >= 1",
    ),
    (
        "header_filter",
        "kong.response.get_headers(1001)",
        "!max_headers must be <= 1000",
    ),
    (
        "header_filter",
        "kong.response.get_headers('x')",
        "!max_headers must be a number",
    ),
    (
        "header_filter",
        "(function() kong.response.set_header('X-Own', 'o') return kong.response.get_header('x-own'), kong.service.response.get_header('x-own') end)()",
        r#"["o",null]"#,
    ),
    (
        "header_filter",
        "kong.response.set_status('200')",
        "!code must be a number",
    ),
    (
        "header_filter",
        "kong.response.set_status(99)",
        "!code must be a number between 100 and 599",
    ),
    (
        "header_filter",
        "kong.response.set_status(600)",
        "!code must be a number between 100 and 599",
    ),
    (
        "header_filter",
        "kong.response.set_header('X', nil)",
        r#"!invalid header value for "X": got nil, expected array of string, string, number or boolean"#,
    ),
    (
        "header_filter",
        "kong.response.set_header('X', function() end)",
        r#"!invalid header value for "X": got function, expected array of string, string, number or boolean"#,
    ),
    (
        "header_filter",
        "kong.response.add_header('X', nil)",
        r#"!invalid header value for "X": got nil, expected array of string, string, number or boolean"#,
    ),
    (
        "header_filter",
        "kong.response.set_header(1, 'x')",
        "!invalid header name \"1\": got number, expected string",
    ),
    (
        "header_filter",
        "kong.response.clear_header(1)",
        "!must be a string",
    ),
    (
        "header_filter",
        "kong.response.set_headers('x')",
        "!headers must be a table",
    ),
    ("body_filter", "kong.response.get_status()", "[207]"),
    (
        "body_filter",
        "kong.response.set_raw_body(1)",
        "!body must be a string",
    ),
    (
        "body_filter",
        "kong.response.set_raw_body(nil)",
        "!body must be a string",
    ),
    ("log", "kong.response.get_status()", "[207]"),
    ("log", "kong.response.get_source()", r#"["service"]"#),
    ("log", "kong.response.get_header('x-up')", r#"["1"]"#),
    ("log", "kong.service.response.get_status()", "[207]"),
];

const WHOLE: &[Row] = &[
    ("response", "kong.service.response.get_status()", "[207]"),
    (
        "response",
        "kong.service.response.get_header('x-up')",
        r#"["1"]"#,
    ),
    (
        "response",
        "kong.service.response.get_headers()['x-two']",
        r#"[["a","b"]]"#,
    ),
    (
        "response",
        "kong.service.response.get_raw_body()",
        r#"["{\"a\":[1]}"]"#,
    ),
    (
        "response",
        "(kong.service.response.get_body())",
        r#"[{"a":[1]}]"#,
    ),
    (
        "response",
        "(kong.service.response.get_body('application/x-www-form-urlencoded'))",
        r#"[{"{\"a\":[1]}":true}]"#,
    ),
    (
        "response",
        "kong.service.response.get_body(1)",
        "!mimetype must be a string",
    ),
    (
        "response",
        "select('#', kong.service.response.get_raw_body()), select('#', kong.response.get_header('x-up')), \
         select('#', kong.service.response.get_status())",
        "[1,1,1]",
    ),
    ("response", "kong.response.get_status()", "[207]"),
    ("response", "kong.response.get_source()", r#"["service"]"#),
    (
        "response",
        "(function() kong.response.set_header('X-Own', 'o') return kong.response.get_header('x-own'), kong.service.response.get_header('x-own') end)()",
        r#"["o",null]"#,
    ),
    (
        "response",
        "kong.response.set_header('X-Nil', nil)",
        r#"!invalid header value for "X-Nil": got nil, expected array of string, string, number or boolean"#,
    ),
    (
        "header_filter",
        "kong.service.response.get_raw_body()",
        r#"["{\"a\":[1]}"]"#,
    ),
    (
        "log",
        "kong.service.response.get_raw_body()",
        r#"["{\"a\":[1]}"]"#,
    ),
];

const WHOLE_FORM: &[Row] = &[
    (
        "response",
        "(kong.service.response.get_body())",
        r#"[{"a":"1","b":"2"}]"#,
    ),
    (
        "response",
        "(kong.service.response.get_body(nil, 1))",
        r#"[{"a":"1"}]"#,
    ),
];

/// Answered by a plugin before there was an upstream.
const OWN: &[Row] = &[
    ("header_filter", "kong.response.get_source()", r#"["exit"]"#),
    ("header_filter", "kong.response.get_status()", "[401]"),
    (
        "header_filter",
        "kong.service.response.get_status()",
        "[null]",
    ),
    ("log", "kong.response.get_source()", r#"["exit"]"#),
];
