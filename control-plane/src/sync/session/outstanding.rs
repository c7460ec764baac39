//! The update that a node has not answered yet.

use super::super::target::{Target, Way};
use shared::sync::proto::{self, Update};
use shared::sync::{Version, frame};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// sync-protocol.md 5, timers.
const PROGRESS: Duration = Duration::from_secs(60);
const PROGRESS_BYTES: usize = 16 * 1024 * 60;

/// The update that the node has not answered yet.
pub(super) struct Outstanding {
    pub(super) id: u64,
    pub(super) target: Version,
    pub(super) began: Instant,
    /// What is left to send.
    parts: Option<Box<dyn Iterator<Item = Update> + Send>>,
    /// Data sent since `window` began.
    sent: usize,
    window: Instant,
    /// Held by a snapshot until it is answered.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Outstanding {
    pub(super) fn new(
        id: u64,
        target: &Target,
        way: Way,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Outstanding {
        let begin = proto::Begin {
            base: way.base.map(Into::into),
            target: Some(target.version.into()),
            raw_bytes: way.frame.raw_bytes,
            state_bytes: target.state.bytes(),
            explicit_empty: target.explicit_empty,
            retry: false,
        };
        let now = Instant::now();
        Outstanding {
            id,
            target: target.version,
            began: now,
            parts: Some(Box::new(frame::updates(id, begin, &way.frame.data))),
            sent: 0,
            window: now,
            _permit: permit,
        }
    }

    /// Whether parts of it are left to send.
    pub(super) fn is_sending(&self) -> bool {
        self.parts.is_some()
    }

    /// The next part.
    pub(super) fn next_part(&mut self) -> Option<Update> {
        let part = self.parts.as_mut().and_then(Iterator::next);
        match &part {
            Some(part) if !part.last => self.sent += part.data.len(),
            _ => self.parts = None,
        }
        part
    }

    /// Whether the node takes the parts too slowly: less than 16 KiB/s over a minute.
    pub(super) fn is_too_slow(&mut self) -> bool {
        if !self.is_sending() || self.window.elapsed() <= PROGRESS {
            return false;
        }
        let slow = self.sent < PROGRESS_BYTES;
        (self.sent, self.window) = (0, Instant::now());
        slow
    }
}
