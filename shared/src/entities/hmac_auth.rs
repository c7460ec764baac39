//! Secrets that consumers sign requests with.

use derive::Entity;
use serde::Deserialize;

use super::Consumer;
use crate::types::{Foreign, Id, Secret, Tag, Timestamp};

/// A secret that a consumer signs requests with.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(
    kind = "hmacauth_credentials",
    path = "hmac-auths",
    nested_path = "hmac-auth",
    lookup = "username",
    identity("username")
)]
pub struct HmacAuth {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<HmacAuth>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// Whose it is.
    #[schema(cascade)]
    pub consumer: Foreign<Consumer>,
    /// The user name that signatures are sent with.
    #[schema(unique)]
    pub username: String,
    /// The secret; made up if it is not given.
    #[schema(auto)]
    pub secret: Option<Secret>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}
