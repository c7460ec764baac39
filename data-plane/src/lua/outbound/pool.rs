//! Connections of plugins that wait for their next use.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;

use super::watched::Activity;
use super::{Destination, Proxy, TlsTerms};

/// All that wait on one worker. Plugins choose hosts and times, so there must be an end.
const MOST: usize = 4096;

/// How a connection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How long it may wait; `None`: for ever.
    pub timeout: Option<Duration>,
    /// How many may wait for the same place.
    pub size: usize,
}

impl Default for Keep {
    /// As Kong's `lua_socket_keepalive_timeout` and `lua_socket_pool_size`.
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(60)),
            size: 256,
        }
    }
}

/// What must be equal for a connection to be used again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    host: Box<str>,
    port: u16,
    tls: Option<TlsTerms>,
    pool: Option<Box<str>>,
    proxy: Option<Proxy>,
    /// A connection that a trusted plugin may make is not one that any plugin may use.
    trusted: bool,
}

impl Key {
    pub(super) fn of(to: &Destination, trusted: bool) -> Self {
        Self {
            host: to.host.to_ascii_lowercase().into(),
            port: to.port,
            tls: to.tls.clone(),
            pool: to.pool.as_deref().map(Box::from),
            proxy: to.proxy.clone(),
            trusted,
        }
    }
}

/// A connection that is ready for a request.
pub(super) struct Ready {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) activity: Rc<Activity>,
    /// Requests it has served.
    pub(super) served: u64,
}

/// What can wait.
pub(super) trait Waits {
    /// Whether it is still good for another use.
    fn is_open(&self) -> bool;
}

impl Waits for Ready {
    fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

struct Idle<R> {
    ready: R,
    until: Option<Instant>,
}

impl<R: Waits> Idle<R> {
    fn is_fresh(&self) -> bool {
        self.ready.is_open() && self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// The idle connections of one worker.
pub(super) struct Pool<K, R> {
    idle: RefCell<HashMap<K, VecDeque<Idle<R>>>>,
    sweeping: Cell<bool>,
}

impl<K, R> Default for Pool<K, R> {
    fn default() -> Self {
        Self {
            idle: RefCell::default(),
            sweeping: Cell::default(),
        }
    }
}

impl<K: Eq + Hash + 'static, R: Waits + 'static> Pool<K, R> {
    /// The connection that was used last, if one is still open.
    pub(super) fn take(&self, key: &K) -> Option<R> {
        let mut idle = self.idle.borrow_mut();
        let waiting = idle.get_mut(key)?;
        while let Some(candidate) = waiting.pop_back() {
            if candidate.is_fresh() {
                return Some(candidate.ready);
            }
        }
        idle.remove(key);
        None
    }

    pub(super) fn put(self: &Rc<Self>, key: K, ready: R, keep: Keep) {
        if keep.size == 0 || self.len() >= MOST {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let waiting = idle.entry(key).or_default();
        while waiting.len() >= keep.size {
            waiting.pop_front();
        }
        waiting.push_back(Idle {
            ready,
            until: keep
                .timeout
                .and_then(|time| Instant::now().checked_add(time)),
        });
        if !self.sweeping.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.idle.borrow().values().map(VecDeque::len).sum()
    }
}

/// Closes what has waited too long, for as long as anything waits.
async fn sweep<K: Eq + Hash, R: Waits>(pool: std::rc::Weak<Pool<K, R>>) {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.idle.borrow_mut().retain(|_, waiting| {
            waiting.retain(Idle::is_fresh);
            !waiting.is_empty()
        });
        if pool.idle.borrow().is_empty() {
            pool.sweeping.set(false);
            return;
        }
    }
}
