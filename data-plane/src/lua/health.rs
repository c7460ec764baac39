//! How the calls of plugins in Lua end: counters per worker, plugin and phase, and whether a plugin fails too often
//! (custom-plugins.md 6.3, 7.5).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lua::pdk::Phase;
use shared::sync::proto;

/// The phases that are told apart.
const PHASES: [Phase; 11] = [
    Phase::InitWorker,
    Phase::Configure,
    Phase::Certificate,
    Phase::Rewrite,
    Phase::Access,
    Phase::Response,
    Phase::HeaderFilter,
    Phase::BodyFilter,
    Phase::Log,
    Phase::Preread,
    Phase::Timer,
];

/// A plugin that fails in at least half of at least this many calls ...
const CALLS: u64 = 20;
/// ... within this time is not healthy.
const WINDOW: Duration = Duration::from_secs(10);

/// Every plugin that has run here, by name.
static PLUGINS: LazyLock<Mutex<BTreeMap<Arc<str>, Arc<Health>>>> = LazyLock::new(Mutex::default);

thread_local! {
    static SHARDS: RefCell<HashMap<Arc<str>, Arc<Shard>>> = RefCell::default();
}

/// One plugin on this node.
pub struct Health {
    name: Arc<str>,
    shards: Mutex<Vec<Arc<Shard>>>,
    window: Mutex<Window>,
    unhealthy: AtomicBool,
    last_error: Mutex<Option<String>>,
}

/// One worker's counters of one plugin; only that worker writes them.
#[derive(Default)]
pub struct Shard {
    of: Option<Arc<Health>>,
    phases: [Counters; PHASES.len()],
    /// Bytes of Lua memory that it holds there.
    memory: AtomicU64,
    /// Whether it may not run there.
    suspended: AtomicBool,
}

#[derive(Default)]
struct Counters {
    calls: AtomicU64,
    errors: AtomicU64,
    nanos: AtomicU64,
}

/// The calls since some moment.
struct Window {
    since: Instant,
    calls: u64,
    errors: u64,
}

/// What is known of a plugin on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub name: Arc<str>,
    /// How often it was called.
    pub calls: u64,
    /// How many of these calls failed.
    pub errors: u64,
    /// Whether it fails too often just now.
    pub unhealthy: bool,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// Bytes of Lua memory that it held when workers last weighed it, all together.
    pub memory: u64,
    /// On how many workers it is suspended.
    pub suspended: u32,
}

/// This worker's counters of a plugin.
pub fn shard(name: &Arc<str>) -> Arc<Shard> {
    SHARDS.with_borrow_mut(|shards| {
        if let Some(shard) = shards.get(name) {
            return shard.clone();
        }
        let health = locked(&PLUGINS)
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Health::new(name.clone())))
            .clone();
        let shard = Arc::new(Shard {
            of: Some(health.clone()),
            ..Shard::default()
        });
        locked(&health.shards).push(shard.clone());
        shards.insert(name.clone(), shard.clone());
        shard
    })
}

/// What is known of every plugin.
pub fn summaries() -> Vec<Summary> {
    let plugins: Vec<_> = locked(&PLUGINS).values().cloned().collect();
    plugins.iter().map(|health| health.summary()).collect()
}

/// When the control plane is told how plugins are.
#[derive(Default)]
pub struct Reports {
    last: Option<(Instant, Vec<Summary>)>,
}

/// How often, if no plugin begins or ceases to fail (7.5).
const REPORT: Duration = Duration::from_secs(60);

impl Reports {
    /// What is to be told now, if anything is: once a minute what has changed, at once when the health of one has.
    pub fn due(&mut self, now: Instant) -> Option<proto::Status> {
        let summaries = summaries();
        let (at, told) = match &self.last {
            Some((at, told)) => (Some(*at), told.as_slice()),
            None => (None, [].as_slice()),
        };
        let flipped = summaries.iter().any(|now| {
            let before = told.iter().find(|told| told.name == now.name);
            let before = before.map_or((false, 0), |told| (told.unhealthy, told.suspended));
            before != (now.unhealthy, now.suspended)
        });
        let over = at.is_none_or(|at| now.saturating_duration_since(at) >= REPORT);
        if !(flipped || over && summaries != told) {
            return None;
        }
        let plugins = summaries.iter().map(|summary| proto::PluginHealth {
            name: summary.name.to_string(),
            calls: summary.calls,
            errors: summary.errors,
            unhealthy: summary.unhealthy,
            last_error: summary.last_error.clone().unwrap_or_default(),
            memory: summary.memory,
            suspended: summary.suspended,
        });
        let plugins = plugins.collect();
        self.last = Some((now, summaries));
        Some(proto::Status {
            plugins,
            ..proto::Status::default()
        })
    }
}

/// The counters as Prometheus reads them.
pub fn render(out: &mut String) {
    let plugins: Vec<_> = locked(&PLUGINS).values().cloned().collect();
    if plugins.is_empty() {
        return;
    }
    let metric = "headgate_lua_overdue_seconds";
    let overdue = lua::limits::overdue().as_secs_f64();
    let _ = writeln!(
        out,
        "# HELP {metric} How long Lua has held a worker beyond its time.\n# TYPE {metric} gauge\n{metric} {overdue}"
    );
    super::held::render(out);
    type Read = fn(&Counters) -> &AtomicU64;
    let tables: [(&str, &str, Read); 2] = [
        (
            "headgate_lua_plugin_calls_total",
            "Calls of handlers of plugins in Lua.",
            |counters| &counters.calls,
        ),
        (
            "headgate_lua_plugin_errors_total",
            "Calls of handlers of plugins in Lua that failed.",
            |counters| &counters.errors,
        ),
    ];
    // Writing to a text cannot fail.
    for (metric, help, read) in tables {
        let _ = writeln!(out, "# HELP {metric} {help}\n# TYPE {metric} counter");
        for health in &plugins {
            for (place, phase) in PHASES.iter().enumerate() {
                if health.sum(place, |counters| &counters.calls) > 0 {
                    let (name, phase, count) =
                        (&health.name, phase.name(), health.sum(place, read));
                    let _ = writeln!(
                        out,
                        "{metric}{{plugin=\"{name}\",phase=\"{phase}\"}} {count}"
                    );
                }
            }
        }
    }
    let metric = "headgate_lua_plugin_duration_seconds";
    let _ = writeln!(
        out,
        "# HELP {metric} Time that calls of handlers took, waiting included.\n# TYPE {metric} summary"
    );
    for health in &plugins {
        for (place, phase) in PHASES.iter().enumerate() {
            let calls = health.sum(place, |counters| &counters.calls);
            if calls > 0 {
                let seconds = health.sum(place, |counters| &counters.nanos) as f64 / 1e9;
                let labels = format!("{{plugin=\"{}\",phase=\"{}\"}}", health.name, phase.name());
                let _ = writeln!(out, "{metric}_sum{labels} {seconds}");
                let _ = writeln!(out, "{metric}_count{labels} {calls}");
            }
        }
    }
    type Gauge = fn(&Summary) -> u64;
    let gauges: [(&str, &str, Gauge); 3] = [
        (
            "headgate_lua_plugin_unhealthy",
            "Whether a plugin fails in at least half of its calls just now.",
            |summary| summary.unhealthy.into(),
        ),
        (
            "headgate_lua_plugin_memory_bytes",
            "Lua memory that a plugin held on all workers when they last weighed it.",
            |summary| summary.memory,
        ),
        (
            "headgate_lua_plugin_suspended_workers",
            "Workers on which a plugin may not run, since it held too much memory.",
            |summary| summary.suspended.into(),
        ),
    ];
    let summaries: Vec<_> = plugins.iter().map(|health| health.summary()).collect();
    for (metric, help, read) in gauges {
        let _ = writeln!(out, "# HELP {metric} {help}\n# TYPE {metric} gauge");
        for summary in &summaries {
            let (name, value) = (&summary.name, read(summary));
            let _ = writeln!(out, "{metric}{{plugin=\"{name}\"}} {value}");
        }
    }
}

impl Shard {
    /// What it holds on this worker, in bytes.
    pub(super) fn holds(&self, bytes: u64) {
        self.memory.store(bytes, Relaxed);
    }

    /// Whether it may not run on this worker.
    pub(super) fn suspend(&self, suspended: bool) {
        self.suspended.store(suspended, Relaxed);
        if suspended {
            self.holds(0);
        }
    }

    /// A call has ended; `failure` is what it failed with.
    pub fn ended(&self, phase: Phase, took: Duration, failure: Option<&str>) {
        let Some(place) = PHASES.iter().position(|of| *of == phase) else {
            return;
        };
        let add = |counter: &AtomicU64, count: u64| {
            counter.store(counter.load(Relaxed) + count, Relaxed);
        };
        let counters = &self.phases[place];
        add(&counters.calls, 1);
        add(&counters.nanos, took.as_nanos() as u64);
        if let Some(failure) = failure {
            add(&counters.errors, 1);
            if let Some(health) = &self.of {
                health.failed(failure, Instant::now());
            }
        }
    }
}

impl Health {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            shards: Mutex::default(),
            window: Mutex::new(Window {
                since: Instant::now(),
                calls: 0,
                errors: 0,
            }),
            unhealthy: AtomicBool::new(false),
            last_error: Mutex::default(),
        }
    }

    fn sum(&self, place: usize, read: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        let shards = locked(&self.shards);
        let counts = shards
            .iter()
            .map(|shard| read(&shard.phases[place]).load(Relaxed));
        counts.sum()
    }

    fn totals(&self) -> (u64, u64) {
        let all = |read: fn(&Counters) -> &AtomicU64| {
            (0..PHASES.len()).map(|place| self.sum(place, read)).sum()
        };
        (
            all(|counters| &counters.calls),
            all(|counters| &counters.errors),
        )
    }

    /// A call failed. Only then is the window looked at: calls that end well cost no lock.
    fn failed(&self, failure: &str, now: Instant) {
        *locked(&self.last_error) = Some(failure.chars().take(1000).collect());
        self.judge(now);
    }

    fn judge(&self, now: Instant) {
        let (calls, errors) = self.totals();
        let mut window = locked(&self.window);
        let (recent, failed) = (calls - window.calls, errors - window.errors);
        let bad = recent >= CALLS && failed * 2 >= recent;
        let over = now.saturating_duration_since(window.since) > WINDOW;
        if bad || over {
            let was = self.unhealthy.swap(bad, Relaxed);
            match (was, bad) {
                (false, true) => {
                    tracing::error!(plugin = %self.name, failed, calls = recent, "the plugin fails in at least half of its calls");
                }
                (true, false) => tracing::warn!(plugin = %self.name, "the plugin works again"),
                _ => {}
            }
        }
        if over {
            *window = Window {
                since: now,
                calls,
                errors,
            };
        }
    }

    fn summary(&self) -> Summary {
        self.judge(Instant::now());
        let (calls, errors) = self.totals();
        let shards = locked(&self.shards).clone();
        Summary {
            name: self.name.clone(),
            calls,
            errors,
            unhealthy: self.unhealthy.load(Relaxed),
            last_error: locked(&self.last_error).clone(),
            memory: shards.iter().map(|shard| shard.memory.load(Relaxed)).sum(),
            suspended: shards
                .iter()
                .map(|shard| u32::from(shard.suspended.load(Relaxed)))
                .sum(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_plane_is_told_once_a_minute_and_when_health_changes() {
        let name: Arc<str> = "reports-test".into();
        let own = shard(&name);
        let ours = |status: Option<proto::Status>| {
            let plugins = status.map_or_else(Vec::new, |status| status.plugins);
            let found = plugins
                .into_iter()
                .find(|plugin| plugin.name == "reports-test");
            found.map(|plugin| (plugin.calls, plugin.unhealthy))
        };
        let mut reports = Reports::default();
        let start = Instant::now();
        own.ended(Phase::Access, Duration::ZERO, None);
        assert_eq!(ours(reports.due(start)), Some((1, false)));
        own.ended(Phase::Access, Duration::ZERO, None);
        assert_eq!(
            ours(reports.due(start + Duration::from_secs(61))),
            Some((2, false))
        );
        for _ in 0..30 {
            own.ended(Phase::Access, Duration::ZERO, Some("boom"));
        }
        assert_eq!(
            ours(reports.due(start + Duration::from_secs(62))),
            Some((32, true))
        );
    }

    #[test]
    fn a_plugin_that_fails_in_half_of_twenty_calls_is_not_healthy_until_it_works_again() {
        let name: Arc<str> = "health-test".into();
        let own = shard(&name);
        let health = own.of.clone().expect("it belongs to a plugin");
        let took = Duration::from_millis(1);
        for _ in 0..10 {
            own.ended(Phase::Access, took, None);
        }
        for n in 0..10 {
            assert!(!health.summary().unhealthy, "after {n} failures");
            own.ended(Phase::Log, took, Some("boom"));
        }
        let summary = health.summary();
        assert!(summary.unhealthy);
        assert_eq!((summary.calls, summary.errors), (20, 10));
        assert_eq!(summary.last_error.as_deref(), Some("boom"));
        own.holds(4096);
        let mut text = String::new();
        render(&mut text);
        for line in [
            "headgate_lua_plugin_calls_total{plugin=\"health-test\",phase=\"access\"} 10",
            "headgate_lua_plugin_errors_total{plugin=\"health-test\",phase=\"log\"} 10",
            "headgate_lua_plugin_duration_seconds_count{plugin=\"health-test\",phase=\"log\"} 10",
            "headgate_lua_plugin_unhealthy{plugin=\"health-test\"} 1",
            "headgate_lua_plugin_memory_bytes{plugin=\"health-test\"} 4096",
            "headgate_lua_plugin_suspended_workers{plugin=\"health-test\"} 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        // A new window, in which it works.
        health.judge(Instant::now() + WINDOW * 2);
        for _ in 0..30 {
            own.ended(Phase::Access, took, None);
        }
        health.judge(Instant::now() + WINDOW * 4);
        assert!(!health.summary().unhealthy);
    }
}
