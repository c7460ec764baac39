//! Certificates: what clients are shown, and what upstreams are shown.

use derive::Entity;
use serde::Deserialize;
use serde_json::Value;

use super::{Entity, NameList};
use crate::schema::{Check, Document};
use crate::types::{CertificateChain, Id, OrVault, PrivateKey, Tag, Text, Timestamp};

/// A certificate with its key, shown to clients for the names that its SNIs say, or to upstreams (admin-api.md 8.6).
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "certificates", with = with_snis)]
#[check(mutually_required("cert_alt", "key_alt"))]
#[check(with(key_matches))]
#[check(with(alternative_key_matches))]
#[check(with(kinds_differ))]
pub struct Certificate {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Certificate>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// The certificate in PEM, followed by those that vouch for it.
    pub cert: OrVault<CertificateChain>,
    /// Its private key in PEM.
    pub key: OrVault<PrivateKey>,
    /// A certificate of another kind (RSA, ECDSA), for clients that cannot check the first.
    pub cert_alt: Option<OrVault<CertificateChain>>,
    /// The private key of that.
    pub key_alt: Option<OrVault<PrivateKey>>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}

fn with_snis(mut entity: Entity) -> Entity {
    entity.name_list = Some(NameList {
        field: "snis",
        kind: "snis",
        link: "certificate",
        name: "name",
        called: "SNI",
    });
    entity
}

fn read<T: Text>(document: &Document, field: &str) -> Option<T> {
    T::parse(document.get(field)?.as_str()?).ok()
}

fn mismatch(document: &Document, certificate: &str, key: &str) -> bool {
    let chain: Option<CertificateChain> = read(document, certificate);
    let key: Option<PrivateKey> = read(document, key);
    match (chain, key) {
        (Some(chain), Some(key)) => chain.key() != Some(key.public()),
        _ => false,
    }
}

fn key_matches() -> Check {
    Check::custom(["cert", "key"], |document, violations| {
        if mismatch(document, "cert", "key") {
            violations.entity_check("certificate does not match key");
        }
    })
}

fn alternative_key_matches() -> Check {
    Check::custom(["cert_alt", "key_alt"], |document, violations| {
        if mismatch(document, "cert_alt", "key_alt") {
            violations.entity_check("alternative certificate does not match key");
        }
    })
}

fn kinds_differ() -> Check {
    Check::custom(["cert", "cert_alt"], |document, violations| {
        let kind = |field| {
            let chain: Option<CertificateChain> = read(document, field);
            chain.and_then(|chain| chain.key().map(|key| key.kind))
        };
        if document.get("cert_alt").is_some_and(Value::is_string)
            && kind("cert") == kind("cert_alt")
        {
            violations.entity_check(
                "certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), \
                 the provided certificates were both of the same type",
            );
        }
    })
}
