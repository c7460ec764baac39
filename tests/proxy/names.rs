//! Names of upstreams: the hosts file, a name server, names that do not exist.

use std::net::SocketAddr;

use serde_json::json;
use tests::{Setup, Upstream};
use tokio::net::UdpSocket;

use crate::proxied;

/// A name server that knows `orders.test` and says of every other name that it does not exist.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a loopback port is free");
    let address = socket.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query).await {
            let _ = socket.send_to(&answer(&query[..length]), client).await;
        }
    });
    address
}

/// One question in, one answer out (RFC 1035 4.1): header, question, and an address record where there is one.
fn answer(query: &[u8]) -> Vec<u8> {
    let name = b"\x06orders\x04test\x00";
    let end = 12
        + query[12..]
            .iter()
            .position(|byte| *byte == 0)
            .expect("a name ends")
        + 5;
    let question = &query[12..end];
    let known = question.to_ascii_lowercase().starts_with(name);
    let wants_address = question[question.len() - 4..] == [0, 1, 0, 1];
    let count = u8::from(known && wants_address);
    let code = if known { 0x80 } else { 0x83 };
    let mut answer = vec![query[0], query[1], 0x81, code, 0, 1, 0, count, 0, 0, 0, 0];
    answer.extend_from_slice(question);
    if count == 1 {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

#[tokio::test]
async fn a_name_server_finds_an_upstream_or_says_there_is_none() {
    let upstream = Upstream::start().await;
    let server = name_server().await.to_string();
    let setup = || Setup::node_flags(["--dns-resolver", server.as_str()]);
    let gateway = proxied(setup(), &upstream, json!({ "host": "orders.test" })).await;
    let reply = gateway.get("/").await.expect_status(200);
    assert_eq!(
        reply.echoed("host"),
        Some(format!("orders.test:{}", upstream.port()))
    );
    gateway
        .admin()
        .patch("/services/orders", json!({ "host": "gone.test" }))
        .await
        .expect_status(200);
    let reply = gateway.get("/").await.expect_status(503);
    assert_eq!(reply.json()["message"], "name resolution failed");
}

#[tokio::test]
async fn the_hosts_file_comes_first() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "# names\n127.0.0.1 one.test  two.test\n")
        .expect("the folder can be written");
    let upstream = Upstream::start().await;
    let hosts = hosts.display().to_string();
    let setup = Setup::node_flags([
        "--dns-hostsfile",
        hosts.as_str(),
        "--dns-resolver",
        "127.0.0.1:1",
    ]);
    let gateway = proxied(setup, &upstream, json!({ "host": "two.test" })).await;
    gateway.get("/").await.expect_status(200);
}
