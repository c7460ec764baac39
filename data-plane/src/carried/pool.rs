//! Connections to upstreams that wait for their next request. One pool per worker thread, so nothing is locked.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::http1::Connection;

/// What must be equal for a connection to be used again (proxy-and-routing.md 8.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Where it goes.
    pub address: SocketAddr,
    /// For https: the name sent, what is trusted and who we say we are.
    pub tls: Option<TlsKey>,
}

/// The TLS side of a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsKey {
    /// Name sent and verified.
    pub server_name: Rc<str>,
    /// The [`Profile`](super::trust::Profile) that the connection was made with.
    pub profile: u64,
}

/// Limits of a pool, from the `upstream_keepalive_*` settings.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Idle connections kept per key; 0 keeps none.
    pub size: usize,
    /// Requests one connection may serve.
    pub max_requests: u64,
    /// How long it may wait; `None`: for ever.
    pub idle_timeout: Option<Duration>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// The idle connections of one worker.
pub struct Pool {
    limits: Limits,
    idle: RefCell<HashMap<Key, VecDeque<Idle>, foldhash::fast::RandomState>>,
}

impl Pool {
    /// An empty pool.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            idle: RefCell::default(),
        }
    }

    /// The connection that was used last, if one is still open: the warmest, so that surplus ones age and go.
    pub fn take(&self, key: &Key) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let waiting = idle.get_mut(key)?;
        while let Some(mut candidate) = waiting.pop_back() {
            if self.fresh(&candidate) && candidate.connection.is_open() {
                return Some(candidate.connection);
            }
        }
        None
    }

    /// Keeps a connection whose response has ended, unless it is used up or surplus.
    pub fn put(&self, key: Key, connection: Connection) {
        if self.limits.size == 0 || connection.served >= self.limits.max_requests {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let waiting = idle.entry(key).or_default();
        if waiting.len() >= self.limits.size {
            waiting.pop_front();
        }
        waiting.push_back(Idle {
            connection,
            since: Instant::now(),
        });
    }

    /// Drops what is closed or has waited too long. Called now and then by the worker.
    pub fn sweep(&self) {
        self.idle.borrow_mut().retain(|_, waiting| {
            waiting.retain_mut(|idle| self.fresh(idle) && idle.connection.is_open());
            !waiting.is_empty()
        });
    }

    /// How many connections wait.
    pub fn len(&self) -> usize {
        self.idle.borrow().values().map(VecDeque::len).sum()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn fresh(&self, idle: &Idle) -> bool {
        self.limits
            .idle_timeout
            .is_none_or(|limit| idle.since.elapsed() < limit)
    }
}
