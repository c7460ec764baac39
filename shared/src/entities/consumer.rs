//! Consumers: who sends requests.

use derive::Entity;
use serde::Deserialize;

use crate::types::{Id, Tag, Timestamp};

/// Somebody who sends requests.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "consumers", lookup = "username")]
#[check(at_least_one_of("custom_id", "username"))]
pub struct Consumer {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Consumer>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// Unique name, accepted wherever the id is.
    #[schema(unique)]
    pub username: Option<String>,
    /// What it is called in a system of yours.
    #[schema(unique)]
    pub custom_id: Option<String>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}
