//! When things happened to a request.

use std::net::SocketAddr;
use std::time::Instant;

use http::StatusCode;
use smallvec::SmallVec;

/// The clock of one request, for the latency headers (proxy-and-routing.md 6.2) and the log.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// Addresses tried so far.
    pub tries: SmallVec<[Try; 1]>,
    /// Status of the upstream's answer.
    pub upstream_status: Option<u16>,
    answered: Option<Instant>,
}

/// One address that was tried.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    /// The address.
    pub target: SocketAddr,
    /// When it began to be chosen.
    pub began: Instant,
    /// When it had been chosen.
    pub balanced: Instant,
    /// The status that its failure stands for.
    pub failed: Option<u16>,
}

impl Timing {
    /// An address has been chosen, which began then.
    pub fn balanced(&mut self, target: SocketAddr, began: Instant) {
        self.tries.push(Try {
            target,
            began,
            balanced: Instant::now(),
            failed: None,
        });
    }

    /// The last try has failed.
    pub fn failed(&mut self, status: StatusCode) {
        if let Some(last) = self.tries.last_mut() {
            last.failed = Some(status.as_u16());
        }
    }

    /// The address of the last try.
    pub fn target(&self) -> Option<SocketAddr> {
        self.tries.last().map(|last| last.target)
    }

    fn chosen(&self) -> Option<Instant> {
        self.tries.last().map(|last| last.balanced)
    }

    /// From the head of the upstream's answer to now: milliseconds.
    pub fn receive_ms(&self) -> u64 {
        self.answered
            .map_or(0, |at| at.elapsed().as_millis() as u64)
    }

    /// The head of the upstream's answer is here.
    pub fn answered(&mut self, status: StatusCode) {
        self.upstream_status = Some(status.as_u16());
        self.answered = Some(Instant::now());
    }

    /// From the end of the balancer step to the response's head, or to now: milliseconds.
    pub fn upstream_ms(&self) -> u64 {
        let end = self.answered.unwrap_or_else(Instant::now);
        self.chosen().map_or(0, |start| {
            end.saturating_duration_since(start).as_millis() as u64
        })
    }

    /// From the start of the request to the end of the balancer step: milliseconds.
    pub fn proxy_ms(&self, started: Instant) -> u64 {
        self.chosen().map_or(0, |at| {
            at.saturating_duration_since(started).as_millis() as u64
        })
    }
}
