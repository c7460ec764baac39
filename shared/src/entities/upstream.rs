//! Upstreams: names that stand for several targets.

use std::collections::BTreeMap;

use derive::{Entity, Record};
use serde::Deserialize;
use serde_json::Value;

use super::{Certificate, Entity};
use crate::schema::{Document, Field, Shorthand};
use crate::types::{
    Algorithm, CookieName, Foreign, HashInput, HeaderName, HostHeader, Id, Probe, Sni, Tag,
    Timestamp, UpstreamName, UrlPath,
};

mod hashing;
#[cfg(test)]
mod tests;

/// A name that stands for several targets.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "upstreams", lookup = "name", with = with_rewriting)]
#[check(with(hashing::header_is_named))]
#[check(with(hashing::fallback_header_is_named))]
#[check(with(hashing::cookie_is_named))]
#[check(with(hashing::fallback_cookie_is_named))]
#[check(with(hashing::nothing_has_no_fallback))]
#[check(with(hashing::cookie_has_no_fallback))]
#[check(with(hashing::consumer_falls_back_to_another))]
#[check(with(hashing::ip_falls_back_to_another))]
#[check(with(hashing::path_falls_back_to_another))]
#[check(distinct("hash_on_header", "hash_fallback_header"))]
#[check(with(hashing::query_arg_is_named))]
#[check(with(hashing::fallback_query_arg_is_named))]
#[check(with(hashing::uri_capture_is_named))]
#[check(with(hashing::fallback_uri_capture_is_named))]
#[check(distinct("hash_on_query_arg", "hash_fallback_query_arg"))]
#[check(distinct("hash_on_uri_capture", "hash_fallback_uri_capture"))]
pub struct Upstream {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Upstream>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// What services have as their host, and accepted wherever the id is.
    #[schema(unique)]
    pub name: UpstreamName,
    /// How requests are spread.
    #[schema(default = "round-robin")]
    pub algorithm: Option<Algorithm>,
    /// What of a request consistent hashing goes by.
    #[schema(default = "none")]
    pub hash_on: Option<HashInput>,
    /// What it goes by if the request has none of that.
    #[schema(default = "none")]
    pub hash_fallback: Option<HashInput>,
    /// The header to go by.
    pub hash_on_header: Option<HeaderName>,
    /// The header to fall back to.
    pub hash_fallback_header: Option<HeaderName>,
    /// The cookie to go by.
    pub hash_on_cookie: Option<CookieName>,
    /// For which paths a cookie that is made here is meant.
    #[schema(default = "/")]
    pub hash_on_cookie_path: Option<UrlPath>,
    /// The argument of the query to go by.
    pub hash_on_query_arg: Option<String>,
    /// The argument of the query to fall back to.
    pub hash_fallback_query_arg: Option<String>,
    /// The named group of the route's path to go by.
    pub hash_on_uri_capture: Option<String>,
    /// The named group of the route's path to fall back to.
    pub hash_fallback_uri_capture: Option<String>,
    /// Points of the ring that consistent hashing uses.
    #[schema(between(10, 65536), default = 10000)]
    pub slots: Option<u32>,
    /// How targets that are not well are found out.
    pub healthchecks: Healthchecks,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// The host that targets are told was asked for.
    pub host_header: Option<HostHeader>,
    /// Shown to the targets in the TLS handshake.
    pub client_certificate: Option<Foreign<Certificate>>,
    /// Whether a target found by SRV is told the name in that record.
    #[schema(default = false)]
    pub use_srv_name: Option<bool>,
}

/// How targets that are not well are found out.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Healthchecks {
    /// The percentage of weight that must be more than this for the upstream to answer at all.
    #[schema(between(0, 100), default = 0)]
    pub threshold: f64,
    /// Questions asked in between.
    pub active: ActiveChecks,
    /// What the answers to requests say.
    pub passive: PassiveChecks,
}

/// Questions asked in between.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct ActiveChecks {
    /// How it asks.
    #[schema(default = "http")]
    #[serde(rename = "type")]
    pub probe: Probe,
    /// Seconds to wait for an answer.
    #[schema(between(0, 65535), default = 1)]
    pub timeout: f64,
    /// How many targets are asked at once.
    #[schema(between(1, 2_147_483_648), default = 10)]
    pub concurrency: u32,
    /// What is asked for.
    #[schema(default = "/")]
    pub http_path: UrlPath,
    /// The server name in the TLS handshake.
    pub https_sni: Option<Sni>,
    /// Whether the target's certificate is verified.
    #[schema(default = true)]
    pub https_verify_certificate: bool,
    /// Sent along.
    pub headers: Option<BTreeMap<HeaderName, Vec<String>>>,
    /// What keeps a target, or brings it back.
    pub healthy: ActiveHealthy,
    /// What takes a target out.
    pub unhealthy: ActiveUnhealthy,
}

/// What keeps a target, or brings it back.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct ActiveHealthy {
    /// Seconds between questions to healthy targets; 0 asks none.
    #[schema(between(0, 65535), default = 0)]
    pub interval: f64,
    /// Answers that are a success.
    #[schema(elements(between(100, 999)), default = [200, 302])]
    pub http_statuses: Vec<u16>,
    /// Successes that make a target healthy; 0 counts none.
    #[schema(between(0, 255), default = 0)]
    pub successes: u8,
}

/// What takes a target out.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct ActiveUnhealthy {
    /// Seconds between questions to unhealthy targets; 0 asks none.
    #[schema(between(0, 65535), default = 0)]
    pub interval: f64,
    /// Answers that are a failure.
    #[schema(elements(between(100, 999)), default = [429, 404, 500, 501, 502, 503, 504, 505])]
    pub http_statuses: Vec<u16>,
    /// Failed connections that make a target unhealthy; 0 counts none.
    #[schema(between(0, 255), default = 0)]
    pub tcp_failures: u8,
    /// Answers that did not come in time that make a target unhealthy; 0 counts none.
    #[schema(between(0, 255), default = 0)]
    pub timeouts: u8,
    /// Bad answers that make a target unhealthy; 0 counts none.
    #[schema(between(0, 255), default = 0)]
    pub http_failures: u8,
}

/// What the answers to requests say.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct PassiveChecks {
    /// What is looked at: with `tcp` the connection alone.
    #[schema(default = "http")]
    #[serde(rename = "type")]
    pub probe: Probe,
    /// What brings a target back.
    pub healthy: PassiveHealthy,
    /// What takes a target out.
    pub unhealthy: PassiveUnhealthy,
}

/// What brings a target back.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct PassiveHealthy {
    /// Answers that are a success.
    #[schema(
        elements(between(100, 999)),
        default = [
            200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308
        ]
    )]
    pub http_statuses: Vec<u16>,
    /// Successes that make a target healthy; 0 counts none.
    #[schema(between(0, 255), default = 0)]
    pub successes: u8,
}

/// What takes a target out.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct PassiveUnhealthy {
    /// Answers that are a failure.
    #[schema(elements(between(100, 999)), default = [429, 500, 503])]
    pub http_statuses: Vec<u16>,
    /// Failed connections that make a target unhealthy; 0 counts none.
    #[schema(between(0, 255), default = 0)]
    pub tcp_failures: u8,
    /// Answers that did not come in time that make a target unhealthy; 0 counts none.
    #[schema(between(0, 255), default = 0)]
    pub timeouts: u8,
    /// Bad answers that make a target unhealthy; 0 counts none.
    #[schema(between(0, 255), default = 0)]
    pub http_failures: u8,
}

impl Healthchecks {
    /// Whether health is looked at; if not, every target counts as healthy (proxy-and-routing.md 9.5).
    pub fn enabled(&self) -> bool {
        let (active, passive) = (&self.active, &self.passive.unhealthy);
        active.healthy.interval > 0.0
            || active.unhealthy.interval > 0.0
            || passive.tcp_failures > 0
            || passive.timeouts > 0
            || passive.http_failures > 0
    }
}

/// `algorithm` and `hash_on` rewrite each other before anything is checked, in this order (admin-api.md 8.8).
fn with_rewriting(mut entity: Entity) -> Entity {
    let rewritten = |name: &'static str, expand| Shorthand {
        field: Field::string().named(name),
        takes_null: true,
        expand,
    };
    entity.schema.shorthands = vec![
        rewritten("algorithm", rewrite_algorithm),
        rewritten("hash_on", rewrite_hash_on),
    ];
    entity
}

fn rewrite_algorithm(value: &Value) -> Document {
    let mut out = Document::new();
    out.insert("algorithm".to_owned(), value.clone());
    if matches!(value.as_str(), Some("least-connections" | "latency")) {
        out.insert("hash_on".to_owned(), Value::Null);
    }
    out
}

fn rewrite_hash_on(value: &Value) -> Document {
    let mut out = Document::new();
    let algorithm = match value.as_str() {
        None => {
            out.insert("hash_on".to_owned(), "none".into());
            return out;
        }
        Some("none") => "round-robin",
        Some(_) => "consistent-hashing",
    };
    out.insert("hash_on".to_owned(), value.clone());
    out.insert("algorithm".to_owned(), algorithm.into());
    out
}
