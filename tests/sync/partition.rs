//! R6, through a relay: the link is cut or stands still; traffic does not notice, and the node catches up (I8, I9).

use serde_json::json;
use tests::relay::Relay;
use tests::traffic::Load;
use tests::{Gateway, Setup, Upstream, eventually};

#[tokio::test]
async fn a_link_that_is_cut_or_stands_still_costs_no_request_and_heals() {
    let mut gateway = Gateway::with(Setup::nodes(0)).await;
    let upstream = Upstream::start().await;
    let relay = Relay::to(gateway.control_plane.sync).await;
    gateway.join_through(relay.address, &[]).await;
    gateway.admin().service("orders", &upstream).await;
    gateway.admin().route("orders", "/v0").await;
    gateway.settled().await;
    let load = Load::start(gateway.node().proxy, "/v0", 2);
    for (number, fault) in ["cut", "still", "cut"].into_iter().enumerate() {
        match fault {
            "cut" => relay.cut(),
            _ => relay.stand_still(true),
        }
        let path = format!("/v{}", number + 1);
        gateway
            .admin()
            .patch("/routes/orders", json!({ "paths": ["/v0", path] }))
            .await
            .expect_status(200);
        load.further(300).await;
        relay.stand_still(false);
        gateway.settled().await;
        gateway.node().get(&path).await.expect_status(200);
    }
    load.stop().await.assert_flawless();
}

#[tokio::test]
async fn a_change_made_while_a_node_was_away_reaches_it_as_a_delta() {
    let mut gateway = Gateway::with(Setup::nodes(0)).await;
    let relay = Relay::to(gateway.control_plane.sync).await;
    gateway.join_through(relay.address, &[]).await;
    for number in 0..200 {
        gateway
            .admin()
            .create(
                "/routes",
                json!({ "name": format!("r{number}"), "paths": [format!("/r{number}")] }),
            )
            .await;
    }
    gateway.settled().await;
    relay.refuse(true);
    relay.cut();
    let node = gateway.node();
    eventually("the node notices", || async {
        node.status().await["configuration"]["connected"] == false
    })
    .await;
    assert_eq!(node.status().await["configuration"]["stale"], true);
    let before = relay.down();
    gateway
        .admin()
        .patch("/routes/r7", json!({ "paths": ["/seven"] }))
        .await
        .expect_status(200);
    relay.refuse(false);
    gateway.settled().await;
    node.get("/seven").await.expect_status(503);
    node.updated_by("delta").await;
    assert_eq!(node.status().await["configuration"]["stale"], false);
    // A handshake and one route, not two hundred.
    let bytes = relay.down() - before;
    assert!(bytes < 20_000, "{bytes} bytes for one change");
}
