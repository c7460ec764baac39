//! Whether a peer is well (proxy-and-routing.md 9.5).
//!
//! One success counter and three failure counters, fed alike by questions ([`active`]) and by the answers to requests
//! ([`passive`]). A success zeroes the failures, a failure the successes; a counter that reaches its limit flips the state.

pub mod active;
pub mod passive;

use std::sync::atomic::{AtomicU64, Ordering};

/// What was seen of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A good answer.
    Success,
    /// No connection.
    Tcp,
    /// A bad answer.
    Http,
    /// No answer in time.
    Timeout,
}

/// The health of one peer: all counters in one word, so that a report is one exchange and a look one load.
#[derive(Debug, Default)]
pub struct Health(AtomicU64);

/// The state with its counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    state: State,
    success: u8,
    tcp: u8,
    http: u8,
    timeout: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Healthy,
    /// Healthy, and a failure has been counted since.
    MostlyHealthy,
    /// Unhealthy, and a success has been counted since.
    MostlyUnhealthy,
    Unhealthy,
}

impl Health {
    /// Whether it may get requests.
    pub fn is_healthy(&self) -> bool {
        Tally::unpack(self.0.load(Ordering::Relaxed)).is_healthy()
    }

    /// Counts a report; one whose limit is 0 is ignored. Says whether the peer is healthy now if that changed.
    pub fn report(&self, report: Report, limit: u8) -> Option<bool> {
        let change = |word| {
            let before = Tally::unpack(word);
            let after = before.after(report, limit);
            (after != before).then(|| after.pack())
        };
        // A settled peer that does what it always does is only looked at: nothing is written.
        let old = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .ok()?;
        let before = Tally::unpack(old);
        let now = before.after(report, limit).is_healthy();
        (now != before.is_healthy()).then_some(now)
    }

    /// Sets the state by hand, the counters to zero.
    pub fn mark(&self, healthy: bool) {
        let state = match healthy {
            true => State::Healthy,
            false => State::Unhealthy,
        };
        let tally = Tally {
            state,
            ..Tally::default()
        };
        self.0.store(tally.pack(), Ordering::Relaxed);
    }
}

impl Tally {
    fn after(self, report: Report, limit: u8) -> Tally {
        let settled = match report {
            Report::Success => State::Healthy,
            _ => State::Unhealthy,
        };
        if limit == 0 || self.state == settled {
            return self;
        }
        let mut next = match report {
            Report::Success => Tally {
                state: self.state,
                success: self.success,
                ..Tally::default()
            },
            _ => Tally { success: 0, ..self },
        };
        let counter = match report {
            Report::Success => &mut next.success,
            Report::Tcp => &mut next.tcp,
            Report::Http => &mut next.http,
            Report::Timeout => &mut next.timeout,
        };
        *counter = counter.saturating_add(1);
        next.state = match self.state {
            _ if *counter >= limit => settled,
            State::Healthy => State::MostlyHealthy,
            State::Unhealthy => State::MostlyUnhealthy,
            between => between,
        };
        next
    }

    fn is_healthy(self) -> bool {
        matches!(self.state, State::Healthy | State::MostlyHealthy)
    }

    fn pack(self) -> u64 {
        let state = self.state as u8;
        u64::from_le_bytes([
            state,
            self.success,
            self.tcp,
            self.http,
            self.timeout,
            0,
            0,
            0,
        ])
    }

    fn unpack(word: u64) -> Tally {
        let [state, success, tcp, http, timeout, ..] = word.to_le_bytes();
        let state = match state {
            0 => State::Healthy,
            1 => State::MostlyHealthy,
            2 => State::MostlyUnhealthy,
            _ => State::Unhealthy,
        };
        Tally {
            state,
            success,
            tcp,
            http,
            timeout,
        }
    }
}

#[cfg(test)]
mod tests;
