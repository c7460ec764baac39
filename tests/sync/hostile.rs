//! R20, the short form: strangers on every port. They are turned away, and nobody else notices.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tests::traffic::Load;
use tests::wire::Conn;
use tests::{Gateway, Upstream};
use tokio::task::JoinSet;

/// What a stranger may say, well formed to some protocol or to none.
fn greetings() -> Vec<Vec<u8>> {
    let noise = |seed: usize| {
        (0..4096)
            .map(|index: usize| (((index * seed) >> 3) ^ index) as u8)
            .collect::<Vec<u8>>()
    };
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    vec![
        Vec::new(),
        b"\n\n\n\n".to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x40\x00\x04\x00\x00\x00\x00\x00".to_vec(),
        hello.to_vec(),
        [&hello[..], &noise(7)].concat(),
        b"\x15\x03\x03\x00\x02\x02\x28".to_vec(),
        noise(31),
        noise(1013),
        [
            b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec(),
            vec![b'x'; 2 << 20],
        ]
        .concat(),
        [
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            b"fffffffffffffffff\r\n".to_vec(),
        ]
        .concat(),
    ]
}

/// Says it and goes, at once or after having waited for an answer.
async fn greet(address: SocketAddr, bytes: Vec<u8>, patient: bool) {
    if let Ok(mut conn) = Conn::plain(address).await {
        let _ = conn.send(&bytes).await;
        if patient {
            let _ = tokio::time::timeout(Duration::from_millis(200), conn.reply("GET")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_on_every_port_disturb_nobody() {
    let mut gateway = Gateway::start().await;
    let upstream = Upstream::start().await;
    gateway.admin().service("orders", &upstream).await;
    gateway.admin().route("orders", "/v1").await;
    gateway.settled().await;
    let load = Load::start(gateway.node().proxy, "/v1", 2);
    let mut ports: Vec<SocketAddr> = gateway
        .control_plane
        .process
        .listening()
        .into_values()
        .collect();
    ports.extend(gateway.node().process.listening().into_values());
    assert_eq!(ports.len(), 6, "{ports:?}");
    let mut strangers = JoinSet::new();
    for port in ports {
        for (number, bytes) in greetings().into_iter().enumerate() {
            for patient in [false, true] {
                // A connection that says a part and stays is the slow stranger.
                strangers.spawn(greet(port, bytes.clone(), patient ^ (number % 2 == 0)));
            }
        }
    }
    while strangers.join_next().await.is_some() {}
    gateway
        .admin()
        .patch("/routes/orders", json!({ "paths": ["/v1", "/v2"] }))
        .await
        .expect_status(200);
    gateway.get("/v2").await.expect_status(200);
    assert_eq!(
        gateway.node().status().await["configuration"]["connected"],
        true
    );
    load.stop().await.assert_flawless();
    assert!(gateway.control_plane.process.is_running() && gateway.nodes[0].process.is_running());
    let said = gateway.control_plane.process.stderr() + &gateway.nodes[0].process.stderr();
    assert!(!said.contains("panicked"), "{said}");
}
