//! pre-function and post-function (section 8): what the Admin API says, in which order chunks run, what they keep, and
//! what `untrusted_lua` makes of them.

use serde_json::{Value, json};
use tests::{Request, Setup, script};

use super::Stage;

const PHASES: [&str; 6] = [
    "certificate",
    "rewrite",
    "access",
    "header_filter",
    "body_filter",
    "log",
];

#[tokio::test]
async fn the_admin_api_says_what_is_wrong_with_functions() {
    let stage = Stage::with(Setup::default()).await;
    let admin = stage.gateway.admin();
    let at_least_one = "at least one of these fields must be non-empty: 'config.certificate', 'config.rewrite', \
                        'config.access', 'config.header_filter', 'config.body_filter', 'config.log'";
    for name in ["pre-function", "post-function"] {
        for config in [json!({}), json!({ "access": [], "log": [] })] {
            let refused = admin
                .post("/plugins", json!({ "name": name, "config": config }))
                .await;
            let refused = refused.expect_status(400).json();
            assert_eq!(
                refused["fields"]["@entity"],
                json!([at_least_one]),
                "{refused}"
            );
        }
        for phase in PHASES {
            let wrong = format!(
                "error parsing {name}: [string \"return (\"]:1: unexpected symbol near '<eof>'"
            );
            for (functions, at, message) in [
                (json!(["return 1", "return ("]), Some(1), wrong.as_str()),
                (json!([1]), Some(0), "expected a string"),
                (json!("return 1"), None, "expected an array"),
                (Value::Null, None, "required field missing"),
            ] {
                let other = if phase == "log" { "access" } else { "log" };
                let config = json!({ phase: functions, other: ["return 1"] });
                let refused = admin
                    .post("/plugins", json!({ "name": name, "config": config }))
                    .await;
                let refused = refused.expect_status(400).json();
                let field = &refused["fields"]["config"][phase];
                let said = at.map_or(field, |at| &field[at]);
                assert_eq!(said, message, "{phase}: {refused}");
            }
            // Parsed, not run.
            let config = json!({ phase: ["error('not run on storing')"] });
            let stored = admin.plugin("", name, config).await;
            for other in PHASES.iter().filter(|other| **other != phase) {
                assert_eq!(stored["config"][other], json!([]), "{stored}");
            }
            let path = format!("/plugins/{}", stored["id"].as_str().expect("an id"));
            admin.delete(&path).await.expect_status(204);
        }
        admin.put("/consumers/bob", json!({})).await;
        let config = json!({ "access": ["return 1"] });
        let refused = admin
            .post(
                "/consumers/bob/plugins",
                json!({ "name": name, "config": config }),
            )
            .await;
        assert_eq!(refused.status, 400, "{refused}");
        assert_eq!(
            refused.json()["fields"]["consumer"],
            "value must be null",
            "{refused}"
        );
    }
    let root = admin.get("/").await.json();
    let available = &root["plugins"]["available_on_server"];
    let priorities =
        ["pre-function", "post-function"].map(|name| available[name]["priority"].clone());
    assert_eq!(priorities, [json!(1_000_000), json!(-1000)]);
}

/// A plugin on a route of its own.
async fn route(stage: &Stage, name: &str, plugins: &[(&str, Value)]) {
    stage.route(name, &format!("/{name}")).await;
    for (plugin, config) in plugins {
        stage.plugin(name, plugin, config.clone()).await;
    }
}

#[tokio::test]
async fn functions_run_in_their_order_and_keep_what_they_should() {
    let stage = Stage::start(&[]).await;
    let note =
        |text: &str| format!("kong.ctx.shared.order = (kong.ctx.shared.order or '') .. ' {text}'");
    let both = [
        (
            "post-function",
            json!({
                "access": [note("post-1"), note("post-2")],
                "header_filter": [note("post-header"), "kong.response.set_header('X-Order', kong.ctx.shared.order)"],
            }),
        ),
        (
            "pre-function",
            json!({ "access": [note("pre-1"), note("pre-2")], "header_filter": [note("pre-header")] }),
        ),
    ];
    route(&stage, "order", &both).await;
    // A chunk that returns a function is that function from then on; one that does not runs every time.
    let returned = json!({ "access": [
        "local n = 0 return function() n = n + 1 kong.response.set_header('X-Kept', n) end",
        "local n = 0 n = n + 1 kong.response.set_header('X-Each', n)",
        "times = (times or 0) + 1 kong.response.set_header('X-Global', times)",
    ] });
    route(&stage, "returned", &[("pre-function", returned)]).await;
    let leaves = json!({
        "access": ["kong.response.exit(401, { message = 'left' })", "kong.response.exit(200, 'second')"],
        "header_filter": ["kong.response.set_header('X-Source', kong.response.get_source())"],
    });
    route(
        &stage,
        "leaves",
        &[
            ("pre-function", leaves),
            ("post-function", json!({ "access": [note("x")] })),
        ],
    )
    .await;
    let filters = json!({
        "header_filter": ["ngx.header.content_length = nil"],
        "body_filter": [
            "ngx.arg[1] = ngx.arg[1] and ngx.arg[1]:upper()",
            "if ngx.arg[2] then ngx.arg[1] = (ngx.arg[1] or '') .. '!' end",
        ],
        "log": ["kong.log.notice('logged ', kong.request.get_path())"],
    });
    route(&stage, "filters", &[("post-function", filters)]).await;
    let fails = json!({ "access": ["local a = nil\nreturn a.b"] });
    route(&stage, "fails", &[("pre-function", fails)]).await;
    let forbidden = json!({ "access": ["require 'io'"] });
    route(&stage, "forbidden", &[("pre-function", forbidden)]).await;
    let early = json!({ "rewrite": ["if kong.request.get_path() == '/nowhere' then kong.response.exit(418, 'early') end"] });
    stage
        .gateway
        .admin()
        .plugin("", "pre-function", early)
        .await;

    let reply = stage.gateway.get("/order").await.expect_status(200);
    assert_eq!(
        reply.header("x-order"),
        Some("pre-1 pre-2 post-1 post-2 pre-header post-header")
    );
    for count in ["1", "2", "3"] {
        let reply = stage.get("/returned").await.expect_status(200);
        let headers = ["x-kept", "x-each"].map(|name| reply.header(name));
        assert_eq!(headers, [Some(count), Some("1")], "{reply}");
    }
    let reply = stage.get("/leaves").await.expect_status(401);
    assert_eq!(
        (reply.json(), reply.header("x-source")),
        (json!({ "message": "left" }), Some("exit"))
    );
    let answer = script(&json!({ "chunks": ["abc", "def"] }));
    let answer = Request::get("/filters").header("X-Script", answer.trim_start_matches("/script/"));
    assert_eq!(
        stage.ask(&answer).await.expect_status(200).text(),
        "ABCDEF!"
    );
    stage.logged(&["[post-function]", "logged /filters"]).await;
    let reply = stage.get("/fails").await.expect_status(500);
    assert_eq!(reply.json()["message"], "An unexpected error occurred");
    stage
        .logged(&["pre-function", "attempt to index local 'a' (a nil value)"])
        .await;
    stage.get("/forbidden").await.expect_status(500);
    stage
        .logged(&["pre-function", "require 'io' not allowed within sandbox"])
        .await;
    let reply = stage.get("/nowhere").await.expect_status(418);
    assert_eq!(reply.text(), "early", "before there is a route");
}

#[tokio::test]
async fn untrusted_lua_says_what_functions_may_do() {
    let config = json!({ "access": ["kong.response.exit(200, type(io.open) .. type(os.getenv))"] });
    for (setting, status, text) in [
        ("on", 200, Some("functionfunction")),
        ("sandbox", 200, Some("nilnil")),
        ("off", 500, None),
    ] {
        let flags = ["--untrusted-lua", setting].map(str::to_owned).to_vec();
        let data_plane = flags
            .iter()
            .cloned()
            .chain(["--workers", "1"].map(str::to_owned));
        // The control plane takes them in every case: whether they run is the node's matter.
        let setup = Setup {
            data_plane: data_plane.collect(),
            ..Setup::default()
        };
        let stage = Stage::with(setup).await;
        route(&stage, "free", &[("pre-function", config.clone())]).await;
        let reply = stage.gateway.get("/free").await.expect_status(status);
        match text {
            Some(text) => assert_eq!(reply.text(), text, "{setting}"),
            None => assert_eq!(
                reply.json()["message"],
                "An unexpected error occurred",
                "{setting}"
            ),
        }
        if setting == "off" {
            let why = "loading of untrusted Lua code disabled because 'untrusted_lua' config option is set to 'off'";
            stage.logged(&["pre-function", why]).await;
        }
    }
}

#[tokio::test]
async fn the_sandbox_of_functions_gives_what_the_settings_list() {
    let stage = Stage::start(&[
        "--untrusted-lua-sandbox-requires",
        "cjson.safe, resty.sha256",
        "--untrusted-lua-sandbox-environment",
        "collectgarbage",
    ])
    .await;
    let chunk = "local json = require 'cjson.safe'
        kong.response.exit(200, json.encode({
          type(collectgarbage), type(require('resty.sha256').new), tostring(pcall(require, 'resty.http')),
          type(string.upper), type(ngx.sleep), type(kong.request.get_header), tostring(io ~= nil and io.open),
        }))";
    route(
        &stage,
        "listed",
        &[("pre-function", json!({ "access": [chunk] }))],
    )
    .await;
    let reply = stage.gateway.get("/listed").await.expect_status(200);
    let expected = json!([
        "function", "function", "false", "function", "function", "function", "nil"
    ]);
    let got = reply.json();
    // `io` is not there, or without `open`.
    let last = got[6].as_str().unwrap_or_default();
    assert!(["nil", "false"].contains(&last), "{got}");
    let firsts = |value: &Value| value.as_array().expect("a list")[..6].to_vec();
    assert_eq!(firsts(&got), firsts(&expected));
}
