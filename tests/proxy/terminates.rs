//! Which certificate clients are shown: by the name they ask for, by what they can check, and from one moment to the
//! next (proxy-and-routing.md 8.6, its check 23).

use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, SignatureScheme};
use serde_json::json;
use tests::authority::{Authority, Signed, alone};
use tests::{Gateway, Upstream, tls};

use crate::plain;

const BOTH: [SignatureScheme; 2] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::RSA_PSS_SHA256,
];

fn ecdsa() -> Signed {
    alone(&rcgen::PKCS_ECDSA_P256_SHA256)
}

/// What the node shows for a name, once it serves everything written so far.
async fn shown(gateway: &Gateway, name: Option<&str>) -> CertificateDer<'static> {
    gateway.settled().await;
    let shown = tls::shown(gateway.node().proxy_tls, name, &BOTH).await;
    shown.expect("a handshake")
}

#[tokio::test]
async fn the_name_that_a_client_asks_for_decides_on_the_certificate() {
    let gateway = Gateway::start().await;
    let default = shown(&gateway, None).await;
    let names = ["a.shop.test", "*.shop.test", "a.shop.*"];
    let mut made = Vec::new();
    for name in names {
        let signed = ecdsa();
        gateway
            .admin()
            .create("/certificates", signed.document(&[name]))
            .await;
        made.push(signed.leaf());
    }
    let cases = [
        (Some("a.shop.test"), &made[0]),
        (Some("A.Shop.Test"), &made[0]),
        (Some("b.shop.test"), &made[1]),
        (Some("a.shop.org"), &made[2]),
        (Some("x.y.shop.test"), &default),
        (Some("shop.test"), &default),
        (None, &default),
    ];
    for (name, expected) in cases {
        assert_eq!(&shown(&gateway, name).await, expected, "{name:?}");
    }
    let any = ecdsa();
    gateway
        .admin()
        .create("/certificates", any.document(&["*"]))
        .await;
    assert_eq!(shown(&gateway, Some("shop.test")).await, any.leaf());
    assert_eq!(shown(&gateway, None).await, default);
}

#[tokio::test]
async fn a_changed_certificate_is_shown_to_the_next_client_and_a_deleted_one_to_none() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let default = shown(&gateway, Some("a.test")).await;
    let (first, second) = (ecdsa(), ecdsa());
    let made = gateway
        .admin()
        .create("/certificates", first.document(&["a.test"]))
        .await;
    assert_eq!(shown(&gateway, Some("a.test")).await, first.leaf());
    let mut open = tests::wire::Conn::tls(gateway.node().proxy_tls, Some("a.test")).await;
    let open = open.as_mut().expect("a connection from before the change");
    let path = format!("/certificates/{}", made["id"].as_str().expect("an id"));
    let body = json!({ "cert": second.chain, "key": second.key });
    gateway.admin().patch(&path, body).await.expect_status(200);
    assert_eq!(shown(&gateway, Some("a.test")).await, second.leaf());
    open.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .await
        .expect("it is open still");
    open.reply("GET").await.expect_status(200);
    gateway
        .admin()
        .delete("/snis/a.test")
        .await
        .expect_status(204);
    assert_eq!(shown(&gateway, Some("a.test")).await, default);
}

#[tokio::test]
async fn of_two_kinds_a_client_is_shown_the_one_that_it_can_check() {
    let gateway = Gateway::start().await;
    let (rsa, ecdsa) = (alone(&rcgen::PKCS_RSA_SHA256), ecdsa());
    let mut document = rsa.document(&["a.test"]);
    document["cert_alt"] = json!(ecdsa.chain);
    document["key_alt"] = json!(ecdsa.key);
    gateway.admin().create("/certificates", document).await;
    gateway.settled().await;
    let cases = [
        (&BOTH[..], ecdsa.leaf()),
        (&BOTH[..1], ecdsa.leaf()),
        (&BOTH[1..], rsa.leaf()),
    ];
    for (schemes, expected) in cases {
        let shown = tls::shown(gateway.node().proxy_tls, Some("a.test"), schemes).await;
        assert_eq!(shown.expect("a handshake"), expected, "{schemes:?}");
    }
}

#[tokio::test]
async fn a_plugin_in_lua_can_end_a_handshake() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    shown(&gateway, Some("a.test")).await;
    let config = json!({ "certificate": ["if kong.client.get_ip() then error('not now') end"] });
    let plugin = json!({ "name": "pre-function", "config": config });
    let made = gateway.admin().create("/plugins", plugin).await;
    gateway.settled().await;
    let ended = tls::shown(gateway.node().proxy_tls, Some("a.test"), &BOTH).await;
    ended.expect_err("the plugin lets nobody in");
    // Without TLS nobody is asked.
    gateway.get("/").await.expect_status(200);
    let path = format!("/plugins/{}", made["id"].as_str().expect("an id"));
    gateway.admin().delete(&path).await.expect_status(204);
    shown(&gateway, Some("a.test")).await;
}

#[tokio::test]
async fn a_plugin_in_lua_asks_clients_for_their_certificates() {
    let upstream = Upstream::start().await;
    let gateway = plain(&upstream).await;
    let client = Authority::root().sign(&["client.test"]);
    let said = |answer: &str| {
        answer
            .split("\r\n\r\n")
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    };
    let access = "local chain = kong.client.tls.get_full_client_certificate_chain() or ''
                  local count = select(2, chain:gsub('BEGIN CERTIFICATE', ''))
                  kong.response.exit(200, ngx.var.ssl_client_verify .. ' ' .. count .. ' ' .. tostring(ngx.var.ssl_client_i_dn))";
    let failed = "FAILED:unable to verify the first certificate 1 CN=root";
    // What the plugin does in the handshake, what the node then knows, and how the client's second handshake goes.
    for (wish, expected, second) in [
        ("", "NONE 0 nil", HandshakeKind::Resumed),
        (
            "kong.client.tls.request_client_certificate()",
            failed,
            HandshakeKind::Resumed,
        ),
        (
            "kong.client.tls.disable_session_reuse()",
            "NONE 0 nil",
            HandshakeKind::Full,
        ),
        (
            "kong.client.tls.request_client_certificate() kong.client.tls.disable_session_reuse()",
            failed,
            HandshakeKind::Full,
        ),
    ] {
        let config = json!({ "certificate": [format!("{wish} return")], "access": [access] });
        let plugin = json!({ "name": "pre-function", "config": config });
        let made = gateway.admin().create("/plugins", plugin).await;
        gateway.settled().await;
        let both = tls::twice(gateway.node().proxy_tls, "a.test", &client).await;
        let [(_, first), (kind, again)] = both.expect("two answers");
        assert_eq!(said(&first), expected, "{wish} {first}");
        assert_eq!(said(&again), expected, "{wish} {again}");
        assert_eq!(kind, Some(second), "{wish}");
        // Who has nothing to show is let in all the same.
        let without = tls::connect(gateway.node().proxy_tls, Some("a.test"), &[]).await;
        without.expect("a handshake");
        let path = format!("/plugins/{}", made["id"].as_str().expect("an id"));
        gateway.admin().delete(&path).await.expect_status(204);
    }
}
