//! Whose turn it is, without a cache line that two cores write.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A counter per worker, each on a cache line of its own.
#[derive(Debug, Default)]
pub struct Turns([Turn; 16]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Turn(AtomicU64);

impl Turns {
    /// The number of this worker's next turn.
    pub fn next(&self) -> u64 {
        let place = place();
        self.0[place % self.0.len()]
            .0
            .fetch_add(1, Ordering::Relaxed)
    }
}

/// Which of the threads this is, counted from 0.
fn place() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static PLACE: Cell<Option<usize>> = const { Cell::new(None) });
    PLACE.get().unwrap_or_else(|| {
        let place = THREADS.fetch_add(1, Ordering::Relaxed);
        PLACE.set(Some(place));
        place
    })
}
