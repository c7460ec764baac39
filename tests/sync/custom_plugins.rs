//! Custom plugins between the planes (custom-plugins.md 7.4): what a node cannot load it refuses with file and line, and
//! serves on.

use serde_json::{Value, json};
use tests::process::Launch;
use tests::{Gateway, Setup, Upstream, eventually};

const SCHEMA: &str = r#"return {
  name = "greeter",
  fields = {
    { config = { type = "record", fields = { { greeting = { type = "string", default = "hello" } } } } },
  },
}
"#;

/// A handler that answers with what it is told; `body` runs when it is loaded.
fn handler(body: &str) -> String {
    format!(
        "{body}\nlocal Greeter = {{ PRIORITY = 10, VERSION = \"1.0.0\" }}\n\
         function Greeter:access(conf)\n  kong.response.exit(200, conf.greeting)\nend\n\
         return Greeter\n"
    )
}

/// What the control plane says of the plugin on its only node.
async fn on_the_node(gateway: &Gateway) -> Value {
    let status = gateway.admin().get("/custom-plugins/greeter/status").await;
    status.expect_status(200).json()["data"][0].clone()
}

#[tokio::test]
async fn a_node_that_cannot_load_a_plugin_says_the_line_and_serves_on() {
    // The control plane keeps nothing from Lua, its node does: a mistake that no dry run finds.
    let gateway = Gateway::with(Setup {
        control_plane: ["--untrusted-lua", "on"].map(str::to_owned).to_vec(),
        ..Setup::default()
    })
    .await;
    let upstream = Upstream::start().await;
    let admin = gateway.admin();
    admin.service("orders", &upstream).await;
    admin.route("orders", "/v1").await;
    let plugin = json!({ "name": "greeter", "schema": SCHEMA, "handler": handler("") });
    admin.create("/custom-plugins", plugin).await;
    admin.plugin("/services/orders", "greeter", json!({})).await;
    assert_eq!(gateway.get("/v1").await.expect_status(200).text(), "hello");
    let served = gateway.node().revision().await;

    let escapes = json!({ "handler": handler("\nlocal home = os.getenv(\"HOME\")") });
    admin
        .patch("/custom-plugins/greeter", escapes)
        .await
        .expect_status(200);
    let said = "handler: handler.lua:2: attempt to call field 'getenv' (a nil value)";
    eventually("the node's refusal is told", || async {
        on_the_node(&gateway).await["errors"]
            .to_string()
            .contains(said)
    })
    .await;
    let told = on_the_node(&gateway).await;
    assert_eq!(
        (&told["current"], &told["version"]),
        (&json!(false), &json!("1.0.0"))
    );
    eventually("the rollout is told as halted", || async {
        let planes = admin.get("/headgate/data-planes").await.json();
        let blocked = &planes["publish_blocked"]["issues"];
        blocked.to_string().contains("greeter")
    })
    .await;
    let reply = gateway.node().get("/v1").await.expect_status(200);
    assert_eq!(reply.text(), "hello");
    assert_eq!(gateway.node().revision().await, served);

    let mended = json!({ "handler": handler("local home = \"here\"") });
    admin
        .patch("/custom-plugins/greeter", mended)
        .await
        .expect_status(200);
    // A node serves a revision before it says so: what the control plane tells comes a moment later.
    eventually("the node runs the mended plugin", || async {
        let told = on_the_node(&gateway).await;
        (&told["current"], &told["errors"]) == (&json!(true), &json!([]))
    })
    .await;
    gateway.get("/v1").await.expect_status(200);
}

/// The document of a node that has no control plane.
fn file(upstream: &Upstream, greeting: &str, handler: &str) -> String {
    json!({
        "_format_version": "3.0",
        "custom_plugins": [{ "name": "greeter", "schema": SCHEMA, "handler": handler }],
        "services": [{
            "name": "orders", "url": upstream.url(), "routes": [{ "paths": ["/v1"] }],
            "plugins": [{ "name": "greeter", "config": { "greeting": greeting } }],
        }],
    })
    .to_string()
}

#[tokio::test]
async fn a_node_without_a_control_plane_has_them_from_its_file() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("kong.json");
    let write = |text: String| std::fs::write(&path, text).expect("the folder can be written");
    write(file(&upstream, "first", &handler("")));
    let data = folder.path().join("state").display().to_string();
    let declarative = path.display().to_string();
    let flags = [
        ["--data-dir", &data],
        ["--declarative-config", &declarative],
        ["--proxy-listen", "127.0.0.1:0"],
        ["--status-listen", "127.0.0.1:0"],
        ["--proxy-access-log", "off"],
    ];
    let node = Launch::new("headgate-dp", folder.path())
        .args(flags.concat())
        .start()
        .await;
    let proxy = node.address("proxy");
    let greeting = async || {
        let reply = tests::wire::exchange(proxy, &tests::Request::get("/v1")).await;
        reply.expect_status(200).text()
    };
    assert_eq!(greeting().await, "first");
    write(file(&upstream, "second", &handler("error('not today')")));
    eventually("the file is refused with its line", || async {
        node.stderr().contains("handler.lua:1: not today")
    })
    .await;
    assert_eq!(greeting().await, "first");
    write(file(&upstream, "third", &handler("")));
    eventually("the mended file serves", || async {
        greeting().await == "third"
    })
    .await;
}
