//! The transformers: a configuration for the node, the same work in Lua for nginx, and the request.

use serde_json::{Value, json};

use super::report::{at_least, at_most, case, ratio};
use super::{Asked, Case, Figures, Suite, lua, plugin};

/// 100 bytes with eight headers each way, which the operations find or do not find.
pub static HEADERS: Asked = Asked {
    off: "off-headers",
    path: "/answered",
    headers: &[
        ("X-Remove-1", "one"),
        ("X-Remove-2", "two"),
        ("X-Rename-1", "one"),
        ("X-Rename-2", "two"),
        ("X-Replace-1", "one"),
        ("X-Replace-2", "two"),
        ("X-Append-1", "one"),
        ("X-User", "ann"),
    ],
    bytes: 100,
};

/// A key that is known.
pub static KEY: Asked = Asked {
    off: "off-key",
    path: "/short",
    headers: &[("apikey", "secret")],
    bytes: 100,
};

pub static JSON_1K: Asked = Asked {
    off: "off-1k",
    path: "/1k",
    headers: &[],
    bytes: 1 << 10,
};

/// 10 KiB, and a key.
pub static JSON_10K: Asked = Asked {
    off: "off-10k",
    path: "/10k",
    headers: &[("apikey", "secret")],
    bytes: 10 << 10,
};

pub static JSON_100K: Asked = Asked {
    off: "off-100k",
    path: "/100k",
    headers: &[],
    bytes: 100 << 10,
};

/// The suite.
pub static SUITE: Suite = Suite {
    cases: CASES,
    asked: &[&HEADERS, &KEY, &JSON_1K, &JSON_10K, &JSON_100K],
    custom: || json!([]),
    streams: Some(ON_RESPONSES),
    aims,
};

/// Names that [`Case::route`] and the aims share.
pub const ON_REQUESTS: &str = "headers-request";
pub const ON_RESPONSES: &str = "headers-response";
pub const ON_BOTH: &str = "headers-both";
pub const NONE_APPLIES: &str = "headers-idle";
pub const ONE_KIB: &str = "json-1k";
pub const HUNDRED_KIB: &str = "json-100k";
pub const THREE: &str = "three";
pub const THREE_JSON: &str = "three-json";

static CASES: &[Case] = &[
    Case {
        route: ON_REQUESTS,
        title: "10 operations on request headers",
        asked: &HEADERS,
        plugins: || json!([plugin("request-transformer", ten())]),
        lua: || lua::access(&lua::on_request(&lua::TEN)),
    },
    Case {
        route: ON_RESPONSES,
        title: "10 operations on response headers",
        asked: &HEADERS,
        plugins: || json!([plugin("response-transformer", ten())]),
        lua: || lua::header_filter(&lua::on_response(&lua::TEN)),
    },
    Case {
        route: ON_BOTH,
        title: "5 operations on headers each way",
        asked: &HEADERS,
        plugins: || {
            json!([
                plugin("request-transformer", five()),
                plugin("response-transformer", five())
            ])
        },
        lua: || {
            lua::access(&lua::on_request(&lua::TEN[..1]))
                + &lua::header_filter(&lua::on_response(&lua::TEN[..1]))
        },
    },
    Case {
        route: NONE_APPLIES,
        title: "10 operations on headers, none applies",
        asked: &HEADERS,
        plugins: || json!([plugin("request-transformer", idle())]),
        lua: || lua::access(lua::IDLE),
    },
    Case {
        route: "template",
        title: "2 headers from templates, looked up",
        asked: &HEADERS,
        plugins: || json!([plugin("request-transformer", templates())]),
        lua: || lua::access(lua::TEMPLATES),
    },
    Case {
        route: "template-lua",
        title: "1 header from a template in Lua",
        asked: &HEADERS,
        plugins: || json!([plugin("request-transformer", expression())]),
        lua: || lua::access(lua::EXPRESSION),
    },
    Case {
        route: ONE_KIB,
        title: "5 operations on 1 KiB of JSON",
        asked: &JSON_1K,
        plugins: || json!([plugin("response-transformer", edit())]),
        lua: || lua::json("", lua::EDIT),
    },
    Case {
        route: HUNDRED_KIB,
        title: "5 operations on 100 KiB of JSON",
        asked: &JSON_100K,
        plugins: || json!([plugin("response-transformer", edit())]),
        lua: || lua::json("", lua::EDIT),
    },
    Case {
        route: THREE,
        title: "key-auth, a header each way",
        asked: &KEY,
        plugins: || three(json!({ "add": { "headers": ["X-Answered:1"] } })),
        lua: || lua::access(lua::KEY) + &lua::header_filter(lua::ANSWERED),
    },
    Case {
        route: THREE_JSON,
        title: "the same and an edit of 10 KiB of JSON",
        asked: &JSON_10K,
        plugins: || {
            three(
                json!({ "add": { "headers": ["X-Answered:1"], "json": ["added:1"] }, "remove": { "json": ["field000"] } }),
            )
        },
        lua: || lua::access(lua::KEY) + &lua::json(lua::ANSWERED, lua::SMALL_EDIT),
    },
];

/// Two of each operation; one of each pair of `add` and `append` finds nothing there yet.
fn ten() -> Value {
    json!({
        "remove": { "headers": ["X-Remove-1", "X-Remove-2"] },
        "rename": { "headers": ["X-Rename-1:X-Renamed-1", "X-Rename-2:X-Renamed-2"] },
        "replace": { "headers": ["X-Replace-1:other", "X-Replace-2:another"] },
        "add": { "headers": ["X-Add-1:one", "X-Add-2:two"] },
        "append": { "headers": ["X-Append-1:more", "X-Append-2:two"] },
    })
}

fn five() -> Value {
    json!({
        "remove": { "headers": ["X-Remove-1"] },
        "rename": { "headers": ["X-Rename-1:X-Renamed-1"] },
        "replace": { "headers": ["X-Replace-1:other"] },
        "add": { "headers": ["X-Add-1:one"] },
        "append": { "headers": ["X-Append-1:more"] },
    })
}

/// What is not there is to be changed, and what is there is to be added.
fn idle() -> Value {
    json!({
        "remove": { "headers": ["X-None-1", "X-None-2", "X-None-3"] },
        "rename": { "headers": ["X-None-4:X-Other-4", "X-None-5:X-Other-5"] },
        "replace": { "headers": ["X-None-6:other", "X-None-7:other", "X-None-8:other"] },
        "add": { "headers": ["X-User:nobody", "X-Append-1:nobody"] },
    })
}

fn templates() -> Value {
    json!({ "add": { "headers": ["X-From:$(headers['x-user'])", "X-Who:user $(headers.x_user or 'none')"] } })
}

/// No simple look-up, so the Lua engine works it out.
fn expression() -> Value {
    json!({ "add": { "headers": ["X-Who:user $(headers.x_user:upper())"] } })
}

fn edit() -> Value {
    json!({
        "remove": { "json": ["field000"] },
        "rename": { "json": ["field001:renamed"] },
        "replace": { "json": ["field002:other"] },
        "add": { "json": ["added:1"] },
        "append": { "json": ["field003:more"] },
    })
}

fn three(response: Value) -> Value {
    json!([
        plugin("key-auth", json!({})),
        plugin(
            "request-transformer",
            json!({ "add": { "headers": ["X-Added:1"] } })
        ),
        plugin("response-transformer", response),
    ])
}

fn aims(figures: &Figures) {
    let case = |route: &str| case(CASES, route);
    for route in [ON_REQUESTS, ON_RESPONSES, ON_BOTH, NONE_APPLIES] {
        let case = case(route);
        at_most(
            &format!("{}: instructions added", case.title),
            1500.0,
            figures.added(case),
        );
        at_least(
            &format!("{}: over no plugin", case.title),
            0.97,
            ratio(figures.over_off(case)),
        );
    }
    let json = case(ONE_KIB);
    at_least(
        &format!("{}: over no plugin", json.title),
        0.75,
        ratio(figures.over_off(json)),
    );
    let json = case(HUNDRED_KIB);
    at_least(
        &format!("{}: MB of body per CPU-second", json.title),
        400.0,
        figures.megabytes(json),
    );
    let three = case(THREE);
    at_most(
        &format!("{}: instructions added", three.title),
        4000.0,
        figures.added(three),
    );
    at_least(
        &format!("{}: over nginx with Lua", three.title),
        1.1,
        ratio(figures.over_nginx(three)),
    );
    let three = case(THREE_JSON);
    at_least(
        &format!("{}: over nginx with Lua", three.title),
        4.0,
        ratio(figures.over_nginx(three)),
    );
}

/// A JSON object of exactly so many bytes: fields of 64 bytes, the last one longer or shorter.
pub fn json_of(bytes: usize) -> String {
    let mut text = "{".to_owned();
    for n in 0.. {
        let name = format!("\"field{n:03}\":\"");
        let left = bytes - text.len() - name.len() - 2;
        if left < 2 * 64 {
            return text + &name + &"v".repeat(left) + "\"}";
        }
        text += &format!("{name}{}\",", "v".repeat(62 - name.len()));
    }
    unreachable!("the last field ends it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_size_that_was_asked_for() {
        for asked in [&JSON_1K, &JSON_10K, &JSON_100K] {
            let text = json_of(asked.bytes);
            assert_eq!(text.len(), asked.bytes);
            let document: Value = serde_json::from_str(&text).expect("it is JSON");
            assert!(document["field003"].is_string());
        }
    }
}
