//! The memory of a worker for bodies that are held whole. When it is full, bodies wait their turn and are not read on.
//!
//! A body that is collected asks for more as it grows ([`Charge::grow`]), and what it has is given back when its bytes
//! are freed, wherever they were handed on to ([`Charge::hold`]): a client that does not read its answer keeps its part.
//! The first [`FREE`] bytes of a body are not counted, so a small one meets nothing of this: a connection's own buffers
//! are as large.
//!
//! Bodies that have begun could all wait for each other. So the oldest that still grows may go beyond the total, by as
//! much as one body may have: it always gets whole, then the next is the oldest. No body overtakes an older one that
//! waits, and none waits longer than [`Limits::wait`].
//!
//! A worker is one thread, and its account belongs to that thread: plain cells, no lock, no counter that two cores write.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use crate::telemetry::metrics::Shard;

/// What of each body is not counted.
pub const FREE: usize = 64 * 1024;

/// What is asked for at first; each time after, as much again as there is.
const FIRST: usize = 256 * 1024;

/// How much memory a worker has for bodies.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For all of them together, in bytes.
    pub total: usize,
    /// For one, in bytes.
    pub body: usize,
    /// How long one may wait for its turn.
    pub wait: Duration,
}

/// No memory within the time that a body may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for the body within {} s", .0.as_secs_f64())]
pub struct Overloaded(pub Duration);

/// Sets up the account of this thread.
pub fn open(limits: Limits, metrics: Arc<Shard>) {
    ACCOUNT.with(|account| {
        account.limits.set(limits);
        account.metrics.replace(metrics);
    });
}

/// Keeps account of bytes that are made already, such as a changed body, until they are freed.
pub fn hold(bytes: Bytes) -> Bytes {
    if bytes.len() <= FREE {
        return bytes;
    }
    let mut charge = Charge::default();
    charge.set(bytes.len());
    charge.hold(bytes)
}

/// What one body has of the worker's memory.
#[derive(Debug, Default)]
pub struct Charge {
    /// Its place in the queue; 0 before it has one.
    ticket: u64,
    held: usize,
}

impl Charge {
    /// Waits until the body may have `length` bytes, of at most `most`; answers how many it may have now, which is
    /// usually more, so that it need not ask for every frame.
    ///
    /// # Errors
    /// [`Overloaded`] if there was no room in time; what it had before it keeps.
    pub async fn grow(&mut self, length: usize, most: usize) -> Result<usize, Overloaded> {
        if length <= FREE.max(self.held) {
            return Ok(FREE.max(self.held));
        }
        let wanted = length.max(self.held * 2).max(FIRST).min(most.max(length));
        let more = wanted - self.held;
        if self.ticket == 0 {
            self.ticket = ACCOUNT.with(Account::enter);
        }
        if !ACCOUNT.with(|account| account.take(self.ticket, more)) {
            Turn {
                ticket: self.ticket,
                more,
            }
            .wait()
            .await?;
        }
        self.held = wanted;
        Ok(wanted)
    }

    /// The body is whole: from now on it has what its bytes need, until the last reference to them is gone.
    pub fn hold(mut self, bytes: impl AsRef<[u8]> + Into<Bytes> + Send + 'static) -> Bytes {
        if self.held == 0 {
            return bytes.into();
        }
        self.set(bytes.as_ref().len());
        // It does not grow any more, so it is not what others wait for.
        ACCOUNT.with(|account| account.leave(self.ticket));
        Bytes::from_owner(Held {
            bytes,
            _charge: self,
        })
    }

    fn set(&mut self, held: usize) {
        ACCOUNT.with(|account| account.change(self.held, held));
        self.held = held;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.ticket == 0 && self.held == 0 {
            return;
        }
        // A thread that ends may have lost its account before the last body.
        let _ = ACCOUNT.try_with(|account| {
            account.change(self.held, 0);
            account.leave(self.ticket);
        });
    }
}

struct Held<T> {
    bytes: T,
    _charge: Charge,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// A body that waits. Dropped, it leaves the queue.
struct Turn {
    ticket: u64,
    more: usize,
}

impl Turn {
    async fn wait(self) -> Result<(), Overloaded> {
        let limit = ACCOUNT.with(Account::waits);
        let turn = std::future::poll_fn(|cx| ACCOUNT.with(|account| account.poll(&self, cx)));
        tokio::time::timeout(limit, turn)
            .await
            .map_err(|_| Overloaded(limit))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = ACCOUNT.try_with(|account| account.stop_waiting(self.ticket));
    }
}

thread_local!(static ACCOUNT: Account = Account::default());

/// One thread's account. Tickets are handed out in the order in which bodies first asked.
struct Account {
    limits: Cell<Limits>,
    used: Cell<usize>,
    last: Cell<u64>,
    /// Those that may ask for more.
    growing: RefCell<BTreeSet<u64>>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
    metrics: RefCell<Arc<Shard>>,
}

impl Default for Account {
    /// Without limits, until [`open`].
    fn default() -> Self {
        Self {
            limits: Cell::new(Limits {
                total: usize::MAX,
                body: 0,
                wait: Duration::ZERO,
            }),
            used: Cell::default(),
            last: Cell::default(),
            growing: RefCell::default(),
            waiting: RefCell::default(),
            metrics: RefCell::default(),
        }
    }
}

impl Account {
    fn enter(&self) -> u64 {
        let ticket = self.last.get() + 1;
        self.last.set(ticket);
        self.growing.borrow_mut().insert(ticket);
        ticket
    }

    fn take(&self, ticket: u64, more: usize) -> bool {
        let overtakes = self
            .waiting
            .borrow()
            .first_key_value()
            .is_some_and(|(first, _)| *first < ticket);
        let limits = self.limits.get();
        let most = match self.growing.borrow().first() {
            Some(oldest) if *oldest == ticket => limits.total.saturating_add(limits.body),
            _ => limits.total,
        };
        let fits = !overtakes && self.used.get().saturating_add(more) <= most;
        if fits {
            self.used.set(self.used.get() + more);
            self.metrics.borrow().body_memory(self.used.get());
        }
        fits
    }

    fn waits(&self) -> Duration {
        self.metrics.borrow().body_waits();
        self.limits.get().wait
    }

    fn poll(&self, turn: &Turn, cx: &mut Context<'_>) -> Poll<()> {
        if self.take(turn.ticket, turn.more) {
            return Poll::Ready(()); // It leaves the queue as it is dropped, and wakes the next.
        }
        self.waiting
            .borrow_mut()
            .insert(turn.ticket, cx.waker().clone());
        Poll::Pending
    }

    fn stop_waiting(&self, ticket: u64) {
        self.waiting.borrow_mut().remove(&ticket);
        self.wake();
    }

    fn change(&self, from: usize, to: usize) {
        if from == to {
            return;
        }
        self.used.set(self.used.get() - from + to);
        self.metrics.borrow().body_memory(self.used.get());
        if to < from {
            self.wake();
        }
    }

    fn leave(&self, ticket: u64) {
        if self.growing.borrow_mut().remove(&ticket) {
            self.wake();
        }
    }

    /// Lets the first in the queue look whether its turn has come; it wakes the next if so.
    fn wake(&self) {
        let first = self.waiting.borrow();
        if let Some((_, waker)) = first.first_key_value() {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    const M: usize = 1 << 20;

    /// An account of its own: every test has a thread.
    fn opened(total: usize, body: usize) -> Arc<Shard> {
        let metrics = Arc::new(Shard::default());
        let wait = Duration::from_secs(5);
        open(Limits { total, body, wait }, metrics.clone());
        metrics
    }

    fn used() -> usize {
        ACCOUNT.with(|account| account.used.get())
    }

    async fn grown(length: usize) -> Charge {
        let mut charge = Charge::default();
        charge.grow(length, length).await.expect("there is room");
        charge
    }

    #[tokio::test]
    async fn a_small_body_is_not_counted() {
        opened(0, 0);
        let mut charge = Charge::default();
        assert_eq!(charge.grow(FREE, 8 * M).await, Ok(FREE));
        assert_eq!(charge.hold(vec![1; FREE]), vec![1; FREE]);
        assert_eq!(hold(Bytes::from(vec![1; FREE])).len(), FREE);
        assert_eq!(used(), 0);
    }

    #[tokio::test]
    async fn a_body_has_its_part_until_its_last_byte_is_freed() {
        opened(8 * M, 8 * M);
        let mut charge = Charge::default();
        assert_eq!(charge.grow(FREE + 1, 8 * M).await, Ok(FIRST));
        assert_eq!(charge.grow(FIRST, 8 * M).await, Ok(FIRST));
        assert_eq!(charge.grow(FIRST + 1, 8 * M).await, Ok(2 * FIRST));
        assert_eq!(charge.grow(3 * M, 3 * M).await, Ok(3 * M));
        assert_eq!(used(), 3 * M);
        let mut bytes = charge.hold(vec![7; 2 * M]);
        assert_eq!(used(), 2 * M, "what it was given too much is back");
        let tail = bytes.split_off(2 * M - 1);
        drop(bytes);
        assert_eq!(used(), 2 * M);
        drop(tail);
        assert_eq!(used(), 0);
        drop(hold(Bytes::from(vec![1; M])));
        assert_eq!(used(), 0);
    }

    #[tokio::test]
    async fn bodies_wait_in_the_order_in_which_they_came() {
        let metrics = opened(4 * M, 0);
        LocalSet::new()
            .run_until(async {
                let first = grown(3 * M).await;
                let order = std::rc::Rc::new(RefCell::new(Vec::new()));
                // The last one would fit, but does not overtake.
                let waiting = [3 * M, 2 * M, M].map(|length| {
                    let order = order.clone();
                    spawn_local(async move {
                        let charge = grown(length).await;
                        order.borrow_mut().push(length);
                        tokio::task::yield_now().await;
                        drop(charge);
                    })
                });
                tokio::task::yield_now().await;
                assert_eq!((used(), order.borrow().len()), (3 * M, 0));
                drop(first);
                for task in waiting {
                    task.await.expect("no panic");
                }
                assert_eq!(*order.borrow(), [3 * M, 2 * M, M]);
                assert_eq!(used(), 0);
            })
            .await;
        assert_eq!(metrics.body_memory_now(), (0, 3));
    }

    #[tokio::test]
    async fn bodies_that_all_grow_get_whole_one_after_the_other() {
        opened(4 * M, 3 * M);
        LocalSet::new()
            .run_until(async {
                let tasks: Vec<_> = (0..20)
                    .map(|_| {
                        spawn_local(async {
                            let mut charge = Charge::default();
                            for length in (0..=3 * M).step_by(FREE) {
                                charge.grow(length, 3 * M).await.expect("its turn comes");
                                assert!(used() <= 7 * M, "{} at once", used());
                                tokio::task::yield_now().await;
                            }
                            charge.hold(vec![0; 3 * M])
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
            })
            .await;
        assert_eq!(used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_whose_turn_does_not_come_gives_up_and_its_place_too() {
        opened(4 * M, 0);
        let stays = grown(4 * M).await;
        let mut charge = Charge::default();
        let overloaded = charge.grow(M, M).await;
        assert_eq!(overloaded, Err(Overloaded(Duration::from_secs(5))));
        drop(charge);
        // A future that is dropped while it waits leaves nothing behind either.
        let mut gone = Charge::default();
        assert!(gone.grow(M, M).now_or_never().is_none());
        drop(gone);
        drop(stays);
        let mut next = Charge::default();
        assert_eq!(next.grow(4 * M, 4 * M).now_or_never(), Some(Ok(4 * M)));
    }

    #[tokio::test]
    async fn one_body_larger_than_all_memory_still_passes() {
        opened(M, 8 * M);
        let charge = grown(8 * M).await;
        assert!(grown(M).now_or_never().is_none());
        drop(charge);
        assert!(grown(M).now_or_never().is_some());
    }
}
