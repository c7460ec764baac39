//! How freely Lua in the configuration runs: `untrusted_lua` and the two lists of its sandbox, and what a template does
//! that never ends.

use serde_json::{Value, json};
use tests::{Gateway, Request, Setup, Upstream};

/// Both planes with these flags, and a route to the upstream.
async fn gateway(flags: &[&str], upstream: &Upstream) -> Gateway {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let one = ["--workers", "1"].map(str::to_owned);
    let gateway = Gateway::with(Setup {
        control_plane: flags.clone(),
        data_plane: flags.into_iter().chain(one).collect(),
        ..Setup::default()
    });
    let gateway = gateway.await;
    gateway.admin().service("orders", upstream).await;
    gateway.admin().route("orders", "/").await;
    gateway
}

fn adding(value: &str) -> Value {
    json!({ "add": { "headers": [format!("X-T:{value}")] } })
}

async fn transform(gateway: &Gateway, config: Value) {
    let scope = "/routes/orders";
    gateway
        .admin()
        .plugin(scope, "request-transformer", config)
        .await;
}

#[tokio::test]
async fn without_untrusted_lua_templates_fail_and_functions_are_refused() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&["--untrusted-lua", "off"], &upstream).await;
    transform(&gateway, adding("plain $")).await;
    gateway.get("/").await.expect_status(200);
    assert_eq!(upstream.last().header("x-t"), Some("plain $"));
    for value in ["$(headers.host)", "$(1 + 1)"] {
        let plugins = gateway
            .admin()
            .get("/plugins")
            .await
            .expect_status(200)
            .json();
        let path = format!(
            "/plugins/{}",
            plugins["data"][0]["id"].as_str().expect("an id")
        );
        let change = json!({ "config": adding(value) });
        gateway
            .admin()
            .patch(&path, change)
            .await
            .expect_status(200);
        let reply = gateway.get("/").await.expect_status(500);
        assert_eq!(reply.json()["message"], "An unexpected error occurred");
    }
    let functions =
        json!({ "transform": { "functions": ["return function(data) return data end"] } });
    let body = json!({ "name": "response-transformer-advanced", "config": functions });
    let refused = gateway
        .admin()
        .post("/plugins", body)
        .await
        .expect_status(400)
        .json();
    assert_eq!(
        refused["fields"]["config"]["transform"]["functions"][0],
        "loading of untrusted Lua code disabled because 'untrusted_lua' config option is set to 'off'"
    );
}

#[tokio::test]
async fn the_sandbox_gives_the_names_and_modules_that_the_settings_list() {
    let upstream = Upstream::start().await;
    let flags = [
        "--untrusted-lua-sandbox-requires",
        "bit",
        "--untrusted-lua-sandbox-environment",
        "string, math.floor",
    ];
    let gateway = gateway(&flags, &upstream).await;
    let value = "$(string.upper(query_params.a))-$(require('bit').band(6, 3))-$(math.floor(2.5))";
    transform(&gateway, adding(value)).await;
    gateway.get("/?a=x").await.expect_status(200);
    assert_eq!(upstream.last().header("x-t"), Some("X-2-2"));
}

#[tokio::test]
async fn with_untrusted_lua_on_a_template_sees_everything() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&["--untrusted-lua", "on"], &upstream).await;
    transform(
        &gateway,
        adding("$(type(io.open))-$(tostring(os.getenv('PATH') ~= nil))"),
    )
    .await;
    gateway.get("/").await.expect_status(200);
    assert_eq!(upstream.last().header("x-t"), Some("function-true"));
}

#[tokio::test]
async fn a_template_that_never_ends_harms_only_its_own_request() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&[], &upstream).await;
    let value = "$(query_params.endless and (function() while true do end end)() or 'ended')";
    transform(&gateway, adding(value)).await;
    gateway.get("/?endless").await.expect_status(500);
    let node = gateway.node();
    let endless = async {
        node.send(&Request::get("/?endless"))
            .await
            .expect_status(500);
    };
    let others = async {
        for _ in 0..20 {
            node.send(&Request::get("/")).await.expect_status(200);
            assert_eq!(upstream.last().header("x-t"), Some("ended"));
        }
    };
    tokio::join!(endless, others);
}
