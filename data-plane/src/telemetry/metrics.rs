//! Counters: one shard per worker, each written by its own thread alone, added up when somebody asks.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;

use crate::proxy::error::Halt;

/// Upper bounds of the latency buckets, in milliseconds.
const BUCKETS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 60_000];

/// Why requests were answered here; the words of [`reason`].
const REASONS: [&str; 16] = [
    "no_route",
    "refused",
    "no_service",
    "protocol",
    "plugin",
    "plugin_error",
    "plugin_unknown",
    "dns",
    "connect",
    "connect_timeout",
    "timeout",
    "response",
    "body_too_large",
    "body_memory",
    "body_client",
    "other",
];

/// One worker's counters.
#[derive(Default)]
pub struct Shard {
    requests: [AtomicU64; 6],
    latency: [AtomicU64; 13],
    latency_ms: AtomicU64,
    proxied: AtomicU64,
    halted: [AtomicU64; 16],
    accepted: AtomicU64,
    closed: AtomicU64,
    skipped: AtomicU64,
    body_memory: AtomicU64,
    body_waits: AtomicU64,
    panics: AtomicU64,
}

/// One writer, so a plain add of two halves is enough: no locked instruction on the request path.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed) + count, Relaxed);
}

impl Shard {
    /// A request has ended.
    pub fn ended(&self, status: StatusCode, took: Duration, proxied: bool) {
        add(&self.requests[usize::from(status.as_u16() / 100).min(5)], 1);
        let ms = took.as_millis() as u64;
        let bucket = BUCKETS
            .iter()
            .position(|bound| ms <= *bound)
            .unwrap_or(BUCKETS.len());
        add(&self.latency[bucket], 1);
        add(&self.latency_ms, ms);
        add(&self.proxied, u64::from(proxied));
    }

    /// A request was answered here.
    pub fn halted(&self, halt: &Halt) {
        let reason = reason(halt);
        let place = REASONS
            .iter()
            .position(|known| *known == reason)
            .unwrap_or(REASONS.len() - 1);
        add(&self.halted[place], 1);
    }

    /// A connection was accepted.
    pub fn accepted(&self) {
        add(&self.accepted, 1);
    }

    /// A connection has ended.
    pub fn closed(&self) {
        add(&self.closed, 1);
    }

    /// A body was too large to transform.
    pub fn transform_skipped(&self) {
        add(&self.skipped, 1);
    }

    /// What large bodies have of this worker's memory now, in bytes.
    pub fn body_memory(&self, used: usize) {
        self.body_memory.store(used as u64, Relaxed);
    }

    /// A body has to wait for memory.
    pub fn body_waits(&self) {
        add(&self.body_waits, 1);
    }

    /// What [`Shard::body_memory`] and [`Shard::body_waits`] were told.
    #[cfg(test)]
    pub fn body_memory_now(&self) -> (u64, u64) {
        (
            self.body_memory.load(Relaxed),
            self.body_waits.load(Relaxed),
        )
    }

    /// A request panicked.
    pub fn panicked(&self) {
        add(&self.panics, 1);
    }
}

/// A bounded word for why a request was answered here.
fn reason(halt: &Halt) -> &'static str {
    match halt {
        Halt::NoRoute => "no_route",
        Halt::Refused(_) => "refused",
        Halt::NoService => "no_service",
        Halt::Protocol(_) => "protocol",
        Halt::Answer(_) => "plugin",
        Halt::Plugin(_) => "plugin_error",
        Halt::UnknownPlugin(_) => "plugin_unknown",
        Halt::Upstream(error) => error.reason(),
        Halt::Body(error) => error.reason(),
    }
}

/// Every worker's shard.
#[derive(Clone)]
pub struct Metrics(Arc<[Arc<Shard>]>);

impl Metrics {
    /// A shard for each of `workers`.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Arc::new(Shard::default())).collect())
    }

    /// The shard of one worker.
    pub fn shard(&self, worker: usize) -> Arc<Shard> {
        self.0[worker].clone()
    }

    /// A counter over all workers.
    fn sum(&self, pick: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.0.iter().map(|shard| pick(shard).load(Relaxed)).sum()
    }

    /// Requests that have ended.
    pub fn requests(&self) -> u64 {
        (0..6).map(|class| self.sum(|s| &s.requests[class])).sum()
    }

    /// Connections accepted, and how many are open.
    pub fn connections(&self) -> (u64, u64) {
        let accepted = self.sum(|s| &s.accepted);
        (accepted, accepted.saturating_sub(self.sum(|s| &s.closed)))
    }

    /// The table of this plane in the Prometheus text format.
    pub fn render(&self, out: &mut String) {
        crate::lua::health::render(out);
        head(
            out,
            "headgate_http_requests_total",
            "counter",
            "Requests that have ended, by class of status.",
        );
        for class in 1..6 {
            let count = self.sum(|s| &s.requests[class]);
            let _ = writeln!(
                out,
                "headgate_http_requests_total{{class=\"{class}xx\"}} {count}"
            );
        }
        head(
            out,
            "headgate_request_duration_ms",
            "histogram",
            "From the head of a request to the end of its answer.",
        );
        let mut below = 0;
        for (place, bound) in BUCKETS.iter().enumerate() {
            below += self.sum(|s| &s.latency[place]);
            let _ = writeln!(
                out,
                "headgate_request_duration_ms_bucket{{le=\"{bound}\"}} {below}"
            );
        }
        below += self.sum(|s| &s.latency[BUCKETS.len()]);
        let _ = writeln!(
            out,
            "headgate_request_duration_ms_bucket{{le=\"+Inf\"}} {below}"
        );
        let _ = writeln!(
            out,
            "headgate_request_duration_ms_sum {}",
            self.sum(|s| &s.latency_ms)
        );
        let _ = writeln!(out, "headgate_request_duration_ms_count {below}");
        head(
            out,
            "headgate_answered_here_total",
            "counter",
            "Requests that no upstream answered, by reason.",
        );
        for (place, reason) in REASONS.iter().enumerate() {
            let count = self.sum(|s| &s.halted[place]);
            let _ = writeln!(
                out,
                "headgate_answered_here_total{{reason=\"{reason}\"}} {count}"
            );
        }
        let (accepted, open) = self.connections();
        for (name, kind, help, value) in [
            (
                "headgate_requests_proxied_total",
                "counter",
                "Requests that an upstream answered.",
                self.sum(|s| &s.proxied),
            ),
            (
                "headgate_connections_accepted_total",
                "counter",
                "Client connections accepted.",
                accepted,
            ),
            (
                "headgate_connections_open",
                "gauge",
                "Client connections that are open.",
                open,
            ),
            (
                "headgate_transform_skipped_total",
                "counter",
                "Response bodies too large to transform.",
                self.sum(|s| &s.skipped),
            ),
            (
                "headgate_transform_memory_bytes",
                "gauge",
                "Memory of large bodies that are held whole.",
                self.sum(|s| &s.body_memory),
            ),
            (
                "headgate_transform_memory_waits_total",
                "counter",
                "Bodies that waited for memory.",
                self.sum(|s| &s.body_waits),
            ),
            (
                "headgate_panics_total",
                "counter",
                "Requests that panicked.",
                self.sum(|s| &s.panics),
            ),
        ] {
            head(out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
    }
}

/// The two lines before a metric.
pub fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let metrics = Metrics::new(2);
        metrics
            .shard(0)
            .ended(StatusCode::OK, Duration::from_millis(3), true);
        metrics
            .shard(1)
            .ended(StatusCode::NOT_FOUND, Duration::from_secs(100), false);
        metrics.shard(1).halted(&Halt::NoRoute);
        metrics.shard(1).accepted();
        let mut text = String::new();
        metrics.render(&mut text);
        for line in [
            "headgate_http_requests_total{class=\"2xx\"} 1",
            "headgate_http_requests_total{class=\"4xx\"} 1",
            "headgate_request_duration_ms_bucket{le=\"5\"} 1",
            "headgate_request_duration_ms_bucket{le=\"+Inf\"} 2",
            "headgate_answered_here_total{reason=\"no_route\"} 1",
            "headgate_connections_open 1",
            "headgate_requests_proxied_total 1",
        ] {
            assert!(
                text.lines().any(|l| l == line),
                "{line} is missing in\n{text}"
            );
        }
    }
}
