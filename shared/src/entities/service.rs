//! Services: what requests are forwarded to.

use derive::Entity;
use serde::Deserialize;

use super::{CaCertificate, Certificate, Entity};
use crate::schema::{Check, Field, Rules, Shorthand};
use crate::types::{
    Foreign, Host, Id, Name, Protocol, Referenced, Tag, Timestamp, UrlPath, UuidText, expand_url,
};

/// An API that requests are forwarded to.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "services", lookup = "name", with = with_url)]
#[check(with(path_only_for_http))]
#[check(with(client_certificate_only_for_tls))]
#[check(with(tls_verify_only_for_tls))]
#[check(with(tls_verify_depth_only_for_tls))]
#[check(with(ca_certificates_only_for_tls))]
pub struct Service {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Service>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// Unique name, accepted wherever the id is.
    #[schema(unique)]
    pub name: Option<Name>,
    /// How often a failed request is tried again.
    #[schema(between(0, 32767), default = 5)]
    pub retries: Option<u16>,
    /// What the upstream speaks.
    #[schema(default = "http")]
    pub protocol: Protocol,
    /// DNS name, address, or the name of an upstream.
    pub host: Host,
    /// Where the upstream listens.
    #[schema(between(0, 65535), default = 80)]
    pub port: u16,
    /// Put before the path of each request.
    pub path: Option<UrlPath>,
    /// Milliseconds to connect.
    #[schema(between(1, 2_147_483_646), default = 60000)]
    pub connect_timeout: Option<u32>,
    /// Milliseconds between two writes.
    #[schema(between(1, 2_147_483_646), default = 60000)]
    pub write_timeout: Option<u32>,
    /// Milliseconds between two reads.
    #[schema(between(1, 2_147_483_646), default = 60000)]
    pub read_timeout: Option<u32>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// Shown to the upstream in the TLS handshake.
    pub client_certificate: Option<Foreign<Certificate>>,
    /// Whether the upstream's certificate is verified; null follows the node's setting.
    pub tls_verify: Option<bool>,
    /// How long its chain may be; null follows the node's setting.
    #[schema(between(0, 64))]
    pub tls_verify_depth: Option<u8>,
    /// Ids of the CA certificates that it is verified against.
    pub ca_certificates: Option<Vec<UuidText>>,
    /// Whether its routes take part in matching.
    #[schema(default = true)]
    pub enabled: bool,
}

fn with_url(mut entity: Entity) -> Entity {
    let field = Field::string()
        .named("url")
        .describe("Sets protocol, host, port and path together.");
    entity.schema.shorthands.push(Shorthand {
        field,
        takes_null: false,
        expand: expand_url,
    });
    entity.mentions = &[("ca_certificates", CaCertificate::KIND)];
    entity
}

/// `field` must be null if the protocol is `among` these, or, with `among` off, if it is not.
fn null_by_protocol(field: &'static str, protocols: &[&str], among: bool) -> Check {
    let words = Some(protocols.iter().map(|word| (*word).into()).collect());
    let if_match = match among {
        true => Rules {
            one_of: words,
            ..Rules::default()
        },
        false => Rules {
            not_one_of: words,
            ..Rules::default()
        },
    };
    Check::Conditional {
        if_field: "protocol".into(),
        if_match: Box::new(if_match),
        then_field: field.into(),
        then_match: Box::new(Rules {
            eq: Some(serde_json::Value::Null),
            ..Rules::default()
        }),
        then_err: None,
    }
}

fn path_only_for_http() -> Check {
    null_by_protocol("path", &["tcp", "tls", "udp", "grpc", "grpcs"], true)
}

fn client_certificate_only_for_tls() -> Check {
    null_by_protocol("client_certificate", &["https", "tls"], false)
}

fn tls_verify_only_for_tls() -> Check {
    null_by_protocol("tls_verify", &["https", "tls"], false)
}

fn tls_verify_depth_only_for_tls() -> Check {
    null_by_protocol("tls_verify_depth", &["https", "tls"], false)
}

fn ca_certificates_only_for_tls() -> Check {
    null_by_protocol("ca_certificates", &["https", "tls"], false)
}
