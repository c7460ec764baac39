//! Keys that plugins sign and verify with.

use derive::{Entity, Record};
use serde::Deserialize;
use serde_json::Value;

use super::KeySet;
use crate::schema::{Check, Document};
use crate::types::{
    Foreign, Id, PrivateKey, PublicPem, Secret, Tag, Text, Timestamp, is_usable_jwk,
};

/// A key, as JSON or in PEM (admin-api.md 8.11).
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "keys", lookup = "name", composite("kid", "set"))]
#[check(mutually_exclusive("pem", "jwk"))]
#[check(at_least_one_of("jwk", "pem"))]
#[check(with(usable))]
pub struct Key {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Key>,
    /// Which set it belongs to.
    #[schema(cascade)]
    pub set: Option<Foreign<KeySet>>,
    /// Unique name, accepted wherever the id is.
    #[schema(unique)]
    pub name: Option<String>,
    /// What tokens call it; unique in its set.
    pub kid: String,
    /// The key as a JSON Web Key.
    #[schema(referenceable)]
    pub jwk: Option<Secret>,
    /// The key in PEM.
    pub pem: Option<KeyPem>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
}

/// The halves of a key in PEM.
#[derive(Clone, Debug, Deserialize, Record)]
#[check(at_least_one_of("private_key", "public_key"))]
pub struct KeyPem {
    /// The private half.
    #[schema(referenceable)]
    pub private_key: Option<Secret>,
    /// The public half.
    #[schema(referenceable)]
    pub public_key: Option<String>,
}

fn usable() -> Check {
    Check::custom(
        ["kid", "jwk", "pem.private_key", "pem.public_key"],
        |document, violations| {
            if let Some(wrong) = wrong_jwk(document).or_else(|| wrong_pem(document)) {
                violations.entity_check(wrong);
            }
        },
    )
}

fn wrong_jwk(document: &Document) -> Option<&'static str> {
    let text = document.get("jwk")?.as_str()?;
    let Ok(jwk) = serde_json::from_str::<Value>(text) else {
        return Some("could not json decode jwk string");
    };
    if jwk.get("kid") != document.get("kid") {
        return Some("kid in jwk.kid must be equal to keys.kid");
    }
    (!is_usable_jwk(&jwk)).then_some("could not load JWK, likely not a valid key")
}

fn wrong_pem(document: &Document) -> Option<&'static str> {
    let half = |name| document.get("pem")?.get(name)?.as_str();
    let public = half("public_key").map(PublicPem::parse);
    let private = half("private_key").map(PrivateKey::parse);
    match (public, private) {
        (Some(Err(_)), _) => Some("could not load public key"),
        (_, Some(Err(_))) => Some("could not load private key"),
        (Some(Ok(public)), Some(Ok(private))) if public.bits() != private.public() => {
            Some("public key does not match private key")
        }
        _ => None,
    }
}
