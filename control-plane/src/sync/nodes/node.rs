//! One node: its record, its session, what is shown of it.

use super::super::{Labels, record};
use super::{Ending, NODES};
use crate::store::Write;
use serde::{Deserialize, Serialize};
use shared::sync::{Version, proto};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Takeovers of one id by another process within a minute that mean two machines have the same identity.
const DUPLICATE: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);

/// Whether a node may have the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    Active,
    Revoked,
}

/// What is known of one node, now.
#[derive(Clone, Debug, Serialize)]
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
    /// Unix seconds.
    pub joined_at: u64,
    /// How its plugins in Lua are; told once a minute, and at once when one begins to fail.
    pub plugins: Vec<PluginHealth>,
}

/// How the calls of a plugin in Lua end on a node, since the node started.
#[derive(Clone, Debug, Serialize)]
pub struct PluginHealth {
    pub name: String,
    pub calls: u64,
    pub errors: u64,
    /// It fails in at least half of its calls just now.
    pub unhealthy: bool,
    pub last_error: Option<String>,
    /// Bytes of Lua memory that it holds, on all threads of the node.
    pub memory: u64,
    /// Threads on which it may not run, since it held too much memory.
    pub suspended: u32,
}

impl From<proto::PluginHealth> for PluginHealth {
    fn from(told: proto::PluginHealth) -> Self {
        let short = |text: String| text.chars().take(1000).collect::<String>();
        Self {
            name: short(told.name),
            calls: told.calls,
            errors: told.errors,
            unhealthy: told.unhealthy,
            last_error: Some(short(told.last_error)).filter(|text| !text.is_empty()),
            memory: told.memory,
            suspended: told.suspended,
        }
    }
}

/// The newest refusal of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastNack {
    pub revision: u64,
    pub code: String,
    /// Unix seconds.
    pub at: u64,
    pub issues: Vec<String>,
}

/// A node as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: Uuid,
    pub(super) state: NodeState,
    pub(super) labels: Labels,
    pub(super) hostname: String,
    pub(super) software: String,
    pub(super) joined_at: u64,
    /// The token it joined with; none if its record had to be made again.
    pub(super) token: Option<Uuid>,
    pub(super) certificate_expires: Option<u64>,
    pub(super) ip: Option<String>,
    pub(super) last_seen: Option<u64>,
    pub(super) applied_revision: u64,
    pub(super) durable_revision: u64,
    pub(super) digest: String,
    pub(super) booted_from: String,
    pub(super) cache_error: Option<String>,
    pub(super) last_nack: Option<LastNack>,
}

pub(super) struct Node {
    pub(super) record: Record,
    /// The record has changed since it was stored.
    pub(super) dirty: bool,
    pub(super) session: Option<Session>,
    pub(super) takeovers: VecDeque<Instant>,
}

pub(super) struct Session {
    pub(super) number: u64,
    pub(super) instance: Vec<u8>,
    pub(super) end: mpsc::Sender<Ending>,
    pub(super) running: Option<Version>,
    pub(super) reason: Option<String>,
    pub(super) plugins: Vec<PluginHealth>,
}

impl Record {
    pub(super) fn new(id: Uuid) -> Record {
        Record {
            id,
            state: NodeState::Active,
            labels: Labels::new(),
            hostname: String::new(),
            software: String::new(),
            joined_at: record::now(),
            token: None,
            certificate_expires: None,
            ip: None,
            last_seen: None,
            applied_revision: 0,
            durable_revision: 0,
            digest: String::new(),
            booted_from: String::new(),
            cache_error: None,
            last_nack: None,
        }
    }

    pub(super) fn runs(&mut self, version: Option<&Version>) {
        self.applied_revision = version.map_or(0, |version| version.revision);
        self.digest = version.map_or_else(String::new, |version| version.digest.to_string());
    }
}

impl Node {
    pub(super) fn new(record: Record) -> Node {
        Node {
            record,
            dirty: false,
            session: None,
            takeovers: VecDeque::new(),
        }
    }

    pub(super) fn upsert(&self) -> Write {
        Write::Upsert {
            kind: NODES,
            document: record::document(&self.record),
        }
    }

    pub(super) fn seen(&mut self) {
        self.record.last_seen = Some(record::now());
        self.dirty = true;
    }

    /// Counts a takeover; how long the older session should stay away.
    pub(super) fn takeover(&mut self, by_another: bool) -> Duration {
        if !by_another {
            return Duration::ZERO; // the same process came back before we noticed that it had gone
        }
        let now = Instant::now();
        self.takeovers.push_back(now);
        while self
            .takeovers
            .front()
            .is_some_and(|first| now.duration_since(*first) > MINUTE)
        {
            self.takeovers.pop_front();
        }
        if self.takeovers.len() < DUPLICATE {
            return Duration::ZERO;
        }
        tracing::warn!(node = %self.record.id, "duplicate_node_id: two processes use the identity of this node");
        Duration::from_secs(10)
    }

    fn duplicate(&self) -> bool {
        let recent = self.takeovers.iter().filter(|at| at.elapsed() <= MINUTE);
        recent.count() >= DUPLICATE
    }

    pub(super) fn status(&self, head: u64) -> NodeStatus {
        let record = self.record.clone();
        NodeStatus {
            reason: self.reason(head),
            id: record.id,
            state: record.state,
            labels: record.labels,
            hostname: record.hostname,
            ip: record.ip,
            version: record.software,
            connected: self.session.is_some(),
            last_seen: record.last_seen,
            applied_revision: record.applied_revision,
            durable_revision: record.durable_revision,
            digest: record.digest,
            booted_from: record.booted_from,
            cache_error: record.cache_error,
            certificate_expires: record.certificate_expires,
            last_nack: record.last_nack,
            joined_at: record.joined_at,
            plugins: self
                .session
                .as_ref()
                .map_or_else(Vec::new, |session| session.plugins.clone()),
        }
    }

    fn reason(&self, head: u64) -> Option<String> {
        let said = match &self.session {
            _ if self.record.state == NodeState::Revoked => Some("revoked".to_owned()),
            _ if self.duplicate() => {
                Some("duplicate_node_id: two processes use this identity".to_owned())
            }
            None => Some("unreachable".to_owned()),
            Some(session) => session.reason.clone(),
        };
        let behind = self.record.applied_revision < head;
        said.or_else(|| behind.then(|| "on its way".to_owned()))
    }
}
