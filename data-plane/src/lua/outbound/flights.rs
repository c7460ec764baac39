//! How much each plugin has under way on this worker (custom-plugins.md 6.3).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The bytes of answers that one plugin may be reading at once on one worker: no more would fit into its Lua state.
const MOST_BYTES: usize = 256 << 20;

/// What plugins have under way.
#[derive(Debug)]
pub(super) struct Flights {
    most: usize,
    plugins: RefCell<HashMap<Arc<str>, Rc<UnderWay>>>,
}

#[derive(Debug, Default)]
struct UnderWay {
    connections: Cell<usize>,
    bytes: Cell<usize>,
}

/// One request or connection of a plugin, for as long as it lives.
#[derive(Debug)]
pub struct Slot {
    plugin: Rc<UnderWay>,
    bytes: Cell<usize>,
}

impl Flights {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            plugins: RefCell::default(),
        }
    }

    /// # Errors
    /// `too many connections`
    pub(super) fn enter(&self, plugin: &Arc<str>) -> Result<Slot, String> {
        let mut plugins = self.plugins.borrow_mut();
        let plugin = match plugins.get(plugin) {
            Some(known) => known.clone(),
            None => {
                plugins.retain(|_, plugin| plugin.connections.get() > 0);
                plugins.entry(plugin.clone()).or_default().clone()
            }
        };
        let count = plugin.connections.get();
        if count >= self.most {
            return Err("too many connections".to_owned());
        }
        plugin.connections.set(count + 1);
        Ok(Slot {
            plugin,
            bytes: Cell::new(0),
        })
    }
}

impl Slot {
    /// Counts bytes that are held for this one. False: there is no room for them.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        let all = self.plugin.bytes.get().saturating_add(bytes);
        if all > MOST_BYTES {
            return false;
        }
        self.plugin.bytes.set(all);
        self.bytes.set(self.bytes.get() + bytes);
        true
    }

    /// The bytes have been handed on.
    pub(super) fn let_go(&self) {
        let own = self.bytes.take();
        self.plugin.bytes.set(self.plugin.bytes.get() - own);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.let_go();
        let plugin = &self.plugin;
        plugin.connections.set(plugin.connections.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_has_so_many_under_way_and_others_have_theirs() {
        let flights = Flights::new(2);
        let (one, other) = (Arc::from("one"), Arc::from("other"));
        let first = flights.enter(&one).expect("room");
        let _second = flights.enter(&one).expect("room");
        let refused = flights.enter(&one).expect_err("a third");
        assert_eq!(refused, "too many connections");
        let _others = flights.enter(&other).expect("its own room");
        drop(first);
        flights.enter(&one).expect("room again");
    }

    #[test]
    fn what_a_plugin_reads_at_once_is_bounded() {
        let flights = Flights::new(9);
        let name = Arc::from("p");
        let (a, b) = (flights.enter(&name), flights.enter(&name));
        let (a, b) = (a.expect("room"), b.expect("room"));
        assert!(a.hold(MOST_BYTES - 1) && b.hold(1));
        assert!(!b.hold(1));
        a.let_go();
        assert!(b.hold(MOST_BYTES - 1));
        drop(b);
        assert!(a.hold(MOST_BYTES));
    }
}
