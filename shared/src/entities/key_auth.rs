//! Keys that identify consumers.

use derive::Entity;
use serde::Deserialize;

use super::Consumer;
use crate::types::{Foreign, Id, Secret, Tag, Timestamp};

/// A key that identifies a consumer.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(
    kind = "keyauth_credentials",
    path = "key-auths",
    nested_path = "key-auth",
    lookup = "key",
    ttl
)]
pub struct KeyAuth {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<KeyAuth>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// Whose key it is.
    #[schema(cascade)]
    pub consumer: Foreign<Consumer>,
    /// The key; made up if it is not given.
    #[schema(unique, auto)]
    pub key: Option<Secret>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// When it expires, in seconds since the epoch.
    #[schema(skip)]
    #[serde(rename = "ttl")]
    pub expires_at: Option<Timestamp>,
}
