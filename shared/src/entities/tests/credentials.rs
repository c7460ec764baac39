//! basic-auth, hmac-auth and jwt: what is made up, hashed and refused (admin-api.md 8.5).

use serde_json::{Value, json};

use super::{OTHER, context, create, created, document, entity, patched, refusal};
use crate::entities::{BasicAuth, HmacAuth, JwtSecret};

const THIRD: &str = "00000000-0000-4000-8000-0000000000bb";
/// `printf 'secret00000000-0000-4000-8000-0000000000aa' | sha1sum`
const HASH: &str = "5e75033acbc7d453138043f209a84f41642a0aeb";
const ES256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnpnYMF9Vhxwq/SJ4ycYeK93qjVCu\n\
    vdPXEyQ33nXJRAnNCtQ12nEf83SSy4egWhp0vIVoywB+91xdODYEedXPEw==\n\
    -----END PUBLIC KEY-----";

fn owned(mut input: Value) -> Value {
    input["consumer"] = json!({ "id": OTHER });
    input
}

fn basic() -> Value {
    owned(json!({"username": "ada", "password": "secret"}))
}

#[test]
fn a_password_is_stored_as_a_hash_salted_with_the_consumer() {
    assert_eq!(created("basicauth_credentials", basic())["password"], HASH);
    let stored = patched("basicauth_credentials", basic(), json!({"username": "bob"}));
    let stored = stored.expect("a good update");
    assert_eq!(
        (&stored["username"], &stored["password"]),
        (&json!("bob"), &json!(HASH))
    );
    // The hash of a password given again, and that of one that looks like a hash, are hashes of it.
    let again = patched(
        "basicauth_credentials",
        basic(),
        json!({"password": "secret"}),
    );
    assert_eq!(again.expect("a good update")["password"], HASH);
    let twice = patched("basicauth_credentials", basic(), json!({"password": HASH}));
    assert_ne!(twice.expect("a good update")["password"], HASH);
}

#[test]
fn a_document_that_holds_the_hash_already_keeps_it() {
    let mut context = context();
    context.transform = false;
    let input = document(owned(json!({"username": "ada", "password": HASH})));
    let kept = entity("basicauth_credentials").complete(input, &context);
    assert_eq!(kept.expect("a good document")["password"], HASH);
}

#[test]
fn another_consumer_needs_the_password_again() {
    let elsewhere = json!({"consumer": {"id": THIRD}});
    assert_eq!(
        refusal(patched("basicauth_credentials", basic(), elsewhere)),
        json!({"@entity": ["all or none of these fields must be set: 'password', 'consumer.id'"]})
    );
    let moved = json!({"consumer": {"id": THIRD}, "password": "secret"});
    let moved = patched("basicauth_credentials", basic(), moved).expect("a good update");
    assert_ne!(moved["password"], HASH);
    assert_eq!(moved["consumer"]["id"], THIRD);
    let same = json!({"consumer": {"id": OTHER.to_uppercase()}});
    let same = patched("basicauth_credentials", basic(), same).expect("nothing changes");
    assert_eq!(same["password"], HASH);
}

#[test]
fn secrets_are_made_up_and_can_be_left_empty() {
    let made_up = Value::from("a".repeat(32));
    let hmac = created("hmacauth_credentials", owned(json!({"username": "ada"})));
    assert_eq!(hmac["secret"], made_up);
    let jwt = created("jwt_secrets", owned(json!({})));
    assert_eq!((&jwt["key"], &jwt["secret"]), (&made_up, &made_up));
    assert_eq!(jwt["algorithm"], "HS256");
    let jwt = created("jwt_secrets", owned(json!({"key": "k", "secret": null})));
    assert_eq!((&jwt["key"], &jwt["secret"]), (&json!("k"), &Value::Null));
    for kind in [
        "hmacauth_credentials",
        "jwt_secrets",
        "basicauth_credentials",
    ] {
        assert!(
            !entity(kind).has_updated_at && !entity(kind).has_ttl,
            "{kind}"
        );
    }
}

#[test]
fn credentials_say_what_they_lack() {
    let required = |field: &str| json!({ field: "required field missing" });
    for (kind, input, expected) in [
        (
            "basicauth_credentials",
            json!({"password": "x"}),
            required("username"),
        ),
        (
            "basicauth_credentials",
            json!({"username": "x"}),
            required("password"),
        ),
        (
            "basicauth_credentials",
            json!({"username": "x", "password": null}),
            required("password"),
        ),
        (
            "basicauth_credentials",
            json!({"username": "", "password": 5}),
            json!({"username": "length must be at least 1", "password": "expected a string"}),
        ),
        ("hmacauth_credentials", json!({}), required("username")),
        (
            "hmacauth_credentials",
            json!({"username": "x", "ttl": 1}),
            json!({"ttl": "unknown field"}),
        ),
        (
            "jwt_secrets",
            json!({"algorithm": "none"}),
            json!({"algorithm":
            "expected one of: HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512, EdDSA"}),
        ),
    ] {
        assert_eq!(
            refusal(create(kind, owned(input.clone()))),
            expected,
            "{kind} {input}"
        );
    }
}

#[test]
fn algorithms_with_a_public_key_need_one_that_can_be_loaded() {
    let text = "failed conditional validation given value of field 'algorithm'";
    for algorithm in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA",
    ] {
        let none = json!({"algorithm": algorithm});
        assert_eq!(
            refusal(create("jwt_secrets", owned(none))),
            json!({"@entity": [text], "rsa_public_key": "required field missing"}),
            "{algorithm}"
        );
        let bad = json!({"algorithm": algorithm, "rsa_public_key": "not a key"});
        assert_eq!(
            refusal(create("jwt_secrets", owned(bad))),
            json!({"@entity": [text], "rsa_public_key": "invalid key"}),
            "{algorithm}"
        );
        created(
            "jwt_secrets",
            owned(json!({"algorithm": algorithm, "rsa_public_key": ES256})),
        );
    }
    for algorithm in ["HS256", "HS384", "HS512", "ES256", "ES384", "ES512"] {
        created("jwt_secrets", owned(json!({"algorithm": algorithm})));
        created(
            "jwt_secrets",
            owned(json!({"algorithm": algorithm, "rsa_public_key": "not a key"})),
        );
    }
    let changed = json!({"algorithm": "RS256"});
    assert_eq!(
        refusal(patched("jwt_secrets", owned(json!({})), changed))["rsa_public_key"],
        "required field missing"
    );
}

#[test]
fn what_is_stored_makes_the_struct_and_does_not_print_its_secret() {
    let read = |kind: &str, input| Value::Object(created(kind, owned(input)));
    let basic: BasicAuth = serde_json::from_value(read(
        "basicauth_credentials",
        json!({"username": "ada", "password": "secret"}),
    ))
    .expect("a stored document");
    assert!(basic.accepts(b"secret"));
    assert!(!basic.accepts(b"Secret") && !basic.accepts(b"") && !basic.accepts(HASH.as_bytes()));
    let hmac: HmacAuth = serde_json::from_value(read(
        "hmacauth_credentials",
        json!({"username": "ada", "secret": "hunter2"}),
    ))
    .expect("a stored document");
    let jwt: JwtSecret = serde_json::from_value(read(
        "jwt_secrets",
        json!({"key": "k", "secret": "hunter2"}),
    ))
    .expect("a stored document");
    for shown in [
        format!("{basic:?}"),
        format!("{hmac:?}"),
        format!("{jwt:?}"),
    ] {
        assert!(
            !shown.contains("hunter2") && !shown.contains(HASH),
            "{shown}"
        );
    }
}
