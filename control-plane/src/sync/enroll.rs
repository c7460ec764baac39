//! How a machine becomes a node: tokens, joins, renewals.

use super::Labels;
use std::time::Duration;
use uuid::Uuid;

/// What a new token may be used for.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub ttl: Duration,
    pub uses: u32,
    pub labels: Labels,
}

/// A token without its secret.
#[derive(Clone, Debug)]
pub struct TokenStatus {
    pub id: Uuid,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub expires_at: u64,
    pub uses: u32,
    pub used: u32,
    pub labels: Labels,
}
