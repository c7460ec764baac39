//! A node whose configuration is a file: `headgate-dp --declarative-config` (admin-api.md 12; design README 4).

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tests::process::{Launch, Process};
use tests::wire::{Reply, exchange};
use tests::{Request, Upstream, eventually};

fn launch(folder: &Path) -> Launch {
    Launch::new("headgate-dp", folder)
        .args([
            "--data-dir".to_owned(),
            folder.join("state").display().to_string(),
        ])
        .args(["--proxy-listen", "127.0.0.1:0, 127.0.0.1:0 ssl"])
        .args([
            "--status-listen",
            "127.0.0.1:0",
            "--proxy-access-log",
            "off",
            "--workers",
            "1",
        ])
        .args(["--declarative-config", "kong.yaml"])
}

struct Alone {
    process: Process,
    proxy: SocketAddr,
    status: SocketAddr,
    folder: TempDir,
}

impl Alone {
    async fn start(text: &str) -> Alone {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("kong.yaml"), text).expect("it can be written");
        let process = launch(folder.path()).start().await;
        Alone {
            proxy: process.address("proxy"),
            status: process.address("status"),
            process,
            folder,
        }
    }

    async fn get(&self, path: &str) -> Reply {
        exchange(self.proxy, &Request::get(path)).await
    }

    async fn configuration(&self) -> Value {
        let status = exchange(self.status, &Request::get("/status")).await;
        status.expect_status(200).json()["configuration"].clone()
    }

    fn write(&self, text: &str) {
        // Whole at once, as editors and deployments do.
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, text).expect("it can be written");
        std::fs::rename(draft, self.folder.path().join("kong.yaml")).expect("it can be put there");
    }
}

fn file(upstream: &Upstream, path: &str) -> String {
    format!(
        "_format_version: '2.1'\nservices:\n- name: echo\n  url: {}\n  routes:\n  - paths: [{path}]\n    strip_path: false\n",
        upstream.url()
    )
}

#[tokio::test]
async fn a_node_serves_a_file_without_a_control_plane_and_says_so() {
    let upstream = Upstream::start().await;
    let node = Alone::start(&file(&upstream, "/one")).await;
    node.get("/one").await.expect_status(200);
    node.get("/two").await.expect_status(404);
    let configuration = node.configuration().await;
    for (member, expected) in [
        ("source", Value::from("file")),
        ("booted_from", Value::from("file")),
        ("last_update", Value::from("file")),
        ("revision", Value::from(1)),
        ("stale", Value::from(false)),
        ("connected", Value::from(false)),
        ("error", Value::Null),
    ] {
        assert_eq!(
            configuration[member], expected,
            "{member} of {configuration}"
        );
    }
    exchange(node.status, &Request::get("/status/ready"))
        .await
        .expect_status(200);
}

#[tokio::test]
async fn a_file_that_changes_is_loaded_again_and_a_bad_one_changes_nothing() {
    let upstream = Upstream::start().await;
    let node = Alone::start(&file(&upstream, "/one")).await;
    node.write(&file(&upstream, "/two"));
    node.process.hang_up();
    eventually("the new file serves", || async {
        node.get("/two").await.status == 200
    })
    .await;
    node.get("/one").await.expect_status(404);

    node.write("_format_version: '3.0'\nservices:\n- port: x\n");
    eventually("the bad file is told of", || async {
        node.configuration().await["error"].is_string()
    })
    .await;
    let configuration = node.configuration().await;
    let error = configuration["error"].as_str().expect("a text").to_owned();
    assert!(
        error.contains("kong.yaml:3:9: services[0].port: expected an integer"),
        "{error}"
    );
    assert_eq!(configuration["revision"], 2);
    node.get("/two").await.expect_status(200);

    // Seen without being told.
    node.write(&file(&upstream, "/three"));
    eventually("the change is seen", || async {
        node.get("/three").await.status == 200
    })
    .await;
    // It serves a moment before its status says so.
    eventually("the error is gone", || async {
        node.configuration().await["error"].is_null()
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_wrong_stops_the_start_and_is_told_by_line_and_column() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let cases = [
        (
            "_format_version: '3.0'\nroutes:\n- paths: [x]\n",
            "kong.yaml:3:11: routes[0].paths[0]: should start with: /",
        ),
        ("services: [\n", "kong.yaml:"),
        (
            "_format_version: '9'\n",
            "kong.yaml:1:18: _format_version: expected one of: 1.1, 2.1, 3.0",
        ),
    ];
    for (text, said) in cases {
        std::fs::write(folder.path().join("kong.yaml"), text).expect("it can be written");
        let finished = launch(folder.path()).run().await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(said), "{said} in {finished:?}");
    }
    std::fs::remove_file(folder.path().join("kong.yaml")).expect("it was there");
    let finished = launch(folder.path()).run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    let finished = launch(folder.path())
        .args(["--control-plane", "127.0.0.1:1"])
        .run()
        .await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("a node has one source"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_plugin_and_a_consumer_of_a_file_work() {
    let upstream = Upstream::start().await;
    let text = format!(
        "{}    plugins:\n    - name: key-auth\nconsumers:\n- username: ann\n  keyauth_credentials:\n  - key: k\n",
        file(&upstream, "/one")
    );
    let node = Alone::start(&text).await;
    node.get("/one").await.expect_status(401);
    node.get("/one?apikey=k").await.expect_status(200);
}
