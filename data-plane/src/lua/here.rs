//! The node that a worker belongs to, for functions that no request tells it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lua::Raise;
use uuid::Uuid;

use super::call;
use crate::listen::Node;
use crate::runtime::Pinned;
use crate::sync::Link;
use crate::telemetry::metrics::Metrics;

/// What plugins may know of their node.
pub struct Here {
    /// What its workers share.
    pub node: Arc<Node>,
    /// What they count.
    pub metrics: Metrics,
    link: Link,
    /// Its name, where it has joined no control plane.
    own: Uuid,
}

impl Here {
    /// A node with the link that tells it its id.
    pub fn new(node: Arc<Node>, metrics: Metrics, link: Link) -> Self {
        Self {
            node,
            metrics,
            link,
            own: Uuid::new_v4(),
        }
    }

    /// The id by which the control plane knows it; else one that this process made up.
    pub fn id(&self) -> String {
        let joined = self.link.status().node_id;
        joined.unwrap_or_else(|| self.own.to_string())
    }
}

thread_local! {
    // Set once for each worker; other threads have none.
    static HERE: RefCell<Option<Arc<Here>>> = const { RefCell::new(None) };
}

/// Tells the plugins of this thread where they are.
pub fn open(here: Arc<Here>) {
    HERE.with_borrow_mut(|place| *place = Some(here));
}

/// The node of this thread, if it is a worker's.
pub fn current() -> Option<Arc<Here>> {
    HERE.with_borrow(Clone::clone)
}

/// The revision that the current request holds, else the one that new requests get.
///
/// # Errors
/// Where nothing serves: a plugin is only tried.
pub fn runtime() -> Result<Pinned, Raise> {
    if let Ok(runtime) = call::with_request(|ctx| Ok(ctx.runtime.clone())) {
        return Ok(runtime);
    }
    match current() {
        Some(here) => Ok(Pinned::new(here.node.runtime.load_full())),
        None => Err("no configuration is served here".into()),
    }
}

/// How much memory each machine of this process has, in bytes, as of its last call.
static MACHINES: Mutex<Vec<Weak<AtomicUsize>>> = Mutex::new(Vec::new());

/// Where a new machine says how much memory it has; gone when the machine is.
pub(super) fn machine() -> Arc<AtomicUsize> {
    let used = Arc::new(AtomicUsize::new(0));
    let mut machines = MACHINES.lock().unwrap_or_else(PoisonError::into_inner);
    machines.retain(|machine| machine.strong_count() > 0);
    machines.push(Arc::downgrade(&used));
    used
}

/// What they said, in bytes.
pub(super) fn machines() -> Vec<usize> {
    let machines = MACHINES.lock().unwrap_or_else(PoisonError::into_inner);
    let used = machines.iter().filter_map(Weak::upgrade);
    used.map(|used| used.load(Relaxed)).collect()
}
