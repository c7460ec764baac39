//! TLS to upstreams: what is verified, by whom, and who the node says it is (proxy-and-routing.md 8.3, 8.4, its checks 22
//! and 24).

use serde_json::{Value, json};
use tests::authority::{Authority, Signed, alone};
use tests::tls::Front;
use tests::{Gateway, Setup, Upstream};

/// A gateway whose service `orders` goes to a TLS front of an upstream.
async fn before(front: &Front, setup: Setup) -> Gateway {
    let gateway = Gateway::with(setup).await;
    let admin = gateway.admin();
    let url = format!("https://{}", front.address);
    admin
        .create("/services", json!({ "name": "orders", "url": url }))
        .await;
    admin.route("orders", "/").await;
    gateway
}

/// The status of a request once the service says this.
async fn status(gateway: &Gateway, said: Value) -> u16 {
    gateway
        .admin()
        .patch("/services/orders", said)
        .await
        .expect_status(200);
    gateway.get("/").await.status
}

async fn ca(gateway: &Gateway, authority: &Authority) -> Value {
    let body = json!({ "cert": authority.certificate });
    gateway.admin().create("/ca_certificates", body).await["id"].clone()
}

async fn client(gateway: &Gateway, signed: &Signed) -> Value {
    let made = gateway
        .admin()
        .create("/certificates", signed.document(&[]))
        .await;
    json!({ "id": made["id"] })
}

fn ecdsa() -> Signed {
    alone(&rcgen::PKCS_ECDSA_P256_SHA256)
}

#[tokio::test]
async fn an_upstream_is_verified_by_the_authorities_of_its_service() {
    let upstream = Upstream::start().await;
    let (root, other) = (Authority::root(), Authority::root());
    let front = Front::of(upstream.address(), &root.sign(&["127.0.0.1"])).await;
    let gateway = before(&front, Setup::default()).await;
    assert_eq!(
        gateway.get("/").await.status,
        200,
        "nothing is verified unless it is asked for"
    );
    let (root, other) = (ca(&gateway, &root).await, ca(&gateway, &other).await);
    let refused = gateway
        .admin()
        .patch("/services/orders", json!({ "tls_verify": true }))
        .await;
    refused.expect_status(200);
    let refused = gateway.get("/").await.expect_status(502);
    let text = "An invalid response was received from the upstream server";
    assert!(refused.text().contains(text), "{}", refused.text());
    let trusts = |ids: &[&Value]| json!({ "ca_certificates": ids });
    assert_eq!(status(&gateway, trusts(&[&root])).await, 200);
    assert_eq!(status(&gateway, trusts(&[&other])).await, 502);
    assert_eq!(status(&gateway, trusts(&[&other, &root])).await, 200);
    let nobody = json!("ffffffff-ffff-4fff-8fff-ffffffffffff");
    assert_eq!(
        status(&gateway, trusts(&[&nobody])).await,
        502,
        "an unknown id trusts nobody"
    );
    assert_eq!(status(&gateway, json!({ "tls_verify": false })).await, 200);
}

#[tokio::test]
async fn the_name_that_is_verified_is_the_host_that_is_sent() {
    let upstream = Upstream::start().await;
    let root = Authority::root();
    let front = Front::of(upstream.address(), &root.sign(&["orders.test"])).await;
    let gateway = before(&front, Setup::default()).await;
    let authority = ca(&gateway, &root).await;
    let said = json!({ "tls_verify": true, "ca_certificates": [authority] });
    assert_eq!(
        status(&gateway, said).await,
        502,
        "it is not the certificate of 127.0.0.1"
    );
    let preserved = gateway
        .admin()
        .patch("/routes/orders", json!({ "preserve_host": true }))
        .await;
    preserved.expect_status(200);
    let request = |host: &str| tests::Request::get("/").header("Host", host);
    assert_eq!(gateway.send(request("orders.test:8443")).await.status, 200);
    assert_eq!(gateway.send(request("other.test")).await.status, 502);
}

#[tokio::test]
async fn a_chain_may_be_as_long_as_the_service_says() {
    let upstream = Upstream::start().await;
    let root = Authority::root();
    let signed = root.below().below().sign(&["127.0.0.1"]);
    let front = Front::of(upstream.address(), &signed).await;
    let gateway = before(&front, Setup::default()).await;
    let authority = ca(&gateway, &root).await;
    let said = json!({ "tls_verify": true, "ca_certificates": [authority] });
    assert_eq!(status(&gateway, said).await, 200);
    for (depth, expected) in [(0, 502), (1, 502), (2, 200), (64, 200)] {
        let said = json!({ "tls_verify_depth": depth });
        assert_eq!(status(&gateway, said).await, expected, "depth {depth}");
    }
}

#[tokio::test]
async fn an_upstream_is_shown_the_client_certificate_of_its_service() {
    let upstream = Upstream::start().await;
    let front = Front::of(upstream.address(), &Authority::root().sign(&["127.0.0.1"])).await;
    let gateway = before(&front, Setup::default()).await;
    gateway.get("/").await.expect_status(200);
    assert_eq!(front.client(), None);
    let (first, second) = (ecdsa(), ecdsa());
    let id = client(&gateway, &first).await;
    assert_eq!(
        status(&gateway, json!({ "client_certificate": id })).await,
        200
    );
    assert_eq!(front.client(), Some(first.leaf()));
    let path = format!("/certificates/{}", id["id"].as_str().expect("an id"));
    let body = json!({ "cert": second.chain, "key": second.key });
    gateway.admin().patch(&path, body).await.expect_status(200);
    gateway.get("/").await.expect_status(200);
    assert_eq!(
        front.client(),
        Some(second.leaf()),
        "no connection of the old one is used again"
    );
}

#[tokio::test]
async fn connections_are_kept_over_a_change_that_is_not_about_them() {
    let upstream = Upstream::start().await;
    let root = Authority::root();
    let front = Front::of(upstream.address(), &root.sign(&["127.0.0.1"])).await;
    let gateway = before(&front, Setup::node_flags(["--workers", "1"])).await;
    let authority = ca(&gateway, &root).await;
    let said = json!({
        "tls_verify": true, "ca_certificates": [authority], "client_certificate": client(&gateway, &ecdsa()).await,
    });
    assert_eq!(status(&gateway, said).await, 200);
    assert_eq!(front.connections(), 1);
    client(&gateway, &ecdsa()).await;
    assert_eq!(status(&gateway, json!({ "retries": 3 })).await, 200);
    assert_eq!(front.connections(), 1);
    assert_eq!(
        status(&gateway, json!({ "tls_verify_depth": 1 })).await,
        200
    );
    assert_eq!(
        front.connections(),
        2,
        "what was verified otherwise is not used again"
    );
}

#[tokio::test]
async fn the_nodes_own_trust_store_stands_in_where_a_service_names_none() {
    let upstream = Upstream::start().await;
    let root = Authority::root();
    let front = Front::of(upstream.address(), &root.sign(&["127.0.0.1"])).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("root.pem");
    std::fs::write(&file, &root.certificate).expect("the folder can be written");
    let file = file.to_str().expect("UTF-8");
    let gateway = before(
        &front,
        Setup::node_flags(["--lua-ssl-trusted-certificate", file]),
    )
    .await;
    assert_eq!(status(&gateway, json!({ "tls_verify": true })).await, 200);
    let other = ca(&gateway, &Authority::root()).await;
    assert_eq!(
        status(&gateway, json!({ "ca_certificates": [other] })).await,
        502,
        "they replace it"
    );
}
