//! What a token must be; the answers are replayed end to end.

use ::base64::Engine;
use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use http::HeaderMap;
use shared::entities::JwtSecret;

use super::*;

const NOW: i64 = 1_700_000_000;

fn handler(config: Value) -> Handler {
    let schema = shared::plugins::Catalog::builtin().plugin("jwt");
    let parsed = schema
        .expect("declared")
        .parse(config.to_string().as_bytes());
    Handler::new(&parsed.expect("valid").downcast().expect("its own type"))
}

fn verifier(mut document: Value) -> Arc<Verifier> {
    document["id"] = json!("00000000-0000-4000-8000-000000000001");
    document["consumer"] = json!({ "id": "00000000-0000-4000-8000-0000000000aa" });
    let secret: JwtSecret = serde_json::from_value(document).expect("a document");
    Arc::new(Verifier::new(Arc::new(secret)))
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A token with a signature made by `sign`.
fn token(algorithm: &str, claims: Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!(
        "{}.{}",
        part(&json!({"typ": "JWT", "alg": algorithm})),
        part(&claims)
    );
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs256(claims: Value, secret: &[u8]) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    token("HS256", claims, |signed| {
        aws_lc_rs::hmac::sign(&key, signed).as_ref().to_vec()
    })
}

/// The key that a token was taken for, or why not.
fn examined(handler: &Handler, token: &str, verifier: &Arc<Verifier>) -> Result<String, Refusal> {
    let find = |key: &str| (key == "ann").then(|| verifier.clone());
    let found = handler.examine(token.as_bytes(), find, NOW);
    found.map(|(_, key)| key)
}

fn secret(text: &str) -> Arc<Verifier> {
    verifier(json!({ "key": "ann", "secret": text }))
}

#[test]
fn a_token_is_taken_apart_or_says_why_not() {
    let header = |header: Value| format!("{}.{}.", part(&header), part(&json!({"iss": "ann"})));
    let whole = hs256(json!({"iss": "ann"}), b"s");
    for (text, expected) in [
        ("".to_owned(), BadToken::Json),
        ("abc".to_owned(), BadToken::Json),
        ("a.b.c".to_owned(), BadToken::Json),
        ("e30.e30".to_owned(), BadToken::Json),
        (whole.replacen('.', "!.", 1), BadToken::Json),
        (format!("e30.{}.x", part(&json!("text"))), BadToken::Json),
        (
            format!("e30.{}.x", URL_SAFE_NO_PAD.encode("{} {}")),
            BadToken::Json,
        ),
        (
            header(json!({"alg": "HS256", "typ": "JWE"})),
            BadToken::Type,
        ),
        (header(json!({"alg": "HS256", "typ": 5})), BadToken::Type),
        (header(json!({"alg": "none"})), BadToken::Algorithm),
        (header(json!({"alg": "hs256"})), BadToken::Algorithm),
        (header(json!({"alg": 256})), BadToken::Algorithm),
        (header(json!({})), BadToken::Algorithm),
        (format!("{whole}!"), BadToken::Signature),
        (format!("{whole}.more"), BadToken::Signature),
    ] {
        let found = Token::read(text.as_bytes(), "iss").map(drop);
        assert_eq!(found, Err(expected), "{text}");
    }
    for typ in [json!("jwt"), json!("JWT"), Value::Null] {
        let text = header(json!({"alg": "HS256", "typ": typ}));
        assert!(Token::read(text.as_bytes(), "iss").is_ok(), "{typ}");
    }
    let padded = whole
        .split('.')
        .map(|part| format!("{part}=="))
        .collect::<Vec<_>>()
        .join(".");
    assert!(Token::read(padded.as_bytes(), "iss").is_ok());
}

#[test]
fn the_claim_or_else_the_header_names_the_credential() {
    let both = |header: Value, claims: Value| format!("{}.{}.", part(&header), part(&claims));
    let header = json!({"alg": "HS256", "kid": "ann", "iss": "bob"});
    for (claim, claims, expected) in [
        ("iss", json!({"iss": "ann"}), Some(json!("ann"))),
        ("iss", json!({}), Some(json!("bob"))),
        ("iss", json!({"iss": null}), Some(json!("bob"))),
        ("iss", json!({"iss": false}), Some(json!("bob"))),
        ("iss", json!({"iss": ""}), Some(json!(""))),
        ("kid", json!({"iss": "x"}), Some(json!("ann"))),
        ("sub", json!({"iss": "x"}), None),
        ("exp", json!({"exp": 5}), Some(json!(5))),
        ("alg", json!({}), Some(json!("HS256"))),
    ] {
        let text = both(header.clone(), claims.clone());
        let token = Token::read(text.as_bytes(), claim).expect("whole");
        assert_eq!(token.key, expected, "{claim} {claims}");
    }
    let text = both(header, json!({"exp": 5}));
    let token = Token::read(text.as_bytes(), "exp").expect("whole");
    assert_eq!((token.key, token.exp), (Some(json!(5)), Some(json!(5))));
}

#[test]
fn every_shared_secret_algorithm_verifies_its_own_signature_only() {
    use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key, sign};
    let handler = handler(json!({}));
    for (name, digest) in [
        ("HS256", HMAC_SHA256),
        ("HS384", HMAC_SHA384),
        ("HS512", HMAC_SHA512),
    ] {
        let made = |secret: &[u8]| {
            let key = Key::new(digest, secret);
            let claims = json!({"iss": "ann"});
            token(name, claims, |signed| sign(&key, signed).as_ref().to_vec())
        };
        let held = verifier(json!({"key": "ann", "secret": "s", "algorithm": name}));
        assert_eq!(examined(&handler, &made(b"s"), &held), Ok("ann".to_owned()));
        let wrong = Err(Refusal::Unverified(Unverified::Signature));
        assert_eq!(examined(&handler, &made(b"S"), &held), wrong);
        let cut = made(b"s");
        let cut = &cut[..cut.rfind('.').expect("three parts") + 5];
        assert_eq!(examined(&handler, cut, &held), wrong);
    }
}

/// What is signed to what its signature is.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn pem(public: &impl AsDer<PublicKeyX509Der<'static>>) -> String {
    let der = public.as_der().expect("a public key");
    let digits = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{digits}\n-----END PUBLIC KEY-----")
}

/// Name, public key and signer of every algorithm that has a public key.
fn public_algorithms() -> Vec<(&'static str, String, Sign)> {
    let rsa = Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("randomness"));
    let encodings: [(&str, &'static dyn RsaEncoding); 6] = [
        ("RS256", &RSA_PKCS1_SHA256),
        ("RS384", &RSA_PKCS1_SHA384),
        ("RS512", &RSA_PKCS1_SHA512),
        ("PS256", &RSA_PSS_SHA256),
        ("PS384", &RSA_PSS_SHA384),
        ("PS512", &RSA_PSS_SHA512),
    ];
    let mut all: Vec<(&str, String, Sign)> = Vec::new();
    for (name, encoding) in encodings {
        let pair = rsa.clone();
        let sign = move |signed: &[u8]| {
            let mut signature = vec![0; pair.public_modulus_len()];
            let random = SystemRandom::new();
            pair.sign(encoding, &random, signed, &mut signature)
                .expect("signed");
            signature
        };
        all.push((name, pem(rsa.public_key()), Box::new(sign)));
    }
    let curves: [(&str, &'static EcdsaSigningAlgorithm); 3] = [
        ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
        ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (name, curve) in curves {
        let pair = EcdsaKeyPair::generate(curve).expect("randomness");
        let key = pem(pair.public_key());
        let sign = move |signed: &[u8]| {
            let signature = pair.sign(&SystemRandom::new(), signed);
            signature.expect("signed").as_ref().to_vec()
        };
        all.push((name, key, Box::new(sign)));
    }
    let pair = Ed25519KeyPair::generate().expect("randomness");
    let key = pem(pair.public_key());
    let sign = move |signed: &[u8]| pair.sign(signed).as_ref().to_vec();
    all.push(("EdDSA", key, Box::new(sign)));
    all
}

#[test]
fn every_public_key_algorithm_verifies_its_own_signature_only() {
    let (plain, encoded) = (
        handler(json!({})),
        handler(json!({"secret_is_base64": true})),
    );
    let all = public_algorithms();
    for (name, key, sign) in &all {
        let held = verifier(json!({"key": "ann", "rsa_public_key": key, "algorithm": name}));
        let good = token(name, json!({"iss": "ann"}), sign);
        assert_eq!(
            examined(&plain, &good, &held),
            Ok("ann".to_owned()),
            "{name}"
        );
        let other = token(name, json!({"iss": "ann", "x": 1}), |_| {
            sign(b"something else")
        });
        let wrong = Err(Refusal::Unverified(Unverified::Signature));
        assert_eq!(examined(&plain, &other, &held), wrong, "{name}");
        let short = token(name, json!({"iss": "ann"}), |_| vec![1; 10]);
        assert_eq!(examined(&plain, &short, &held), wrong, "{name}");
        // The two spellings of a key are not mixed up.
        let no_key = Err(Refusal::Unverified(Unverified::Key));
        assert_eq!(examined(&encoded, &good, &held), no_key, "{name}");
        let spelled =
            json!({"key": "ann", "rsa_public_key": STANDARD.encode(key), "algorithm": name});
        let held = verifier(spelled);
        assert_eq!(
            examined(&encoded, &good, &held),
            Ok("ann".to_owned()),
            "{name}"
        );
        assert_eq!(examined(&plain, &good, &held), no_key, "{name}");
        // A key of another kind verifies nothing.
        let strange = if *name == "EdDSA" {
            &all[0].1
        } else {
            &all[9].1
        };
        let held = verifier(json!({"key": "ann", "rsa_public_key": strange, "algorithm": name}));
        assert_eq!(examined(&plain, &good, &held), no_key, "{name}");
    }
}

/// Made with `openssl genrsa 1024` and `openssl dgst -sha256 -sign`.
const SHORT_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC+ziMyRGht4JkRlBeDeOFzefRB
tUlSj+YKw9yT+RKnHTmyFutPAefhtxEV5A/Seop6gng4LXa5n+bZsuR5i0B1LhBZ
YulSMcfG1hx5F8Q+KZH2PJQp6SJjFhlhCqkOZSfPvwtuRtGWD/MthTqI6GRpLhxK
xaIck/nroA6yhfpZZwIDAQAB
-----END PUBLIC KEY-----";
const SIGNED_WITH_IT: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhbm4ifQ.\
    EhGpCQbeWriOoX1DmS4LC24QPm_j6LOsbSOBDqr4IL4F6o1HnoRqU3nBCZaBvsQYbDK8SY1Uncu883-Z72ClfhK_VZWBJRycBmr6o4Y54LBcCvXC\
    nUNcEwBk_oCXe7wxLHb3rtGEf37jDAr9SRbDTryWPfOWNnYWYp8yXKeXHKs";

#[test]
fn a_short_rsa_key_still_verifies_what_was_signed_with_it() {
    let held = verifier(json!({"key": "ann", "rsa_public_key": SHORT_KEY, "algorithm": "RS256"}));
    let found = examined(&handler(json!({})), SIGNED_WITH_IT, &held);
    assert_eq!(found, Ok("ann".to_owned()));
}

#[test]
fn the_algorithm_is_the_credentials_and_never_the_tokens_choice() {
    let handler = handler(json!({}));
    let (_, key, _) = &public_algorithms()[0];
    let held = verifier(
        json!({"key": "ann", "rsa_public_key": key, "algorithm": "RS256", "secret": null}),
    );
    // The old trick: the public key, which everybody knows, as a shared secret.
    let forged = hs256(json!({"iss": "ann"}), key.as_bytes());
    let wrong = Err(Refusal::Unverified(Unverified::Algorithm));
    assert_eq!(examined(&handler, &forged, &held), wrong);
    let keyless = verifier(json!({"key": "ann", "rsa_public_key": key, "secret": null}));
    let wrong = Err(Refusal::Unverified(Unverified::Key));
    assert_eq!(examined(&handler, &forged, &keyless), wrong);
    assert_eq!(
        examined(&handler, &hs256(json!({"iss": "ann"}), b""), &keyless),
        wrong
    );
}

#[test]
fn a_secret_may_be_written_in_base64() {
    let encoded = handler(json!({"secret_is_base64": true}));
    let token = hs256(json!({"iss": "ann"}), b"\xFF\xFE raw");
    for spelled in ["//4gcmF3", "__4gcmF3", "//4gcmF3=="] {
        assert_eq!(
            examined(&encoded, &token, &secret(spelled)),
            Ok("ann".to_owned())
        );
    }
    let wrong = Err(Refusal::Unverified(Unverified::Key));
    assert_eq!(examined(&encoded, &token, &secret("not base64!")), wrong);
}

#[test]
fn keys_that_are_missing_empty_or_unknown_are_told_apart() {
    let handler = handler(json!({}));
    let held = secret("s");
    for (claims, expected) in [
        (json!({}), Refusal::NoKey),
        (json!({"iss": ""}), Refusal::EmptyKey),
        (json!({"iss": "bob"}), Refusal::Unknown),
        (json!({"iss": 5}), Refusal::Unknown),
        (json!({"iss": ["ann"]}), Refusal::Unknown),
    ] {
        let token = hs256(claims.clone(), b"s");
        assert_eq!(examined(&handler, &token, &held), Err(expected), "{claims}");
    }
}

#[test]
fn claims_hold_at_the_second_of_the_request() {
    let both = json!({"claims_to_verify": ["exp", "nbf"]});
    let exp = json!({"claims_to_verify": ["exp"]});
    let limited = json!({"claims_to_verify": ["exp"], "maximum_expiration": 60});
    let (past, ahead) = (json!("token expired"), json!("token not valid yet"));
    let number = json!("must be a number");
    let far = json!("exceeds maximum allowed expiration");
    for (config, claims, expected) in [
        (&exp, json!({"exp": NOW + 1}), None),
        (&exp, json!({"exp": NOW as f64 + 0.5}), None),
        (&exp, json!({"exp": NOW}), Some(json!({"exp": past}))),
        (
            &exp,
            json!({"exp": format!("{}", NOW + 1)}),
            Some(json!({"exp": number})),
        ),
        (&exp, json!({}), Some(json!({"exp": number}))),
        (&exp, json!({"exp": NOW + 1, "nbf": NOW + 1}), None),
        (&both, json!({"exp": NOW + 1, "nbf": NOW}), None),
        (
            &both,
            json!({"exp": 1, "nbf": NOW + 1}),
            Some(json!({"exp": past, "nbf": ahead})),
        ),
        (
            &both,
            json!({}),
            Some(json!({"exp": number, "nbf": number})),
        ),
        (&limited, json!({"exp": NOW + 60}), None),
        (
            &limited,
            json!({"exp": NOW + 61}),
            Some(json!({"exp": far})),
        ),
        (&limited, json!({"exp": NOW}), Some(json!({"exp": past}))),
        (&json!({"maximum_expiration": 0}), json!({}), None),
    ] {
        let mut named = claims.clone();
        named["iss"] = json!("ann");
        let token = hs256(named, b"s");
        let found = examined(&handler(config.clone()), &token, &secret("s"));
        let wrong = found.err().map(|refusal| match refusal {
            Refusal::Claims(wrong) => wrong,
            other => panic!("{other:?}"),
        });
        assert_eq!(wrong, expected, "{config} {claims}");
    }
}

fn shown(config: Value, lines: &[(&'static str, &'static str)], query: &str) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    match handler(config).search.run(&headers, query) {
        Shown::Nothing => "nothing".to_owned(),
        Shown::Several => "several".to_owned(),
        Shown::One(None) => "a flag".to_owned(),
        Shown::One(Some(text)) => String::from_utf8_lossy(&text).into_owned(),
    }
}

#[test]
fn a_token_is_looked_for_in_query_cookies_and_headers() {
    let all = json!({
        "uri_param_names": ["jwt", "t"], "cookie_names": ["Session-Token"],
        "header_names": ["authorization", "X_Token"],
    });
    type Case = (
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static str,
    );
    let cases: &[Case] = &[
        (&[], "", "nothing"),
        (&[], "jwt=a", "a"),
        (&[], "t=a%2Eb", "a.b"),
        (&[], "jwt=&t=", "nothing"),
        (&[], "jwt", "a flag"),
        (&[], "jwt&t=a", "several"),
        (&[], "jwt=a&jwt=a&t=a", "a"),
        (&[], "jwt=a&jwt=b", "several"),
        (&[("cookie", "a=1; session-token=c; b")], "", "c"),
        (
            &[("cookie", "a=1"), ("cookie", "SESSION-TOKEN = c ")],
            "",
            "c",
        ),
        (&[("cookie", "session-token=")], "", "nothing"),
        (&[("cookie", "xsession-token=c")], "", "nothing"),
        (&[("authorization", "Bearer h")], "", "h"),
        (&[("authorization", "bearer \t h")], "", "h"),
        (&[("authorization", "BEARER h")], "", "nothing"),
        (&[("authorization", "Bearerh")], "", "nothing"),
        (&[("authorization", "Bearer")], "", "nothing"),
        (&[("authorization", "h")], "", "nothing"),
        (&[("authorization", "Basic x, Bearer h")], "", "h"),
        (&[("x-token", "Bearer h")], "", "h"),
        (
            &[("authorization", "Bearer h"), ("authorization", "Bearer i")],
            "",
            "h",
        ),
        (
            &[("authorization", "Bearer h"), ("x-token", "Bearer h")],
            "jwt=h",
            "h",
        ),
        (
            &[("authorization", "Bearer h"), ("x-token", "Bearer i")],
            "",
            "several",
        ),
        (&[("authorization", "Bearer h")], "jwt=a", "several"),
    ];
    for (lines, query, expected) in cases {
        assert_eq!(
            shown(all.clone(), lines, query),
            *expected,
            "{lines:?} {query}"
        );
    }
    let default: Case = (&[("cookie", "jwt=c")], "jwt=a", "a");
    assert_eq!(shown(json!({}), default.0, default.1), default.2);
}

#[test]
fn refusals_have_kongs_words_and_the_realm() {
    let plain = handler(json!({}));
    let realm = handler(json!({"realm": "mine", "key_claim_name": "kid"}));
    let claims = json!({"exp": "token expired"});
    for (refusal, expected) in [
        (Refusal::NoToken, json!({"message": "Unauthorized"})),
        (
            Refusal::Several,
            json!({"message": "Multiple tokens provided"}),
        ),
        (
            Refusal::Unrecognizable,
            json!({"message": "Unrecognizable token"}),
        ),
        (
            Refusal::Bad(BadToken::Json),
            json!({"message": "Bad token; invalid JSON"}),
        ),
        (
            Refusal::Bad(BadToken::Type),
            json!({"message": "Bad token; invalid typ"}),
        ),
        (
            Refusal::Bad(BadToken::Algorithm),
            json!({"message": "Bad token; invalid alg"}),
        ),
        (
            Refusal::Bad(BadToken::Signature),
            json!({"message": "Bad token; invalid signature"}),
        ),
        (
            Refusal::NoKey,
            json!({"message": "No mandatory 'iss' in claims"}),
        ),
        (
            Refusal::EmptyKey,
            json!({"message": "Invalid 'iss' in claims"}),
        ),
        (
            Refusal::Unknown,
            json!({"message": "No credentials found for given 'iss'"}),
        ),
        (
            Refusal::Unverified(Unverified::Algorithm),
            json!({"message": "Invalid algorithm"}),
        ),
        (
            Refusal::Unverified(Unverified::Key),
            json!({"message": "Invalid key/secret"}),
        ),
        (
            Refusal::Unverified(Unverified::Signature),
            json!({"message": "Invalid signature"}),
        ),
        (Refusal::Claims(claims.clone()), claims),
    ] {
        let answer = plain.refuse(refusal);
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            answer.headers["content-type"],
            "application/json; charset=utf-8"
        );
        let super::super::AnswerBody::Exact(body) = answer.body else {
            panic!("not these bytes: {:?}", answer.body);
        };
        assert_eq!(
            serde_json::from_slice::<Value>(&body).expect("JSON"),
            expected
        );
    }
    let challenge =
        |handler: &Handler, refusal| handler.refuse(refusal).headers[WWW_AUTHENTICATE].clone();
    assert_eq!(challenge(&plain, Refusal::NoToken), "Bearer");
    assert_eq!(
        challenge(&plain, Refusal::NoKey),
        "Bearer error=\"invalid_token\""
    );
    assert_eq!(challenge(&realm, Refusal::NoToken), "Bearer realm=\"mine\"");
    assert_eq!(
        challenge(&realm, Refusal::NoKey),
        "Bearer realm=\"mine\" error=\"invalid_token\""
    );
}

proptest::proptest! {
    #[test]
    fn nothing_a_client_sends_makes_the_reader_panic(text: Vec<u8>, dots in "[A-Za-z0-9_.=-]{0,60}") {
        let _ = Token::read(&text, "iss");
        let _ = Token::read(dots.as_bytes(), "iss");
    }
}
