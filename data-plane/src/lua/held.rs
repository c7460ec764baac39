//! Workers that Lua holds: a call that has not returned, though its time is up, is in a function that nothing can interrupt
//! (custom-plugins.md 6.3). The log and a metric name the plugin; new connections go to other workers until it is back.
//!
//! The watchdog of the engine knows threads; what a thread runs is noted here, at the price of two stores for each poll of a
//! call.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lua::pdk::Phase;

use crate::listen::Doors;

/// How long a call may be past its time before its worker counts as held.
const HELD: Duration = Duration::from_secs(1);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What is noted of each thread, by its name: a place in the list of labels, counted from 1, and a phase.
static THREADS: LazyLock<Mutex<BTreeMap<String, Arc<AtomicU32>>>> = LazyLock::new(Mutex::default);
/// Every label that plugins have had in this process: as many as versions.
static LABELS: Mutex<Vec<Arc<str>>> = Mutex::new(Vec::new());

thread_local! {
    static RUNS: Arc<AtomicU32> = {
        let runs = Arc::new(AtomicU32::new(0));
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        locked(&THREADS).insert(name, runs.clone());
        runs
    };
}

/// The number of a plugin's label, to be noted.
pub(super) fn number(label: &Arc<str>) -> u32 {
    let mut labels = locked(&LABELS);
    let known = labels.iter().position(|known| known == label);
    let place = known.unwrap_or_else(|| {
        labels.push(label.clone());
        labels.len() - 1
    });
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

/// Notes what this thread runs, until this is dropped.
pub(super) struct Noted(u32);

impl Noted {
    /// A call of a plugin, in a phase, goes on.
    pub(super) fn new(label: u32, phase: Phase) -> Self {
        let noted = label << 8 | phase as u32;
        Self(RUNS.with(|runs| {
            let before = runs.load(Relaxed);
            runs.store(noted, Relaxed);
            before
        }))
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        RUNS.with(|runs| runs.store(self.0, Relaxed));
    }
}

/// A worker that Lua holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    worker: String,
    /// How long past its time the call is.
    late: Duration,
    /// The label of the plugin, and the phase; unknown where no plugin is called, as for a template.
    what: Option<(Arc<str>, Phase)>,
}

fn all() -> Vec<Held> {
    let late = lua::limits::held();
    let held = late.into_iter().filter(|(_, late)| *late >= HELD);
    held.map(|(worker, late)| Held {
        what: runs(&worker),
        worker,
        late,
    })
    .collect()
}

/// What a thread runs.
fn runs(thread: &str) -> Option<(Arc<str>, Phase)> {
    let noted = locked(&THREADS).get(thread)?.load(Relaxed);
    let label = usize::try_from(noted >> 8).ok()?.checked_sub(1)?;
    let phase = Phase::ALL.get(noted as usize & 0xff)?;
    Some((locked(&LABELS).get(label)?.clone(), *phase))
}

/// Looks at the workers for as long as the node runs: `doors` of those that are held are closed, and opened when they are
/// back.
pub async fn watch(mut doors: Doors) {
    let mut tick = tokio::time::interval(LOOK);
    let mut before: Vec<String> = Vec::new();
    loop {
        tick.tick().await;
        let held = all();
        for held in held.iter().filter(|held| !before.contains(&held.worker)) {
            let worker = &held.worker;
            let (plugin, phase) = held
                .what
                .as_ref()
                .map_or(("Lua", ""), |(label, phase)| (&**label, phase.name()));
            tracing::error!(
                worker,
                "[{plugin}] {phase} does not come back, though its time is up: other workers get what comes in"
            );
        }
        let now: Vec<String> = held.into_iter().map(|held| held.worker).collect();
        for worker in before.iter().filter(|worker| !now.contains(worker)) {
            tracing::warn!(
                worker,
                "Lua has come back, and so has the worker that it held"
            );
        }
        doors.close_only(&now);
        before = now;
    }
}

/// The workers that are held, as Prometheus reads them.
pub(super) fn render(out: &mut String) {
    let metric = "headgate_lua_held_seconds";
    // Writing to a text cannot fail.
    let _ = writeln!(
        out,
        "# HELP {metric} How long Lua has held a worker beyond its time, by what it runs.\n# TYPE {metric} gauge"
    );
    for Held { worker, late, what } in all() {
        let (plugin, phase) = what.map_or_else(
            || (String::new(), ""),
            |(label, phase)| {
                (
                    label.split('@').next().unwrap_or_default().to_owned(),
                    phase.name(),
                )
            },
        );
        let late = late.as_secs_f64();
        let _ = writeln!(
            out,
            "{metric}{{worker=\"{worker}\",plugin=\"{plugin}\",phase=\"{phase}\"}} {late}"
        );
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_runs_is_noted_and_what_it_ran_before_after_it() {
        let thread = std::thread::Builder::new().name("held-test".to_owned());
        let ran = thread.spawn(|| {
            let (one, other) = (
                number(&"one@1.0.0 a".into()),
                number(&"other@1.0.0 b".into()),
            );
            assert_eq!(number(&"one@1.0.0 a".into()), one);
            let now =
                || runs("held-test").map(|(label, phase)| format!("{label} {}", phase.name()));
            let mut said = vec![now()];
            {
                let _first = Noted::new(one, Phase::Access);
                said.push(now());
                {
                    let _second = Noted::new(other, Phase::Timer);
                    said.push(now());
                }
                said.push(now());
            }
            said.push(now());
            said
        });
        let said = ran.expect("a thread").join().expect("it ends");
        let some = |text: &str| Some(text.to_owned());
        let first = some("one@1.0.0 a access");
        assert_eq!(
            said,
            [
                None,
                first.clone(),
                some("other@1.0.0 b timer"),
                first,
                None
            ]
        );
    }
}
