//! When things happened to a request.

use std::net::SocketAddr;
use std::time::Instant;

use http::StatusCode;

/// The clock of one request, for the latency headers (proxy-and-routing.md 6.2) and the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Addresses tried so far.
    pub tries: usize,
    /// The address of the last try.
    pub target: Option<SocketAddr>,
    /// Status of the upstream's answer.
    pub upstream_status: Option<u16>,
    /// End of the balancer step of the last try.
    balanced: Option<Instant>,
    answered: Option<Instant>,
}

impl Timing {
    /// An address has been chosen.
    pub fn balanced(&mut self, target: SocketAddr) {
        self.tries += 1;
        self.target = Some(target);
        self.balanced = Some(Instant::now());
    }

    /// The head of the upstream's answer is here.
    pub fn answered(&mut self, status: StatusCode) {
        self.upstream_status = Some(status.as_u16());
        self.answered = Some(Instant::now());
    }

    /// From the end of the balancer step to the response's head, or to now: milliseconds.
    pub fn upstream_ms(&self) -> u64 {
        let end = self.answered.unwrap_or_else(Instant::now);
        self.balanced.map_or(0, |start| {
            end.saturating_duration_since(start).as_millis() as u64
        })
    }

    /// From the start of the request to the end of the balancer step: milliseconds.
    pub fn proxy_ms(&self, started: Instant) -> u64 {
        self.balanced.map_or(0, |at| {
            at.saturating_duration_since(started).as_millis() as u64
        })
    }
}
