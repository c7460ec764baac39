//! Vaults, keys and key sets: every text of admin-api.md 8.10 and 8.11.

use crate::client::Plane;
use crate::pem::pair_of;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::KeyPair;
use serde_json::json;

#[tokio::test]
async fn a_vault_has_a_prefix_of_its_own_and_a_type_that_nodes_can_read() {
    let plane = Plane::start().await;
    let made = plane
        .post("/vaults", json!({ "name": "env", "prefix": "my-env" }))
        .await
        .expect(201);
    assert_eq!(made["config"], json!({ "prefix": null }));
    let fields = |prefix: &str| json!({ "name": "env", "prefix": prefix });
    let pattern = |prefix: &str| json!({ "prefix": format!("invalid value: {prefix}") });
    for prefix in ["a b", "a", "1a", "a-", "A1"] {
        let found = plane.post("/vaults", fields(prefix)).await.expect(400);
        assert_eq!(found["fields"], pattern(prefix));
    }
    let reserved = plane.post("/vaults", fields("env")).await.expect(400);
    assert_eq!(
        reserved["fields"],
        json!({ "prefix": "must not be one of: env" })
    );
    let unknown = plane
        .post("/vaults", json!({ "name": "aws", "prefix": "?" }))
        .await
        .expect(400);
    assert_eq!(
        unknown["fields"],
        json!({ "name": "vault 'aws' is not installed" })
    );
    let config = json!({ "name": "env", "prefix": "x1", "config": { "prefix": "1-" } });
    let bad = plane.post("/vaults", config).await.expect(400);
    assert_eq!(
        bad["fields"],
        json!({ "config": { "prefix": "invalid value: 1-" } })
    );
    let found = plane.get("/vaults/my-env").await.expect(200);
    assert_eq!(found["id"], made["id"]);
}

#[tokio::test]
async fn vaults_have_schemas_and_can_be_tried() {
    let plane = Plane::start().await;
    let schema = plane.get("/schemas/vaults/env").await.expect(200);
    let prefix = &schema["fields"][0]["config"]["fields"][0]["prefix"];
    assert_eq!(prefix["type"], "string");
    assert_eq!(prefix["match"], "^[A-Za-z_][A-Za-z0-9_-]*$");
    let unknown = plane.get("/schemas/vaults/aws").await.expect(404);
    assert_eq!(unknown, json!({ "message": "No vault named 'aws'" }));
    let body = json!({ "name": "env", "prefix": "my-env" });
    let good = plane
        .post("/schemas/vaults/validate", body)
        .await
        .expect(200);
    assert_eq!(good, json!({ "message": "schema validation successful" }));
    let bad = plane
        .post("/schemas/vaults/validate", json!({ "name": "nope" }))
        .await
        .expect(400);
    assert_eq!(
        bad["message"],
        "schema violation (name: vault 'nope' is not installed)"
    );
    assert_eq!(plane.get("/schemas/vaults/validate").await.status, 405);
}

#[tokio::test]
async fn a_key_is_json_or_pem_and_can_be_used() {
    let plane = Plane::start().await;
    let (one, other) = (
        KeyPair::generate().expect("a key"),
        KeyPair::generate().expect("a key"),
    );
    let x = URL_SAFE_NO_PAD.encode([7; 32]);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k" }).to_string();
    let good = [
        json!({ "kid": "k", "jwk": jwk }),
        json!({ "kid": "p", "pem": { "public_key": one.public_key_pem(), "private_key": one.serialize_pem() } }),
        json!({ "kid": "q", "pem": { "public_key": one.public_key_pem() } }),
        json!({ "kid": "v", "jwk": "{vault://env/jwk}" }),
    ];
    for body in good {
        let made = plane.post("/keys", body.clone()).await;
        assert_eq!(made.status, 201, "{body} {made:?}");
    }
    let no_key = json!({ "kty": "oct", "kid": "k" }).to_string();
    let cases = [
        (
            json!({ "kid": "a", "jwk": "{" }),
            "could not json decode jwk string",
        ),
        (
            json!({ "kid": "a", "jwk": jwk }),
            "kid in jwk.kid must be equal to keys.kid",
        ),
        (
            json!({ "kid": "k", "jwk": no_key }),
            "could not load JWK, likely not a valid key",
        ),
        (
            json!({ "kid": "a", "pem": { "public_key": "x" } }),
            "could not load public key",
        ),
        (
            json!({ "kid": "a", "pem": { "private_key": "x" } }),
            "could not load private key",
        ),
        (
            json!({ "kid": "a", "pem": { "public_key": one.public_key_pem(), "private_key": other.serialize_pem() } }),
            "public key does not match private key",
        ),
        (
            json!({ "kid": "a" }),
            "at least one of these fields must be non-empty: 'jwk', 'pem'",
        ),
        (
            json!({ "kid": "k", "jwk": jwk, "pem": { "public_key": one.public_key_pem() } }),
            "only one or none of these fields must be set: 'pem', 'jwk'",
        ),
    ];
    for (body, text) in cases {
        let found = plane.post("/keys", body).await.expect(400);
        assert_eq!(found["fields"], json!({ "@entity": [text] }));
    }
    let neither = plane
        .post("/keys", json!({ "kid": "a", "pem": {} }))
        .await
        .expect(400);
    let text = "at least one of these fields must be non-empty: 'private_key', 'public_key'";
    assert!(
        neither["message"]
            .as_str()
            .is_some_and(|message| message.contains(text)),
        "{neither}"
    );
}

#[tokio::test]
async fn a_kid_is_unique_in_its_set_and_keys_go_with_the_set() {
    let plane = Plane::start().await;
    let pem = KeyPair::generate().expect("a key").public_key_pem();
    let set = plane.post("/key-sets", json!({ "name": "s" })).await.id();
    let key = json!({ "kid": "k", "name": "one", "pem": { "public_key": pem } });
    let made = plane.post("/key-sets/s/keys", key).await.expect(201);
    assert_eq!(
        (&made["set"], &made["jwk"]),
        (&json!({ "id": set }), &json!(null))
    );
    let again = json!({ "kid": "k", "set": { "name": "s" }, "pem": { "public_key": pem } });
    let again = plane.post("/keys", again).await.expect(409);
    assert_eq!(again["fields"], json!({ "kid": "k", "set": { "id": set } }));
    let alone = json!({ "kid": "k", "pem": { "public_key": pem } });
    assert_eq!(plane.post("/keys", alone.clone()).await.status, 201);
    let twice = plane.post("/keys", alone).await.expect(409);
    assert_eq!(twice["fields"], json!({ "kid": "k", "set": null }));
    assert_eq!(
        plane.get("/keys/one/set").await.expect(200)["id"],
        json!(set)
    );
    assert_eq!(plane.get("/key-sets/s/keys/one").await.status, 200);
    assert_eq!(plane.delete("/key-sets/s").await.status, 204);
    assert_eq!(plane.get("/keys/one").await.status, 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_does_not_tell_the_key() {
    let plane = Plane::start().await;
    let rsa = pair_of(&rcgen::PKCS_RSA_SHA256);
    let secret = rsa.key.lines().nth(1).expect("a line").to_owned();
    let body = json!({ "kid": "a", "pem": { "private_key": rsa.key }, "jwk": rsa.key });
    let refused = plane.post("/keys", body).await;
    assert_eq!(refused.status, 400);
    assert!(!String::from_utf8_lossy(&refused.body).contains(&secret));
}
