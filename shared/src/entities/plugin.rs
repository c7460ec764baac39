//! Plugins: what is done with requests, and for which.

use derive::Entity;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{CaCertificate, Consumer, Entity, Route, Service};
use crate::schema::{Described, Field, Kind, Selector};
use crate::types::{Foreign, Id, Name, Protocol, Referenced, Tag, Timestamp};

/// What is done with requests, and for which.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(
    kind = "plugins",
    lookup = "instance_name",
    composite("name", "route", "service", "consumer"),
    identity("name", "route", "service", "consumer"),
    with = by_name
)]
pub struct Plugin {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Plugin>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// Which plugin.
    pub name: String,
    /// Unique name of this configuration, accepted wherever the id is.
    #[schema(unique)]
    pub instance_name: Option<Name>,
    /// Only for requests on this route.
    #[schema(cascade)]
    pub route: Option<Foreign<Route>>,
    /// Only for requests to this service.
    #[schema(cascade)]
    pub service: Option<Foreign<Service>>,
    /// Only for requests of this consumer.
    #[schema(cascade)]
    pub consumer: Option<Foreign<Consumer>>,
    /// What the plugin is told, as it was stored.
    pub config: Box<RawValue>,
    /// Only for requests over these protocols.
    #[schema(set, default = ["grpc", "grpcs", "http", "https"])]
    pub protocols: Vec<Protocol>,
    /// Whether it runs.
    #[schema(default = true)]
    pub enabled: bool,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}

/// What a plugin is told depends on which one it is.
impl Described for RawValue {
    fn field() -> Field {
        Field::new(Kind::PluginConfig)
    }
}

fn by_name(mut entity: Entity) -> Entity {
    entity.schema.selector = Selector::Plugin;
    entity.mentions = &[("config.ca_certificates", CaCertificate::KIND)];
    entity
}
