//! Certificates of authorities that upstreams are verified against.

use derive::Entity;
use serde::Deserialize;
use serde_json::Value;

use super::{Entity, Transformation};
use crate::schema::{Check, Document, Violations};
use crate::types::{AuthorityCertificate, Id, Tag, Text, Timestamp};

/// The certificate of an authority (admin-api.md 8.9).
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "ca_certificates", with = with_digest)]
#[check(with(one_valid_authority))]
pub struct CaCertificate {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<CaCertificate>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// The certificate in PEM.
    pub cert: AuthorityCertificate,
    /// Its SHA-256 in hexadecimal; computed.
    #[schema(unique)]
    pub cert_digest: Option<String>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}

fn with_digest(mut entity: Entity) -> Entity {
    entity.transformations.push(Transformation {
        input: &["cert"],
        needs: &[],
        apply: |document| {
            if let Some(certificate) = certificate(document) {
                document.insert("cert_digest".to_owned(), certificate.digest().into());
            }
        },
    });
    entity
}

fn certificate(document: &Document) -> Option<AuthorityCertificate> {
    AuthorityCertificate::parse(document.get("cert")?.as_str()?).ok()
}

fn one_valid_authority() -> Check {
    Check::custom(["cert"], |document, violations: &mut Violations| {
        if let Some(wrong) = wrong(document) {
            violations.entity_check(wrong);
        }
    })
}

fn wrong(document: &Document) -> Option<&'static str> {
    let certificate = certificate(document)?;
    // Every write stamps `updated_at`: that is the clock.
    let now = document.get("updated_at").and_then(Value::as_i64);
    let text = document
        .get("cert")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if AuthorityCertificate::count(text) > 1 {
        Some("please submit only one certificate at a time")
    } else if certificate.not_after() < now {
        Some("certificate expired, \"Not After\" time is in the past")
    } else if !certificate.is_authority() {
        Some(
            "certificate does not appear to be a CA because it is missing the \"CA\" basic constraint",
        )
    } else {
        None
    }
}
