//! The thread that looks after calls. It sleeps while nothing has run for a while, so an idle node costs nothing.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::TICK;
use super::interrupt::POKE;

/// How many looks in a row find nothing before the thread goes to sleep.
const QUIET: u32 = 100;

/// What the watchdog knows of one thread that runs Lua.
#[derive(Debug)]
pub(super) struct Slot {
    watched: Arc<Watched>,
    /// The number of the last call.
    last: Cell<u64>,
}

#[derive(Debug)]
struct Watched {
    thread: libc::pthread_t,
    /// The thread's name, for the log.
    name: String,
    /// Whether the log has been told that its call does not come back.
    told: AtomicBool,
    /// The call that runs, by a number of its own; 0 while there is none.
    call: AtomicU64,
    /// Microseconds of CPU time that it may use.
    cpu: AtomicU64,
    /// The call that the watchdog last found. Only the watchdog writes it.
    found: AtomicU64,
    /// Microseconds since the start of the watchdog at which that call may be too old; 0 while it was found only once.
    due: AtomicU64,
    /// Held while a signal is sent, and taken away by the thread before it ends: no signal goes to a thread that is gone.
    alive: Mutex<bool>,
}

struct Watchdog {
    started: Instant,
    thread: Thread,
    sleeping: AtomicBool,
    watched: Mutex<Vec<Weak<Watched>>>,
}

/// Enters this thread into the list.
pub(super) fn register() -> Slot {
    let watched = Arc::new(Watched {
        // SAFETY: it has no preconditions.
        thread: unsafe { libc::pthread_self() },
        call: AtomicU64::new(0),
        cpu: AtomicU64::new(0),
        found: AtomicU64::new(0),
        due: AtomicU64::new(0),
        alive: Mutex::new(true),
        name: thread::current().name().unwrap_or("a thread").to_owned(),
        told: AtomicBool::new(false),
    });
    let mut list = locked(&watchdog().watched);
    list.retain(|other| other.strong_count() > 0);
    list.push(Arc::downgrade(&watched));
    drop(list);
    Slot {
        watched,
        last: Cell::new(0),
    }
}

impl Slot {
    /// A call begins that may take `cpu`.
    pub(super) fn begin(&self, cpu: Duration) {
        let dog = watchdog();
        self.last.set(self.last.get() + 1);
        let cpu = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
        self.watched.cpu.store(cpu, Ordering::Relaxed);
        self.watched.call.store(self.last.get(), Ordering::SeqCst);
        // After the store: either the dog sees the call, or we see that it sleeps.
        if dog.sleeping.load(Ordering::SeqCst) {
            dog.thread.unpark();
        }
    }

    /// It has ended.
    pub(super) fn end(&self) {
        self.watched.call.store(0, Ordering::Release);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *locked(&self.watched.alive) = false;
    }
}

static DOG: OnceLock<Watchdog> = OnceLock::new();

fn watchdog() -> &'static Watchdog {
    DOG.get_or_init(|| {
        let spawned = thread::Builder::new()
            .name("lua-watchdog".to_owned())
            .spawn(|| {
                loop {
                    match DOG.get() {
                        Some(dog) => dog.look(),
                        None => thread::sleep(TICK), // It is being made.
                    }
                }
            });
        Watchdog {
            started: Instant::now(),
            thread: spawned
                .expect("a process that serves can start one more thread")
                .thread()
                .clone(),
            sleeping: AtomicBool::new(false),
            watched: Mutex::default(),
        }
    })
}

impl Watchdog {
    /// Looks until nothing has run for a while, then sleeps until something does.
    fn look(&self) {
        let mut quiet = 0;
        while quiet < QUIET {
            thread::sleep(TICK);
            quiet = if self.poke_all() { 0 } else { quiet + 1 };
        }
        self.sleeping.store(true, Ordering::SeqCst);
        if !self.poke_all() {
            thread::park();
        }
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Pokes every thread whose call is to be counted or may be too old; says whether any runs one.
    fn poke_all(&self) -> bool {
        let now = self.started.elapsed().as_micros() as u64;
        let watched: Vec<_> = locked(&self.watched)
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        let mut running = false;
        for watched in watched {
            running |= watched.look(now);
        }
        running
    }
}

/// How long past its time a call may be before the log is told: it is in C or Rust, where nothing can end it.
const STUCK: u64 = 1_000_000;

/// How long the call that is longest past its time has been so; nothing while none is.
pub fn overdue() -> Duration {
    let late = held().into_iter().map(|(_, late)| late);
    late.max().unwrap_or(Duration::ZERO)
}

/// The threads whose call is past its time, by their names, and how long it has been so.
pub fn held() -> Vec<(String, Duration)> {
    let Some(dog) = DOG.get() else {
        return Vec::new(); // no Lua has run
    };
    let now = dog.started.elapsed().as_micros() as u64;
    let watched = locked(&dog.watched);
    let held = watched
        .iter()
        .filter_map(Weak::upgrade)
        .filter_map(|watched| {
            let due = watched.due.load(Ordering::Relaxed);
            let runs =
                watched.call.load(Ordering::Relaxed) == watched.found.load(Ordering::Relaxed);
            let late = Duration::from_micros(now.saturating_sub(due));
            (due != 0 && runs && due <= now).then(|| (watched.name.clone(), late))
        });
    held.collect()
}

impl Watched {
    /// Looks at the thread, `now` microseconds after the start; whether it runs a call.
    fn look(&self, now: u64) -> bool {
        let call = self.call.load(Ordering::SeqCst);
        let due = self.due.load(Ordering::Relaxed);
        if call == 0 || self.found.swap(call, Ordering::Relaxed) != call {
            self.due.store(0, Ordering::Relaxed);
            self.told.store(false, Ordering::Relaxed);
        } else if due == 0 {
            // Found a second time: from now on its CPU time is counted.
            let due = now.saturating_add(self.cpu.load(Ordering::Relaxed)).max(1);
            self.due.store(due, Ordering::Relaxed);
            self.poke();
        } else if due <= now {
            self.poke();
            self.notice(now - due);
        }
        call != 0
    }

    fn notice(&self, late: u64) {
        if late > STUCK && !self.told.swap(true, Ordering::Relaxed) {
            let thread = &self.name;
            tracing::error!(
                thread,
                "Lua does not come back, though its time is up: it is in a function that cannot be interrupted"
            );
        }
    }

    fn poke(&self) {
        let alive = locked(&self.alive);
        if *alive {
            // SAFETY: the thread lives, since it would wait for `alive` before it ends, and has the handler installed.
            unsafe { libc::pthread_kill(self.thread, POKE) };
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Watch;
    use crate::state::{Options, State};

    #[test]
    fn a_call_that_does_not_come_back_is_noticed() {
        let caller = thread::spawn(|| {
            let state = State::new(&Options::default()).expect("a state");
            let _watch = Watch::begin(state.interruptible(), Duration::from_millis(1));
            thread::sleep(Duration::from_millis(1500));
        });
        let began = Instant::now();
        while overdue() < Duration::from_secs(1) {
            assert!(began.elapsed() < Duration::from_secs(20), "nobody noticed");
            thread::sleep(TICK);
        }
        caller.join().expect("it only sleeps");
    }
}
