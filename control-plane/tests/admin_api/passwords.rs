//! basic-auth, hmac-auth and jwt credentials: checklist 34.

use crate::client::Plane;
use serde_json::{Value, json};

const ANN: &str = "00000000-0000-4000-8000-0000000000aa";
const BOB: &str = "00000000-0000-4000-8000-0000000000bb";
/// `printf 'pä:ss w00000000-0000-4000-8000-0000000000aa' | sha1sum`
const HASH: &str = "46581de229a8c9bf6d7129fee4a86fcaa65a88f5";
/// `printf 'new00000000-0000-4000-8000-0000000000bb' | sha1sum`
const OF_BOB: &str = "193c27a7f5dce71cdcbce2904a643650a17b954b";

async fn start() -> Plane {
    let plane = Plane::start().await;
    for (name, id) in [("ann", ANN), ("bob", BOB)] {
        let consumer = json!({ "username": name });
        plane
            .put(&format!("/consumers/{id}"), consumer)
            .await
            .expect(200);
    }
    plane
}

#[tokio::test]
async fn the_answer_shows_the_hash_of_a_password_and_never_the_password() {
    let plane = start().await;
    let sent = json!({ "username": "u", "password": "pä:ss w" });
    let made = plane
        .post("/consumers/ann/basic-auth", sent)
        .await
        .expect(201);
    assert_eq!(made["password"], HASH);
    let members: Vec<_> = made.as_object().expect("an object").keys().collect();
    assert_eq!(members.len(), 6, "{members:?}");
    for path in ["/basic-auths/u", "/consumers/ann/basic-auth/u"] {
        assert_eq!(plane.get(path).await.expect(200), made, "{path}");
    }
    // An update that does not speak of it keeps it, in either address.
    let renamed = plane
        .patch("/basic-auths/u", json!({ "username": "v" }))
        .await
        .expect(200);
    assert_eq!(renamed["password"], HASH);
    let path = "/consumers/ann/basic-auth/v";
    let tagged = plane
        .patch(path, json!({ "tags": ["t"] }))
        .await
        .expect(200);
    assert_eq!(tagged["password"], HASH);
    // PUT is a whole new document: what is given is hashed.
    let put = json!({ "username": "v", "password": "pä:ss w", "consumer": { "id": ANN } });
    assert_eq!(
        plane.put("/basic-auths/v", put).await.expect(200)["password"],
        HASH
    );
}

#[tokio::test]
async fn a_password_does_not_move_to_another_consumer() {
    let plane = start().await;
    let sent = json!({ "username": "u", "password": "pä:ss w" });
    plane
        .post("/consumers/ann/basic-auth", sent)
        .await
        .expect(201);
    let refused = plane
        .patch(
            "/basic-auths/u",
            json!({ "consumer": { "username": "bob" } }),
        )
        .await
        .expect(400);
    let text = "all or none of these fields must be set: 'password', 'consumer.id'";
    assert_eq!(
        refused,
        json!({
            "code": 2, "name": "schema violation", "message": format!("schema violation ({text})"),
            "fields": { "@entity": [text] },
        })
    );
    let moved = json!({ "consumer": { "username": "bob" }, "password": "new" });
    let moved = plane.patch("/basic-auths/u", moved).await.expect(200);
    assert_eq!(
        (&moved["password"], &moved["consumer"]),
        (&json!(OF_BOB), &json!({ "id": BOB }))
    );
}

#[tokio::test]
async fn user_names_and_keys_are_unique_and_stand_for_the_id() {
    let plane = start().await;
    for (path, nested, field) in [
        ("/basic-auths", "basic-auth", "username"),
        ("/hmac-auths", "hmac-auth", "username"),
        ("/jwts", "jwt", "key"),
    ] {
        let mut sent = json!({ field: "x" });
        if nested == "basic-auth" {
            sent["password"] = json!("p");
        }
        let made = plane
            .post(&format!("/consumers/ann/{nested}"), sent.clone())
            .await
            .expect(201);
        assert_eq!(made["consumer"], json!({ "id": ANN }));
        assert!(
            made.get("updated_at").is_none() && made.get("ttl").is_none(),
            "{made}"
        );
        let again = plane
            .post(&format!("/consumers/bob/{nested}"), sent)
            .await
            .expect(409);
        assert_eq!(again["fields"], json!({ field: "x" }));
        assert_eq!(plane.get(&format!("{path}/x")).await.expect(200), made);
        assert_eq!(
            plane
                .get(&format!("/consumers/bob/{nested}/x"))
                .await
                .status,
            404
        );
        let owner = plane.get(&format!("{path}/x/consumer")).await.expect(200);
        assert_eq!(owner["username"], "ann");
    }
    assert_eq!(plane.delete("/consumers/ann").await.status, 204);
    for path in ["/basic-auths", "/hmac-auths", "/jwts"] {
        assert_eq!(
            plane.get(path).await.expect(200)["data"],
            json!([]),
            "{path}"
        );
    }
}

#[tokio::test]
async fn secrets_that_are_left_out_are_made_up() {
    let plane = start().await;
    let alphanumeric = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let hmac = plane
        .form("POST", "/consumers/ann/hmac-auth", "username=u")
        .await
        .expect(201);
    assert!(alphanumeric(&hmac["secret"]), "{hmac}");
    let jwt = plane
        .post("/consumers/ann/jwt", json!({}))
        .await
        .expect(201);
    assert!(
        alphanumeric(&jwt["key"]) && alphanumeric(&jwt["secret"]),
        "{jwt}"
    );
    assert_eq!(
        (&jwt["algorithm"], &jwt["rsa_public_key"]),
        (&json!("HS256"), &Value::Null)
    );
}

#[tokio::test]
async fn an_algorithm_with_a_public_key_asks_for_one() {
    let plane = start().await;
    let sent = json!({ "algorithm": "RS256", "rsa_public_key": "none" });
    let refused = plane.post("/consumers/ann/jwt", sent).await.expect(400);
    assert_eq!(
        refused["fields"],
        json!({
            "@entity": ["failed conditional validation given value of field 'algorithm'"],
            "rsa_public_key": "invalid key",
        })
    );
}
