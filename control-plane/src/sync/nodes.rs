//! Who the nodes are and what they run.

use super::Labels;
use uuid::Uuid;

/// Whether a node may have the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    Active,
    Revoked,
}

/// What is known of one node, now.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NodeStatus {
    pub id: Uuid,
    pub state: NodeState,
    pub labels: Labels,
    pub hostname: String,
    /// The address of its newest session.
    pub ip: Option<String>,
    /// The release it runs.
    pub version: String,
    pub connected: bool,
    /// Unix seconds of its newest sign of life; `None`: never connected.
    pub last_seen: Option<u64>,
    pub applied_revision: u64,
    pub durable_revision: u64,
    /// Digest of the version it runs, hex of 40 bytes; empty before the first.
    pub digest: String,
    /// "cache", "previous", "snapshot", "empty".
    pub booted_from: String,
    pub cache_error: Option<String>,
    /// Unix seconds when its newest certificate ends.
    pub certificate_expires: Option<u64>,
    pub last_nack: Option<LastNack>,
    /// Why it is not at the newest revision, if it is not.
    pub reason: Option<String>,
    pub joined_at: u64,
}

/// The newest refusal of a node.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct LastNack {
    pub revision: u64,
    pub code: String,
    /// Unix seconds.
    pub at: u64,
    pub issues: Vec<String>,
}
