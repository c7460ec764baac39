//! Groups that consumers are members of.

use derive::Entity;
use serde::Deserialize;

use super::{Consumer, Entity};
use crate::types::{Foreign, Id, Name, Tag, Timestamp};

/// A group of consumers (admin-api.md 8.16).
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "consumer_groups", lookup = "name")]
pub struct ConsumerGroup {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<ConsumerGroup>,
    /// Unique name, accepted wherever the id is.
    #[schema(unique)]
    pub name: Name,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
}

/// That a consumer is a member of a group. It has no address of its own, only under the two.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(
    kind = "consumer_group_consumers",
    composite("consumer_group", "consumer"),
    with = unlisted
)]
pub struct GroupMember {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<GroupMember>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// The group.
    #[schema(cascade)]
    pub consumer_group: Foreign<ConsumerGroup>,
    /// The member.
    #[schema(cascade)]
    pub consumer: Foreign<Consumer>,
}

fn unlisted(mut entity: Entity) -> Entity {
    entity.no_addresses = true;
    entity
}
