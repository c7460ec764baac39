//! A backup taken while clients write, restored elsewhere: the node follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tests::process::Launch;
use tests::{Gateway, Upstream, eventually};

async fn headgate_cp(gateway: &Gateway, words: &[&str]) -> tests::process::Finished {
    Launch::new("headgate-cp", gateway.folder())
        .args(words.to_vec())
        .run()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_clients_write_is_restored_elsewhere_and_the_node_follows() {
    let mut gateway = Gateway::start().await;
    let upstream = Upstream::start().await;
    let admin = gateway.admin();
    admin.service("kept", &upstream).await;
    admin.route("kept", "/kept").await;
    let path = |name: &str| gateway.folder().join(name).display().to_string();
    let (state, file, other) = (path("cp/state"), path("backup.db"), path("other/state"));

    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (admin, done) = (gateway.admin().clone(), done.clone());
        async move {
            let mut written = 0;
            while !done.load(Ordering::SeqCst) {
                admin
                    .create("/consumers", json!({ "username": format!("c{written}") }))
                    .await;
                written += 1;
            }
            written
        }
    });
    let words = ["backup", &file, "--data-dir", &state];
    let made = headgate_cp(&gateway, &words).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    done.store(true, Ordering::SeqCst);
    assert!(writer.await.expect("every write is taken") > 0);
    let revision: u64 = made
        .stdout
        .strip_prefix("backup of revision ")
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no revision: {made:?}"));
    let again = headgate_cp(&gateway, &words).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("never overwritten"), "{again:?}");

    // What comes after the backup is lost with it; the node has seen it.
    let lost = json!({ "name": "lost", "paths": ["/lost"], "strip_path": false });
    let admin = gateway.admin();
    admin.create("/services/kept/routes", lost).await;
    gateway.get("/lost").await.expect_status(200);
    let running = headgate_cp(&gateway, &["restore", &file, "--data-dir", &state]).await;
    assert_eq!(running.code, Some(1), "{running:?}");
    assert!(running.stderr.contains("is running"), "{running:?}");
    let before = gateway.node().status().await["configuration"]["epoch"].clone();

    gateway.control_plane.kill();
    let restored = headgate_cp(&gateway, &["restore", &file, "--data-dir", &other]).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let said = format!("restored revision {revision}, as epoch ");
    assert!(restored.stdout.starts_with(&said), "{restored:?}");
    gateway
        .control_plane
        .restart_from(&gateway.folder().join("other"))
        .await;

    let node = gateway.node();
    eventually("the node follows the restored configuration", || async {
        let status = node.status().await;
        let configuration = &status["configuration"];
        configuration["epoch"] != before && configuration["revision"] == revision
    })
    .await;
    node.get("/kept").await.expect_status(200);
    node.get("/lost").await.expect_status(404);
    let consumers = gateway.admin().list("consumers").await.len() as u64;
    // A service and a route came before the consumers, one revision each.
    assert_eq!(consumers, revision - 2);
    let fresh = json!({ "name": "new", "paths": ["/new"], "strip_path": false });
    gateway.admin().create("/services/kept/routes", fresh).await;
    eventually("the node follows what is written afterwards", || async {
        node.get("/new").await.status == 200
    })
    .await;
}
