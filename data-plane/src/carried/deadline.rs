//! Deadlines by a coarse sweep: a timer per request would cost more instructions than parsing its head.
//!
//! A deadline is met within one tick ([`TICK`]) after it passed, never before.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How late a deadline may be noticed.
pub const TICK: Duration = Duration::from_millis(20);

/// The time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time ran out")]
pub struct Elapsed;

/// Runs `work` for at most `limit`; the clock starts now. Work that is ready at once costs no clock at all.
pub async fn within<F: Future>(limit: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    let mut guard = Guard::default();
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        guard.poll(limit, cx).map(Err)
    })
    .await
}

/// A deadline that a hand-written future polls after its own work was not ready.
#[derive(Default)]
pub struct Guard {
    entry: Option<(usize, Instant)>,
}

impl Guard {
    /// Pending until `limit` has passed since the first poll after [`Guard::reset`].
    pub fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<Elapsed> {
        match self.entry {
            None => {
                let at = Instant::now() + limit;
                self.entry = Some((
                    SWEEP.with_borrow_mut(|sweep| sweep.insert(at, cx.waker().clone())),
                    at,
                ));
                Poll::Pending
            }
            Some((_, at)) if Instant::now() >= at => {
                self.reset();
                Poll::Ready(Elapsed)
            }
            Some((key, _)) => {
                SWEEP.with_borrow_mut(|sweep| sweep.refresh(key, cx.waker()));
                Poll::Pending
            }
        }
    }

    /// Forgets the deadline; the next poll starts a new one.
    pub fn reset(&mut self) {
        if let Some((key, _)) = self.entry.take() {
            SWEEP.with_borrow_mut(|sweep| sweep.remove(key));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.reset();
    }
}

thread_local!(static SWEEP: RefCell<Sweep> = RefCell::new(Sweep::default()));

/// The deadlines of one thread.
#[derive(Default)]
struct Sweep {
    entries: Vec<Option<(Instant, Waker)>>,
    free: Vec<usize>,
    running: bool,
}

impl Sweep {
    fn insert(&mut self, at: Instant, waker: Waker) -> usize {
        if !self.running {
            self.running = true;
            tokio::task::spawn_local(sweep());
        }
        match self.free.pop() {
            Some(key) => {
                self.entries[key] = Some((at, waker));
                key
            }
            None => {
                self.entries.push(Some((at, waker)));
                self.entries.len() - 1
            }
        }
    }

    fn refresh(&mut self, key: usize, waker: &Waker) {
        if let Some((_, kept)) = &mut self.entries[key]
            && !kept.will_wake(waker)
        {
            kept.clone_from(waker);
        }
    }

    fn remove(&mut self, key: usize) {
        self.entries[key] = None;
        self.free.push(key);
    }

    fn due(&self, now: Instant) -> Vec<Waker> {
        self.entries
            .iter()
            .flatten()
            .filter(|(at, _)| *at <= now)
            .map(|(_, waker)| waker.clone())
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.free.len() == self.entries.len()
    }
}

/// Wakes what is due, once a tick, as long as this thread has deadlines.
async fn sweep() {
    // A thread under load always has one: a few empty ticks are cheaper than starting the task again each time.
    let mut idle = 0;
    while idle < 50 {
        tokio::time::sleep(TICK).await;
        let (due, empty) = SWEEP.with_borrow(|sweep| (sweep.due(Instant::now()), sweep.is_empty()));
        // Outside the borrow: a waker may poll at once.
        due.into_iter().for_each(Waker::wake);
        idle = if empty { idle + 1 } else { 0 };
    }
    // No await since the last look, so nothing came in between.
    SWEEP.with_borrow_mut(|sweep| sweep.running = false);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn local<F: Future>(work: F) -> F::Output {
        tokio::task::LocalSet::new().run_until(work).await
    }

    #[tokio::test]
    async fn work_that_is_ready_needs_no_deadline() {
        local(async {
            assert_eq!(within(Duration::from_secs(1), async { 7 }).await, Ok(7));
            assert!(SWEEP.with_borrow(|s| s.entries.is_empty()));
        })
        .await;
    }

    #[tokio::test]
    async fn a_deadline_passes_once_its_time_is_over_and_not_before() {
        local(async {
            let start = Instant::now();
            let answer = within(Duration::from_millis(60), std::future::pending::<()>()).await;
            assert_eq!(answer, Err(Elapsed));
            assert!(start.elapsed() >= Duration::from_millis(60));
        })
        .await;
    }

    #[tokio::test]
    async fn work_that_ends_first_leaves_nothing_behind() {
        local(async {
            let slow = async { tokio::time::sleep(Duration::from_millis(30)).await };
            assert_eq!(within(Duration::from_secs(60), slow).await, Ok(()));
            assert!(SWEEP.with_borrow(Sweep::is_empty));
        })
        .await;
    }
}
