//! `headgate-cp config …`: whole configurations as files (admin-api.md 12; design README 4).

use std::path::PathBuf;

use serde_json::json;
use tests::process::{Finished, Launch};
use tests::{Gateway, Setup, Upstream};

/// A control plane and a folder of files for it.
struct Desk {
    gateway: Gateway,
    admin: String,
}

impl Desk {
    async fn new(nodes: usize) -> Desk {
        let gateway = Gateway::with(Setup::nodes(nodes)).await;
        let admin = format!("http://{}", gateway.control_plane.admin);
        Desk { gateway, admin }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.gateway.folder().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    /// `headgate-cp config ARGS` with that Admin API.
    async fn config(&self, args: &[&str]) -> Finished {
        let launch = Launch::new("headgate-cp", self.gateway.folder()).args(["config"]);
        let launch = launch.args(args.iter().copied());
        launch
            .variable("HEADGATE_ADMIN_URL", &self.admin)
            .run()
            .await
    }

    /// What must succeed; its standard output.
    async fn good(&self, args: &[&str]) -> String {
        let finished = self.config(args).await;
        assert_eq!(finished.code, Some(0), "{args:?}: {finished:?}");
        finished.stdout
    }

    /// The newest revision.
    async fn revision(&self) -> u64 {
        let answer = self.gateway.admin().get("/headgate/data-planes").await;
        answer.json()["head_revision"].as_u64().expect("a number")
    }
}

fn orders(url: &str) -> String {
    format!(
        "_format_version: \"3.0\"
services:
- name: orders
  url: {url}
  routes:
  - name: orders
    paths: [/orders]
    strip_path: false
consumers:
- username: ann
  keyauth_credentials:
  - key: secret-of-ann
"
    )
}

#[tokio::test]
async fn a_file_is_applied_at_once_and_traffic_follows() {
    let desk = Desk::new(1).await;
    let upstream = Upstream::start().await;
    desk.file("kong.yaml", &orders(&upstream.url()));
    let before = desk.revision().await;
    let said = desk.good(&["apply", "kong.yaml"]).await;
    assert_eq!(said, "created 4, changed 0, deleted 0, unchanged 0\n");
    assert_eq!(
        desk.revision().await,
        before + 1,
        "one revision for the whole file"
    );
    desk.gateway.admin().note(before + 1);
    desk.gateway.get("/orders").await.expect_status(200);

    // Again, in every way, and nothing happens.
    for args in [
        &["apply", "kong.yaml"][..],
        &["import", "kong.yaml"],
        &["apply", "--prune", "kong.yaml"],
    ] {
        let said = desk.good(args).await;
        assert_eq!(
            said, "created 0, changed 0, deleted 0, unchanged 4\n",
            "{args:?}"
        );
        assert_eq!(desk.revision().await, before + 1, "{args:?}");
    }
}

#[tokio::test]
async fn only_prune_deletes() {
    let desk = Desk::new(0).await;
    desk.gateway
        .admin()
        .create("/consumers", json!({ "username": "bob" }))
        .await;
    desk.file("kong.yaml", &orders("http://orders.test"));
    for verb in ["import", "apply"] {
        desk.good(&[verb, "kong.yaml"]).await;
        desk.gateway
            .admin()
            .get("/consumers/bob")
            .await
            .expect_status(200);
    }
    let said = desk.good(&["apply", "--prune", "kong.yaml"]).await;
    assert_eq!(said, "created 0, changed 0, deleted 1, unchanged 4\n");
    desk.gateway
        .admin()
        .get("/consumers/bob")
        .await
        .expect_status(404);
    let head = desk.revision().await;
    desk.good(&["apply", "--prune", "kong.yaml"]).await;
    assert_eq!(desk.revision().await, head);
}

#[tokio::test]
async fn a_file_may_come_from_standard_input_and_refer_to_what_exists() {
    let desk = Desk::new(0).await;
    desk.gateway
        .admin()
        .create("/services", json!({ "name": "there", "host": "h" }))
        .await;
    let text =
        json!({ "_format_version": "3.0", "routes": [{ "paths": ["/x"], "service": "there" }] });
    let finished = Launch::new("headgate-cp", desk.gateway.folder())
        .args(["config", "import", "-", "--admin", &desk.admin])
        .input(&text.to_string())
        .run()
        .await;
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), "created 1, changed 0, deleted 0, unchanged 0\n"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn what_is_exported_can_be_put_back() {
    let desk = Desk::new(0).await;
    desk.file("kong.yaml", &orders("http://orders.test"));
    desk.good(&["apply", "kong.yaml"]).await;
    for (name, format) in [("all.yaml", "yaml"), ("all.json", "json")] {
        desk.good(&["export", name, "--format", format]).await;
        let path = desk.gateway.folder().join(name);
        let mode = std::os::unix::fs::MetadataExt::mode(
            &std::fs::metadata(&path).expect("it was written"),
        );
        assert_eq!(mode & 0o777, 0o600, "an export holds every key");
        desk.good(&["diff", "--prune", name]).await;
    }
    let printed = desk.good(&["export"]).await;
    let written = std::fs::read_to_string(desk.gateway.folder().join("all.yaml"));
    assert_eq!(printed, written.expect("it was written"));
    desk.file("nothing.yaml", "_format_version: '3.0'\n");
    let said = desk.good(&["apply", "--prune", "nothing.yaml"]).await;
    assert_eq!(said, "created 0, changed 0, deleted 4, unchanged 0\n");
    let said = desk.good(&["import", "all.json"]).await;
    assert_eq!(said, "created 4, changed 0, deleted 0, unchanged 0\n");
}

#[tokio::test]
async fn differences_are_shown_and_have_an_exit_code_of_their_own() {
    let desk = Desk::new(0).await;
    desk.file("kong.yaml", &orders("http://orders.test"));
    desk.good(&["apply", "kong.yaml"]).await;
    assert_eq!(desk.good(&["diff", "kong.yaml"]).await, "no differences\n");
    desk.gateway
        .admin()
        .create("/consumers", json!({ "username": "bob" }))
        .await;

    let changed = orders("http://orders.test:81")
        .replace("[/orders]", "[/orders, /v2]")
        .replace(
            "- username: ann",
            "- username: eve\n- username: ann\n  custom_id: a",
        )
        .replace(
            "key: secret-of-ann",
            "key: other-secret\n    id: 00000000-0000-4000-8000-00000000000a",
        );
    desk.file("changed.yaml", &changed);
    let finished = desk.config(&["diff", "changed.yaml"]).await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let shown = finished.stdout;
    for line in [
        "    port: 80 -> 81\n",
        "    paths: [\"/orders\"] -> [\"/orders\",\"/v2\"]\n",
        "+ consumers 'eve' (",
        "    custom_id: null -> \"a\"\n",
        "+ keyauth_credentials 00000000-0000-4000-8000-00000000000a\n",
        "2 to create, 3 to change, 0 to delete\n",
    ] {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
    assert!(
        !shown.contains("secret") && !shown.contains("bob"),
        "{shown}"
    );
    let pruned = desk.config(&["diff", "--prune", "changed.yaml"]).await;
    assert_eq!(pruned.code, Some(3));
    assert!(pruned.stdout.contains("- consumers 'bob' ("), "{pruned:?}");
    assert!(
        pruned
            .stdout
            .ends_with("2 to create, 3 to change, 2 to delete\n"),
        "{pruned:?}"
    );
    desk.good(&["apply", "--prune", "changed.yaml"]).await;
    desk.good(&["diff", "--prune", "changed.yaml"]).await;
}

#[tokio::test]
async fn mistakes_are_told_by_line_and_column_with_and_without_a_control_plane() {
    let desk = Desk::new(0).await;
    let path = desk.file(
        "bad.yaml",
        "_format_version: \"3.0\"\nservices:\n- name: a b\n  host: h\n- name: s\n  port: 70000\n",
    );
    let broken = desk.file("broken.yaml", "services:\n  - [\n");
    for args in [
        &["validate"][..],
        &["apply"],
        &["import"],
        &["apply", "--prune"],
        &["diff"],
    ] {
        let args: Vec<&str> = args
            .iter()
            .copied()
            .chain([path.to_str().expect("a path")])
            .collect();
        let finished = desk.config(&args).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        for line in [
            "bad.yaml:3:9: services[0].name: invalid value 'a b'",
            "bad.yaml:5:3: services[1].host: required field missing",
            "bad.yaml:6:9: services[1].port: value should be between 0 and 65535",
            "has 3 mistakes",
        ] {
            assert!(
                finished.stderr.contains(line),
                "{args:?}: {line} in {finished:?}"
            );
        }
        let args: Vec<&str> = args[..args.len() - 1]
            .iter()
            .copied()
            .chain([broken.to_str().expect("a path")])
            .collect();
        let finished = desk.config(&args).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("broken.yaml:"), "{finished:?}");
    }
    let good = desk.file("good.yaml", &orders("http://orders.test"));
    let finished = Launch::new("headgate-cp", desk.gateway.folder())
        .args(["config", "validate", good.to_str().expect("a path")])
        .run()
        .await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished
            .stdout
            .ends_with("is good: 1 consumers, 1 keyauth_credentials, 1 routes, 1 services\n"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_control_plane_that_is_not_there_has_an_exit_code_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("kong.yaml"), orders("http://h")).expect("it can be written");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let admin = format!("http://{}", taken.local_addr().expect("an address"));
    drop(taken);
    for args in [
        &["export"][..],
        &["diff", "kong.yaml"],
        &["apply", "kong.yaml"],
    ] {
        let launch = Launch::new("headgate-cp", folder.path()).args(["config"]);
        let finished = launch
            .args(args.iter().copied())
            .args(["--admin", &admin])
            .run()
            .await;
        assert_eq!(finished.code, Some(4), "{finished:?}");
        assert!(finished.stderr.contains(&admin[7..]), "{finished:?}");
    }
    for (args, code) in [
        (&["apply"][..], 2),
        (&["applly", "x"], 2),
        (&["validate", "none.yaml"], 1),
    ] {
        let launch = Launch::new("headgate-cp", folder.path()).args(["config"]);
        let finished = launch.args(args.iter().copied()).run().await;
        assert_eq!(finished.code, Some(code), "{finished:?}");
    }
    let help = Launch::new("headgate-cp", folder.path())
        .args(["config", "--help"])
        .run()
        .await;
    assert!(
        help.stdout
            .contains("headgate-cp config apply --prune kong.yaml"),
        "{help:?}"
    );
}

/// A file with a plugin in Lua and its configuration.
fn greeter(fields: &str, config: &str, handler: &str) -> String {
    format!(
        "_format_version: \"3.0\"
custom_plugins:
- name: greeter
  schema: |
    return {{ name = \"greeter\", fields = {{
      {{ config = {{ type = \"record\", fields = {{ {fields} }} }} }},
    }} }}
  handler: |
    {handler}
plugins:
- name: greeter
  config: {config}
"
    )
}

#[tokio::test]
async fn custom_plugins_are_checked_compared_and_applied_with_what_uses_them() {
    let desk = Desk::new(0).await;
    let handler = "return { PRIORITY = 10, VERSION = \"1.0.0\", access = function() end }";
    let text = "{ greeting = { type = \"string\" } }";
    desk.file("good.yaml", &greeter(text, "{ greeting: hello }", handler));
    let said = desk.good(&["validate", "good.yaml"]).await;
    assert_eq!(said, "good.yaml is good: 1 custom_plugins, 1 plugins\n");
    let cases = [
        (
            greeter(text, "{}", "local x = = 1"),
            "bad.yaml:9:5: custom_plugins[0].handler: handler.lua:1: unexpected symbol near '='",
        ),
        (
            greeter(text, "{ greeting: 1 }", handler),
            "bad.yaml:12:23: plugins[0].config.greeting: expected a string",
        ),
    ];
    for (bad, line) in cases {
        desk.file("bad.yaml", &bad);
        for verb in ["validate", "diff", "apply"] {
            let finished = desk.config(&[verb, "bad.yaml"]).await;
            assert_eq!(finished.code, Some(1), "{finished:?}");
            let told = &finished.stderr;
            assert!(told.contains(line), "{verb}: {line} in {finished:?}");
        }
    }
    desk.good(&["apply", "good.yaml"]).await;
    assert_eq!(desk.good(&["diff", "good.yaml"]).await, "no differences\n");
    // Both change: neither would fit the other as it was.
    let number = "{ count = { type = \"integer\", required = true } }";
    desk.file("next.yaml", &greeter(number, "{ count: 3 }", handler));
    let finished = desk.config(&["diff", "next.yaml"]).await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    for line in [
        "    schema:\n",
        "    config.count: null -> 3\n",
        "2 to change",
    ] {
        assert!(finished.stdout.contains(line), "{line} in {finished:?}");
    }
    desk.good(&["apply", "next.yaml"]).await;
    // What stays may be named.
    let alone = "_format_version: \"3.0\"\nconsumers:\n- username: ann\nplugins:\n- name: greeter\n  config: { count: 4 }\n";
    desk.file("alone.yaml", alone);
    desk.good(&["apply", "alone.yaml"]).await;
    let finished = desk.config(&["apply", "--prune", "alone.yaml"]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("plugin 'greeter' not enabled"),
        "{finished:?}"
    );
}
