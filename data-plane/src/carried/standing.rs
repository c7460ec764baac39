//! What is known of the targets of an upstream: health, requests under way, response times. It belongs to the upstream's
//! id and outlives every change of its targets; an address that stays keeps all of it (proxy-and-routing.md 9.5).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::balancer::health::Health;
use crate::balancer::latency::Average;

/// The peers of one upstream. Locked when the list of peers changes, never by a request.
#[derive(Debug, Default)]
pub struct Standing(Mutex<HashMap<Place, Arc<PeerState>>>);

/// One peer: the same address under two names is two.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Where it is.
    pub address: SocketAddr,
    /// The host of the target that led there.
    pub host: Box<str>,
}

/// What is known of one peer.
#[derive(Debug, Default)]
pub struct PeerState {
    /// Whether it is well.
    pub health: Health,
    /// How long its answers take.
    pub latency: Average,
    in_flight: AtomicU32,
}

impl Standing {
    /// What is known of these places. What nobody uses any more is forgotten.
    pub fn of(&self, places: &[Place]) -> Vec<Arc<PeerState>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let states = places
            .iter()
            .map(|place| known.entry(place.clone()).or_default().clone())
            .collect();
        known.retain(|_, state| Arc::strong_count(state) > 1);
        states
    }
}

impl PeerState {
    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A request under way to a peer, for as long as it lives.
#[derive(Debug)]
pub struct InFlight(Arc<PeerState>);

impl InFlight {
    /// Counts one more.
    pub fn to(peer: &Arc<PeerState>) -> Self {
        peer.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(peer.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::health::Report;

    fn place(port: u16, host: &str) -> Place {
        Place {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            host: host.into(),
        }
    }

    #[test]
    fn a_place_that_stays_keeps_what_is_known_of_it() {
        let standing = Standing::default();
        let before = standing.of(&[place(1, "a"), place(2, "b")]);
        assert_eq!(before[1].health.report(Report::Tcp, 1), Some(false));
        let after = standing.of(&[place(2, "b"), place(3, "c")]);
        assert!(Arc::ptr_eq(&before[1], &after[0]) && !after[0].health.is_healthy());
        assert!(after[1].health.is_healthy());
        let other = standing.of(&[place(2, "other")]);
        assert!(other[0].health.is_healthy(), "another name is another peer");
        drop((before, after));
        standing.of(&[place(1, "a")]);
        let again = standing.of(&[place(2, "b")]);
        assert!(again[0].health.is_healthy(), "nobody had it any more");
    }

    #[test]
    fn places_named_twice_share_what_is_known() {
        let states = Standing::default().of(&[place(1, "a"), place(1, "a")]);
        assert!(Arc::ptr_eq(&states[0], &states[1]));
    }

    #[test]
    fn a_request_counts_until_it_ends() {
        let state = Arc::new(PeerState::default());
        let (one, other) = (InFlight::to(&state), InFlight::to(&state));
        assert_eq!(state.in_flight(), 2);
        drop(one);
        assert_eq!(state.in_flight(), 1);
        drop(other);
        assert_eq!(state.in_flight(), 0);
    }
}
