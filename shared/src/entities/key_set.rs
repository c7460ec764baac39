//! Sets of keys.

use derive::Entity;
use serde::Deserialize;

use crate::types::{Id, Tag, Timestamp};

/// Keys that belong together (admin-api.md 8.11).
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "key_sets", path = "key-sets", lookup = "name")]
pub struct KeySet {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<KeySet>,
    /// Unique name, accepted wherever the id is.
    #[schema(unique)]
    pub name: Option<String>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
}
