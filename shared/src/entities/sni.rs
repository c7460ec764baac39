//! Server names that a certificate is shown for.

use derive::Entity;
use serde::Deserialize;

use super::{Certificate, Entity};
use crate::types::{self, Foreign, Id, Tag, Timestamp};

/// A server name that a certificate is shown for (admin-api.md 8.7).
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "snis", lookup = "name", with = without_way_up)]
pub struct Sni {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Sni>,
    /// The name, or one with a wildcard at an end.
    #[schema(unique)]
    pub name: types::Sni,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// Which one is shown.
    #[schema(cascade)]
    pub certificate: Foreign<Certificate>,
}

/// Kong has no `/snis/{s}/certificate`.
fn without_way_up(mut entity: Entity) -> Entity {
    entity.no_way_up = true;
    entity
}
