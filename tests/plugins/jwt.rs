//! jwt.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::{Gateway, Request, Upstream};

/// A route behind jwt, and `ann`, whose tokens are signed with `s`.
async fn start(config: Value) -> (Gateway, Upstream) {
    let (gateway, upstream) = (Gateway::start().await, Upstream::start().await);
    let admin = gateway.admin();
    admin.service("orders", &upstream).await;
    admin.route("orders", "/orders").await;
    admin.plugin("/routes/orders", "jwt", config).await;
    for name in ["ann", "guest"] {
        admin
            .create("/consumers", json!({ "username": name }))
            .await;
    }
    let credential = json!({ "key": "a", "secret": "s" });
    admin.create("/consumers/ann/jwt", credential).await;
    (gateway, upstream)
}

fn token(algorithm: &str, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let header = json!({ "typ": "JWT", "alg": algorithm }).to_string();
    let part = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let signed = format!(
        "{}.{}",
        part(header.as_bytes()),
        part(claims.to_string().as_bytes())
    );
    let signature = part(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs256(secret: &str, claims: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    token("HS256", claims, |signed| {
        hmac::sign(&key, signed).as_ref().to_vec()
    })
}

fn with(token: &str) -> Request {
    Request::get("/orders").header("Authorization", &format!("Bearer {token}"))
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after the epoch").as_secs()
}

#[tokio::test]
async fn a_token_in_header_query_or_cookie_names_the_consumer() {
    let (gateway, _upstream) = start(json!({ "cookie_names": ["session"] })).await;
    let token = hs256("s", &json!({ "iss": "a" }));
    for request in [
        with(&token),
        Request::get(&format!("/orders?jwt={token}")),
        Request::get("/orders").header("Cookie", &format!("a=b; session={token}")),
    ] {
        let reply = gateway.send(request).await.expect_status(200);
        assert_eq!(reply.echoed("x-consumer-username").as_deref(), Some("ann"));
        assert_eq!(
            reply.echoed("x-credential-identifier").as_deref(),
            Some("a")
        );
    }
}

#[tokio::test]
async fn a_wrong_token_is_told_what_is_wrong_and_stays_outside() {
    let (gateway, upstream) =
        start(json!({ "claims_to_verify": ["exp"], "realm": "orders" })).await;
    let late = seconds() + 1000;
    for (request, challenge, body) in [
        (
            Request::get("/orders"),
            "",
            json!({ "message": "Unauthorized" }),
        ),
        (
            with("nonsense"),
            " error=\"invalid_token\"",
            json!({ "message": "Bad token; invalid JSON" }),
        ),
        (
            with(&hs256("S", &json!({ "iss": "a", "exp": late }))),
            " error=\"invalid_token\"",
            json!({ "message": "Invalid signature" }),
        ),
        (
            with(&hs256("s", &json!({ "iss": "b", "exp": late }))),
            " error=\"invalid_token\"",
            json!({ "message": "No credentials found for given 'iss'" }),
        ),
        (
            with(&hs256("s", &json!({ "iss": "a", "exp": 1 }))),
            " error=\"invalid_token\"",
            json!({ "exp": "token expired" }),
        ),
    ] {
        let reply = gateway.send(request).await.expect_status(401);
        let expected = format!("Bearer realm=\"orders\"{challenge}");
        assert_eq!(reply.header("www-authenticate"), Some(expected.as_str()));
        assert_eq!(reply.json(), body);
    }
    assert_eq!(upstream.requests(), 0);
    let good = with(&hs256("s", &json!({ "iss": "a", "exp": late })));
    gateway.send(good).await.expect_status(200);
}

#[tokio::test]
async fn a_public_key_is_exchanged_while_tokens_come_in() {
    let (gateway, _upstream) = start(json!({ "key_claim_name": "kid" })).await;
    let pairs = [(); 2].map(|()| Ed25519KeyPair::generate().expect("randomness"));
    let keys = pairs.each_ref().map(|pair| {
        let der: PublicKeyX509Der = pair.public_key().as_der().expect("a public key");
        let digits = STANDARD.encode(der.as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{digits}\n-----END PUBLIC KEY-----\n")
    });
    let tokens = pairs.each_ref().map(|pair| {
        let claims = json!({ "kid": "pair" });
        token("EdDSA", &claims, |signed| {
            pair.sign(signed).as_ref().to_vec()
        })
    });
    let credential = json!({ "key": "pair", "algorithm": "EdDSA", "rsa_public_key": keys[0] });
    gateway
        .admin()
        .create("/consumers/ann/jwt", credential)
        .await;
    gateway.send(with(&tokens[0])).await.expect_status(200);
    gateway.send(with(&tokens[1])).await.expect_status(401);
    let changed = json!({ "rsa_public_key": keys[1] });
    gateway
        .admin()
        .patch("/jwts/pair", changed)
        .await
        .expect_status(200);
    gateway.send(with(&tokens[0])).await.expect_status(401);
    gateway.send(with(&tokens[1])).await.expect_status(200);
}

#[tokio::test]
async fn preflight_requests_and_strangers_may_pass() {
    let config = json!({ "run_on_preflight": false, "anonymous": "guest" });
    let (gateway, _upstream) = start(config).await;
    let preflight = gateway
        .send(Request::new("OPTIONS", "/orders"))
        .await
        .expect_status(200);
    assert_eq!(preflight.echoed("x-consumer-username"), None);
    let stranger = gateway.send(with("nonsense")).await.expect_status(200);
    assert_eq!(
        stranger.echoed("x-consumer-username").as_deref(),
        Some("guest")
    );
    assert_eq!(
        stranger.echoed("x-anonymous-consumer").as_deref(),
        Some("true")
    );
}

#[tokio::test]
async fn of_several_ways_in_one_is_enough_where_each_allows_strangers() {
    let (gateway, _upstream) = start(json!({ "anonymous": "guest" })).await;
    let admin = gateway.admin();
    let other = json!({ "anonymous": "guest" });
    admin.plugin("/routes/orders", "basic-auth", other).await;
    let token = hs256("s", &json!({ "iss": "a" }));
    let reply = gateway.send(with(&token)).await.expect_status(200);
    assert_eq!(reply.echoed("x-consumer-username").as_deref(), Some("ann"));
    assert_eq!(
        reply.echoed("x-credential-identifier").as_deref(),
        Some("a")
    );
    let reply = gateway.get("/orders").await.expect_status(200);
    assert_eq!(
        reply.echoed("x-consumer-username").as_deref(),
        Some("guest")
    );
}
