//! Where to try next, and when.

use std::time::Duration;

use shared::settings::Endpoint;
use shared::sync::backoff;
use shared::sync::proto::goodbye;

use super::random;
use super::session::End;
use super::stream::{Closed, Reason};

/// How long a node that was revoked, or replaced by another of its name, stays away at least.
pub(super) const REVOKED_FOR: Duration = Duration::from_secs(60);
const SUPERSEDED_FOR: Duration = Duration::from_secs(10);

/// How fast to try again.
pub(super) struct Pace {
    failures: u32,
    cap: Duration,
    pub(super) reported: Option<String>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            failures: 0,
            cap: backoff::CAP,
            reported: None,
        }
    }
}

impl Pace {
    pub(super) fn next(&mut self, closed: &Closed) -> Duration {
        if let Some(cap) = closed.cap {
            self.cap = cap;
        }
        if closed.earned {
            self.failures = 0;
            self.reported = None;
        }
        let delay = backoff::delay(self.failures, self.cap, random());
        self.failures = self.failures.saturating_add(1);
        let floor = match &closed.reason {
            Reason::End(End::Goodbye(goodbye::Reason::Revoked, floor, _)) => {
                (*floor).max(REVOKED_FOR)
            }
            Reason::End(End::Goodbye(goodbye::Reason::Superseded, floor, _)) => {
                (*floor).max(SUPERSEDED_FOR)
            }
            Reason::End(End::Goodbye(_, floor, _)) => *floor,
            _ => Duration::ZERO,
        };
        delay.max(backoff::at_least(floor, random()))
    }
}

/// Where control planes are: the last good one first, the others at random.
pub(super) struct Endpoints {
    pub(super) all: Vec<Endpoint>,
    good: Option<usize>,
    round: Vec<usize>,
}

impl Endpoints {
    pub(super) fn new(all: Vec<Endpoint>) -> Self {
        Self {
            all,
            good: None,
            round: Vec::new(),
        }
    }

    /// The next to try; there must be one.
    pub(super) fn next(&mut self) -> (usize, Endpoint) {
        if self.round.is_empty() {
            let mut others: Vec<usize> = (0..self.all.len())
                .filter(|index| Some(*index) != self.good)
                .collect();
            while !others.is_empty() {
                let pick = (random() * others.len() as f64) as usize;
                self.round
                    .push(others.swap_remove(pick.min(others.len() - 1)));
            }
            self.round.extend(self.good);
        }
        let index = self.round.pop().expect("a round has every endpoint");
        (index, self.all[index].clone())
    }

    pub(super) fn good(&mut self, index: usize) {
        self.good = Some(index);
        self.round.clear();
    }
}
