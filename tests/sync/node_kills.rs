//! R3: `kill -9` of a node while updates arrive; what it had on disk is what it serves, whoever else is gone (I10, I11).

use std::time::Duration;

use serde_json::json;
use tests::{Gateway, Request, eventually};

const ROUNDS: u64 = 8;

async fn durable(gateway: &Gateway) -> u64 {
    let nodes = gateway
        .admin()
        .get("/headgate/data-planes")
        .await
        .expect_status(200)
        .json();
    nodes["data"][0]["durable_revision"]
        .as_u64()
        .expect("revisions are integers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_comes_back_with_no_less_than_it_had_on_disk() {
    let mut gateway = Gateway::start().await;
    gateway
        .admin()
        .create("/routes", json!({ "name": "r", "paths": ["/n0"] }))
        .await;
    gateway.settled().await;
    let first = gateway.admin().revision();
    for round in 0..ROUNDS {
        let admin = gateway.admin().clone();
        let writer = tokio::spawn(async move {
            for number in 1.. {
                let patch = json!({ "paths": ["/n0", format!("/r{round}/n{number}")] });
                if admin.patch("/routes/r", patch).await.status != 200 {
                    return;
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(40 + (round * 61) % 260)).await;
        let promised = durable(&gateway).await;
        gateway.nodes[0].kill();
        gateway.control_plane.kill();
        writer
            .await
            .expect("the writer ends with the control plane");
        gateway.nodes[0].restart().await;
        let node = gateway.node();
        if promised >= first {
            eventually("it serves from its own copy", || async {
                node.get("/n0").await.status == 503
            })
            .await;
        }
        assert!(
            node.revision().await >= promised,
            "round {round}: {promised} was promised"
        );
        gateway.control_plane.restart().await;
        gateway.node().connected().await;
    }
    let path = "/last";
    gateway
        .admin()
        .patch("/routes/r", json!({ "paths": [path] }))
        .await
        .expect_status(200);
    assert_eq!(
        gateway.send(Request::get(path)).await.status,
        503,
        "it keeps up again"
    );
}
