//! Secrets and public keys that tokens of consumers are verified with.

use std::borrow::Cow;

use derive::{Entity, Word};
use serde::Deserialize;
use serde_json::Value;

use super::Consumer;
use crate::schema::{Check, Custom, Pattern, Rules};
use crate::types::{Foreign, Id, PublicKey, Secret, Tag, Timestamp};

/// What tokens of a consumer are verified with.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(
    kind = "jwt_secrets",
    path = "jwts",
    nested_path = "jwt",
    lookup = "key"
)]
#[check(with(needs_public_key))]
pub struct JwtSecret {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<JwtSecret>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// Whose it is.
    #[schema(cascade)]
    pub consumer: Foreign<Consumer>,
    /// The claim that says which secret a token was signed with; made up if it is not given.
    #[schema(unique, auto)]
    pub key: Option<String>,
    /// The secret of the HS algorithms; made up if it is not given.
    #[schema(auto)]
    pub secret: Option<Secret>,
    /// The public key of every other algorithm, as PEM.
    pub rsa_public_key: Option<String>,
    /// How tokens are signed.
    #[schema(default = "HS256")]
    pub algorithm: Option<JwtAlgorithm>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Word)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    #[default]
    #[word("HS256")]
    Hs256,
    /// HMAC with SHA-384.
    #[word("HS384")]
    Hs384,
    /// HMAC with SHA-512.
    #[word("HS512")]
    Hs512,
    /// RSA (PKCS #1) with SHA-256.
    #[word("RS256")]
    Rs256,
    /// RSA (PKCS #1) with SHA-384.
    #[word("RS384")]
    Rs384,
    /// RSA (PKCS #1) with SHA-512.
    #[word("RS512")]
    Rs512,
    /// ECDSA on P-256 with SHA-256.
    #[word("ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[word("ES384")]
    Es384,
    /// ECDSA on P-521 with SHA-512.
    #[word("ES512")]
    Es512,
    /// RSA (PSS) with SHA-256.
    #[word("PS256")]
    Ps256,
    /// RSA (PSS) with SHA-384.
    #[word("PS384")]
    Ps384,
    /// RSA (PSS) with SHA-512.
    #[word("PS512")]
    Ps512,
    /// Ed25519.
    #[word("EdDSA")]
    EdDsa,
}

/// Like Kong, the ES algorithms are left out: what they are given is only looked at when a token comes.
fn needs_public_key() -> Check {
    let algorithms = [
        "^RS256$", "^RS384$", "^RS512$", "^PS256$", "^PS384$", "^PS512$", "^EdDSA$",
    ];
    let patterns = algorithms.map(|text| Pattern::new(text.to_owned())).into();
    Check::Conditional {
        if_field: "algorithm".into(),
        if_match: Box::new(Rules {
            match_any: Some((patterns, Cow::Borrowed("invalid value"))),
            ..Rules::default()
        }),
        then_field: "rsa_public_key".into(),
        then_match: Box::new(Rules {
            required: true,
            custom: Some(Custom::new(loadable)),
            ..Rules::default()
        }),
        then_err: None,
    }
}

fn loadable(value: &Value) -> Result<(), String> {
    let loaded = value.as_str().and_then(PublicKey::load);
    loaded.map(drop).ok_or_else(|| "invalid key".to_owned())
}
