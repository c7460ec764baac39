//! Heartbeats in both directions.

use std::time::{Duration, Instant};

use shared::sync::backoff;
use shared::sync::proto::{self, from_node};

use super::Action;

/// Heartbeats in both directions.
pub(super) struct Pulse {
    pub(super) interval: Duration,
    pub(super) next: Instant,
    pub(super) heard: Instant,
    pub(super) echoed: Instant,
    newest_sent: u64,
    newest_echo: u64,
    newest_heard: u64,
    pub(super) head: u64,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            interval: Duration::from_secs(10),
            next: now + super::WELCOME_WITHIN,
            heard: now,
            echoed: now,
            newest_sent: 0,
            newest_echo: 0,
            newest_heard: 0,
            head: 0,
        }
    }

    pub(super) fn hear(&mut self, heartbeat: &proto::Heartbeat, now: Instant) {
        self.newest_heard = self.newest_heard.max(heartbeat.sent_ms);
        self.head = self.head.max(heartbeat.head);
        // Only an echo of something said since then proves that both directions work.
        if heartbeat.echo_ms > self.newest_echo && heartbeat.echo_ms <= self.newest_sent {
            self.newest_echo = heartbeat.echo_ms;
            self.echoed = now;
        }
    }

    pub(super) fn beat(&mut self, started: Instant, now: Instant, random: f64) -> Action {
        let sent = now.saturating_duration_since(started).as_millis() as u64;
        self.newest_sent = sent.max(self.newest_sent + 1);
        self.next = now + backoff::around(self.interval, random);
        Action::Send(from_node::M::Heartbeat(proto::Heartbeat {
            sent_ms: self.newest_sent,
            echo_ms: self.newest_heard,
            head: 0,
        }))
    }
}
