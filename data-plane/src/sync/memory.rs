//! What a node remembers from one session to the next, for the life of the process.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use shared::sync::{Digest, MAX_REFUSALS, Version, proto};

/// Two requests for a snapshot are at least this far apart.
const REQUEST_GAP: Duration = Duration::from_secs(60);
/// More requests than this in an hour are an operator's business.
const REQUESTS_PER_HOUR: usize = 3;
const HOUR: Duration = Duration::from_secs(3600);

/// Content that this node will not run again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) digest: Digest,
    pub(super) reason: String,
    /// The process ended while this content was on trial.
    pub(super) crashed: bool,
}

/// What outlives a session.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What serves.
    pub(super) running: Option<Version>,
    /// What a restart would boot.
    pub(super) durable: Option<Version>,
    refused: VecDeque<Refusal>,
    /// When snapshots were asked for, within the last hour.
    requests: VecDeque<Instant>,
    orders: u64,
}

impl Memory {
    /// At the start of the process.
    pub(super) fn booted(running: Option<Version>, durable: Option<Version>) -> Self {
        Self {
            running,
            durable,
            ..Self::default()
        }
    }

    /// Remembers a refusal; the oldest of more than eight is forgotten.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.forgive(&refusal.digest);
        if self.refused.len() == MAX_REFUSALS {
            self.refused.pop_front();
        }
        self.refused.push_back(refusal);
    }

    /// An operator asked to try again, or the content that once ended the process ran healthy this time.
    pub(super) fn forgive(&mut self, digest: &Digest) {
        self.refused.retain(|refusal| refusal.digest != *digest);
    }

    pub(super) fn refusal(&self, digest: &Digest) -> Option<&Refusal> {
        self.refused
            .iter()
            .find(|refusal| refusal.digest == *digest)
    }

    /// As Hello lists them.
    pub(super) fn refusals(&self) -> Vec<proto::Refusal> {
        let wire = |refusal: &Refusal| proto::Refusal {
            digest: refusal.digest.to_bytes().to_vec(),
            reason: refusal.reason.clone(),
            crashed: refusal.crashed,
        };
        self.refused.iter().map(wire).collect()
    }

    /// When a snapshot may be asked for: now, or later if that was done too often.
    pub(super) fn may_request(&mut self, now: Instant) -> Instant {
        self.requests
            .retain(|at| now.saturating_duration_since(*at) < HOUR);
        let gap = self.requests.back().map_or(now, |last| *last + REQUEST_GAP);
        let quota = match self.requests.len() {
            many if many >= REQUESTS_PER_HOUR => self.requests[many - REQUESTS_PER_HOUR] + HOUR,
            _ => now,
        };
        now.max(gap).max(quota)
    }

    /// Counts a request for a snapshot.
    pub(super) fn requested(&mut self, now: Instant) {
        self.requests.push_back(now);
    }

    /// Whether no further snapshot may be asked for within this hour.
    pub(super) fn exhausted(&self) -> bool {
        self.requests.len() >= REQUESTS_PER_HOUR
    }

    /// A number that no other build of this process has.
    pub(super) fn order(&mut self) -> u64 {
        self.orders += 1;
        self.orders
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::sync::leaf;

    fn digest(n: u128) -> Digest {
        let mut digest = Digest::default();
        digest.add(leaf("routes", &uuid::Uuid::from_u128(n), b""));
        digest
    }

    #[test]
    fn the_last_eight_refusals_are_remembered() {
        let mut memory = Memory::default();
        for n in 0..10 {
            let digest = digest(n);
            let reason = String::new();
            memory.refuse(Refusal {
                digest,
                reason,
                crashed: false,
            });
        }
        assert!(memory.refusal(&digest(1)).is_none());
        assert!(memory.refusal(&digest(2)).is_some());
        assert_eq!(memory.refusals().len(), 8);
        memory.forgive(&digest(9));
        assert!(memory.refusal(&digest(9)).is_none());
    }

    #[test]
    fn snapshots_are_asked_for_once_a_minute_and_three_times_an_hour() {
        let mut memory = Memory::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        // (asked at, allowed at)
        for (now, allowed) in [(0, 0), (10, 60), (70, 70), (100, 130), (130, 130)] {
            assert_eq!(memory.may_request(at(now)), at(allowed), "at {now} s");
            if now == allowed {
                memory.requested(at(now));
            }
        }
        assert!(memory.exhausted());
        assert_eq!(memory.may_request(at(1000)), at(3600));
        assert_eq!(memory.may_request(at(3600)), at(3600));
    }
}
