//! Groups that consumers belong to.

use derive::Entity;
use serde::Deserialize;

use super::Consumer;
use crate::types::{Foreign, Id, Tag, Timestamp};

/// A group that a consumer belongs to.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "acls", composite("consumer", "group"))]
pub struct Acl {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Acl>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// Who belongs to it.
    #[schema(cascade)]
    pub consumer: Foreign<Consumer>,
    /// The group.
    pub group: String,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}
