//! What one node gets next: decided from what it runs and refuses, without any I/O.

use super::target::Target;
use shared::sync::proto::Refusal;
use shared::sync::proto::nack::Code;
use shared::sync::proto::welcome::Plan;
use shared::sync::{Digest, Version};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Snapshots that a damaged node may ask for: one per minute, three per hour (sync-protocol.md 4).
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const RESYNCS: usize = 3;

/// A node, as far as updates are concerned.
pub(super) struct Peer {
    running: Option<Version>,
    /// Not to be sent again.
    refused: VecDeque<Digest>,
    /// Versions that this session need not try again.
    declined: Option<Version>,
    /// A delta did not fit: the next update is a snapshot.
    resync: bool,
    resyncs: VecDeque<Instant>,
    /// When the next resync may be.
    not_before: Option<Instant>,
}

/// What to do about a node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision {
    UpToDate,
    /// `base`: what a delta may change; none: a snapshot.
    Send {
        base: Option<Version>,
    },
    Hold(String),
}

impl Decision {
    pub(super) fn plan(&self) -> Plan {
        match self {
            Decision::UpToDate => Plan::UpToDate,
            Decision::Send { base: Some(_) } => Plan::Delta,
            Decision::Send { base: None } => Plan::Snapshot,
            Decision::Hold(_) => Plan::Held,
        }
    }

    /// Why the node is not where it should be.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Decision::Hold(reason) => Some(reason.clone()),
            Decision::UpToDate | Decision::Send { .. } => None,
        }
    }
}

impl Peer {
    pub(super) fn new(running: Option<Version>, refusals: &[Refusal]) -> Peer {
        let refused = refusals
            .iter()
            .filter_map(|refusal| Digest::from_bytes(&refusal.digest))
            .collect();
        Peer {
            running,
            refused,
            declined: None,
            resync: false,
            resyncs: VecDeque::new(),
            not_before: None,
        }
    }

    pub(super) fn refused(&self) -> impl Iterator<Item = Digest> {
        self.refused.iter().copied()
    }

    pub(super) fn applied(&mut self, version: Version) {
        self.running = Some(version);
        self.resync = false;
        self.not_before = None;
    }

    pub(super) fn rejected(&mut self, target: Version, code: Code, now: Instant) {
        match code {
            Code::Invalid | Code::Build | Code::Limit => self.refused.push_back(target.digest),
            Code::Decode | Code::Base | Code::Digest => self.ask_snapshot(now),
            Code::Empty | Code::Stale | Code::Refused | Code::Unspecified => {
                self.declined = Some(target)
            }
        }
    }

    fn ask_snapshot(&mut self, now: Instant) {
        while self
            .resyncs
            .front()
            .is_some_and(|first| now.duration_since(*first) >= HOUR)
        {
            self.resyncs.pop_front();
        }
        self.resync = true;
        self.not_before = match (
            self.resyncs.len(),
            self.resyncs.front(),
            self.resyncs.back(),
        ) {
            (RESYNCS.., Some(first), _) => Some(*first + HOUR),
            (_, _, Some(last)) => Some((*last + MINUTE).max(now)),
            _ => None,
        };
        self.resyncs.push_back(self.not_before.unwrap_or(now));
    }

    pub(super) fn decide(&self, target: Option<&Target>) -> Decision {
        self.decide_at(target, Instant::now())
    }

    pub(super) fn decide_at(&self, target: Option<&Target>, now: Instant) -> Decision {
        let Some(target) = target else {
            return Decision::Hold("nothing is published yet".to_owned());
        };
        let revision = target.version.revision;
        if let Some(running) = &self.running {
            match running.order(&target.version) {
                Ordering::Equal if running.digest == target.version.digest => {
                    return Decision::UpToDate;
                }
                Ordering::Equal => {
                    return Decision::Hold(format!("runs other content as revision {revision}"));
                }
                Ordering::Greater => {
                    return Decision::Hold(format!("ahead of revision {revision}, left alone"));
                }
                Ordering::Less => {}
            }
        }
        let holds_something = self
            .running
            .as_ref()
            .is_some_and(|running| running.digest.documents() > 0);
        if target.state.is_empty() && holds_something && !target.explicit_empty {
            return Decision::Hold("would be emptied, and nobody asked for that".to_owned());
        }
        if self.refused.contains(&target.version.digest) {
            return Decision::Hold(format!("refuses revision {revision}"));
        }
        if self.declined == Some(target.version) {
            return Decision::Hold(format!("declined revision {revision}"));
        }
        if self.not_before.is_some_and(|at| at > now) {
            return Decision::Hold("needs_attention: received updates do not add up".to_owned());
        }
        Decision::Send {
            base: self.running.filter(|_| !self.resync),
        }
    }
}
