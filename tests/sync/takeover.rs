//! The control plane dies and comes back (R9, R10; I8, I9).

use serde_json::json;
use tests::traffic::Load;
use tests::{Gateway, Setup, Upstream, eventually};

/// Waits until every node has a copy of the newest revision on disk.
async fn durable(gateway: &Gateway) {
    let admin = gateway.admin();
    let wanted = admin.revision();
    eventually("every node has the newest revision on disk", || async {
        let nodes = admin
            .get("/headgate/data-planes")
            .await
            .expect_status(200)
            .json();
        let nodes = nodes["data"].as_array().cloned().unwrap_or_default();
        nodes.len() == gateway.nodes.len()
            && nodes
                .iter()
                .all(|node| node["durable_revision"].as_u64() >= Some(wanted))
    })
    .await;
}

async fn connected(gateway: &Gateway) {
    let admin = gateway.admin();
    eventually("every node is connected", || async {
        let nodes = admin
            .get("/headgate/data-planes")
            .await
            .expect_status(200)
            .json();
        let nodes = nodes["data"].as_array().cloned().unwrap_or_default();
        nodes.len() == gateway.nodes.len() && nodes.iter().all(|node| node["connected"] == true)
    })
    .await;
}

#[tokio::test]
async fn nodes_serve_on_without_the_control_plane_and_catch_up_by_a_delta() {
    let mut gateway = Gateway::with(Setup::nodes(2)).await;
    let upstream = Upstream::start().await;
    gateway.admin().service("orders", &upstream).await;
    gateway.admin().route("orders", "/v1").await;
    gateway.settled().await;
    for node in &gateway.nodes {
        node.get("/v1").await.expect_status(200);
    }
    durable(&gateway).await;

    let loads: Vec<_> = gateway
        .nodes
        .iter()
        .map(|node| Load::start(node.proxy, "/v1", 4))
        .collect();
    for load in &loads {
        load.further(100).await;
    }
    gateway.control_plane.kill();
    for load in &loads {
        load.further(5_000).await;
    }
    for load in loads {
        load.stop().await.assert_flawless();
    }

    // A node that starts while the control plane is away serves what it served.
    gateway.nodes[1].restart().await;
    let restarted = &gateway.nodes[1];
    eventually("a restarted node serves from its own copy", || async {
        restarted.get("/v1").await.status == 200
    })
    .await;
    restarted.updated_by("cache").await;

    gateway.control_plane.restart().await;
    connected(&gateway).await;
    gateway
        .admin()
        .patch("/routes/orders", json!({ "paths": ["/v1", "/v2"] }))
        .await
        .expect_status(200);
    gateway.settled().await;
    for node in &gateway.nodes {
        node.get("/v2").await.expect_status(200);
        // A change costs what it changes.
        node.updated_by("delta").await;
    }
}

#[tokio::test]
async fn a_node_that_joins_late_gets_everything() {
    let mut gateway = Gateway::start().await;
    let upstream = Upstream::start().await;
    for number in 0..50 {
        let name = format!("s{number}");
        gateway.admin().service(&name, &upstream).await;
        gateway.admin().route(&name, &format!("/{name}")).await;
    }
    // What the other has not yet either would come behind, as a delta.
    gateway.settled().await;
    gateway.join(&[]).await;
    gateway.settled().await;
    let late = &gateway.nodes[1];
    for path in ["/s0", "/s49"] {
        late.get(path).await.expect_status(200);
    }
    let (first, second) = (gateway.nodes[0].status().await, late.status().await);
    assert_eq!(
        first["configuration"]["digest"],
        second["configuration"]["digest"]
    );
    late.updated_by("snapshot").await;
}

#[tokio::test]
async fn a_node_restarted_again_and_again_serves_each_time() {
    let mut gateway = Gateway::start().await;
    let upstream = Upstream::start().await;
    gateway.admin().service("orders", &upstream).await;
    gateway.admin().route("orders", "/v1").await;
    gateway.settled().await;
    durable(&gateway).await;
    gateway.control_plane.kill();
    for round in 0..5 {
        gateway.nodes[0].restart().await;
        let node = gateway.node();
        let what = format!("restart {round} serves");
        eventually(&what, || async { node.get("/v1").await.status == 200 }).await;
    }
}
