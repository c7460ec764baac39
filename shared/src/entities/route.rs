//! Routes: which requests go to which service.

use std::collections::BTreeMap;

use derive::{Entity, Record};
use serde::Deserialize;

use super::Service;
use crate::schema::{Field, Kind, Pattern};
use crate::types::{
    Cidr, Foreign, HeaderMatch, HeaderName, HostPattern, Id, Method, Name, PathHandling,
    PathPattern, Protocol, Sni, Tag, Timestamp,
};

mod protocols;
mod upgrade;

/// Which requests go to a service.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "routes", lookup = "name", with = by_protocol)]
#[check(with(protocols::snis_need_tls))]
pub struct Route {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Route>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// Unique name, accepted wherever the id is.
    #[schema(unique)]
    pub name: Option<Name>,
    /// What clients may speak.
    #[schema(set, len_min = 1, default = ["http", "https"], with = protocols::exclusive)]
    pub protocols: Vec<Protocol>,
    /// Answer to HTTP where only HTTPS is allowed.
    #[schema(one_of(426, 301, 302, 307, 308), default = 426)]
    pub https_redirect_status_code: u16,
    /// Whether the part of the path that matched is cut off.
    #[schema(default = true)]
    pub strip_path: bool,
    /// Whether the upstream sees the client's Host.
    #[schema(default = false)]
    pub preserve_host: bool,
    /// Whether request bodies are read whole before they are sent on.
    #[schema(default = true)]
    pub request_buffering: bool,
    /// Whether response bodies are read whole before they are sent on.
    #[schema(default = true)]
    pub response_buffering: bool,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// Where the requests go; without one, plugins answer.
    pub service: Option<Foreign<Service>>,
    /// TLS server names.
    #[schema(set)]
    pub snis: Option<Vec<Sni>>,
    /// Where raw streams come from.
    #[schema(set)]
    pub sources: Option<Vec<Endpoint>>,
    /// Where raw streams are going.
    #[schema(set)]
    pub destinations: Option<Vec<Endpoint>>,
    /// Request methods.
    #[schema(set)]
    pub methods: Option<Vec<Method>>,
    /// Host names, one end of which may be a `*` label.
    pub hosts: Option<Vec<HostPattern>>,
    /// Prefixes, or regular expressions after a `~`.
    pub paths: Option<Vec<PathPattern>>,
    /// Header names and the values of which one must be there.
    #[schema(with = no_host)]
    pub headers: Option<BTreeMap<HeaderName, Vec<HeaderMatch>>>,
    /// Which of two regular expressions that match is taken: the greater.
    #[schema(default = 0)]
    pub regex_priority: Option<i64>,
    /// How the service's path and the request's are joined.
    #[schema(default = "v0")]
    pub path_handling: Option<PathHandling>,
}

fn by_protocol(mut entity: crate::entities::Entity) -> crate::entities::Entity {
    entity.upgrades = vec![upgrade::paths()];
    protocols::by_protocol(entity)
}

/// The host is matched by `hosts`.
fn no_host(mut field: Field) -> Field {
    if let Kind::Map { keys, .. } = &mut field.kind {
        let text = "cannot contain 'host' header, which must be specified in the 'hosts' attribute";
        keys.rules.match_none = vec![(Pattern::new("^(?i:host)$"), text.into())];
    }
    field
}

/// One end of a raw stream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Record)]
#[check(at_least_one_of("ip", "port"))]
pub struct Endpoint {
    /// Address or range.
    pub ip: Option<Cidr>,
    /// Port.
    #[schema(between(0, 65535))]
    pub port: Option<u16>,
}
