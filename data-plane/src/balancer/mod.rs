//! Which target of an upstream gets a request (proxy-and-routing.md 9).
//!
//! A [`Balancer`] is an upstream with its targets as of one revision, [`revision`] all of those; [`peers`] are the addresses they lead to, laid out
//! for the algorithm; [`turn`] is one request's way through them, try by try; [`hash_input`] is what of a request
//! consistent hashing goes by. [`health`] is what takes peers out and brings them back. What is known of peers outlives
//! revisions: see [`crate::carried::standing`].

pub mod consistent_hashing;
pub mod hash_input;
pub mod health;
pub mod latency;
pub mod least_connections;
pub mod peers;
pub mod report;
pub mod revision;
pub mod round_robin;
pub mod turn;
mod xxhash;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use shared::entities::{Target, Upstream};
use shared::types::{Algorithm, TargetHost};
use std::net::SocketAddr;
use tokio::time::{Duration, Instant, timeout};

use crate::carried::dns::{Dns, DnsError, Holds};
use crate::carried::standing::{Place, Standing};
use crate::carried::turns::Turns;
use hash_input::Inputs;
use health::Report;
use health::passive::{self, Outcome};
use peers::{Current, Found, Layout, Peer, Peers};

/// How long a name that leads nowhere is left alone.
const NOWHERE: Duration = Duration::from_secs(30);
/// How long a request waits for names where there are other targets to go to.
const PATIENCE: Duration = Duration::from_millis(500);

/// An upstream with its targets, as of one revision.
pub struct Balancer {
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// Its targets, in the order of their ids.
    pub targets: Vec<Arc<Target>>,
    /// What of a request is hashed.
    pub(crate) inputs: Inputs,
    algorithm: Algorithm,
    /// Whether health is looked at.
    checked: bool,
    standing: Arc<Standing>,
    turns: Turns,
    /// `None` until the names of the targets have been looked up.
    current: ArcSwapOption<Current>,
    /// What the revision before knew of the targets that stayed, until then.
    before: Option<Arc<Peers>>,
    renewing: AtomicBool,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Its hash.
    pub hash: u32,
    /// The peers that have failed it.
    pub failed: &'a [usize],
    /// Whether health counts.
    pub checked: bool,
}

impl Balancer {
    /// An upstream with its targets. `known`: as it was before.
    pub fn new(
        upstream: Arc<Upstream>,
        targets: Vec<Arc<Target>>,
        known: Option<&Balancer>,
    ) -> Self {
        let mut balancer = Self {
            inputs: Inputs::of(&upstream),
            algorithm: upstream.algorithm.unwrap_or_default(),
            checked: upstream.healthchecks.enabled(),
            standing: known
                .map(|known| known.standing.clone())
                .unwrap_or_default(),
            turns: Turns::default(),
            current: ArcSwapOption::empty(),
            before: None,
            renewing: AtomicBool::new(false),
            upstream,
            targets,
        };
        let targets = balancer.targets.iter();
        let mut found: Vec<Found> = targets.filter_map(|target| of_literal(target)).collect();
        if found.len() == balancer.targets.len() {
            balancer.lay_out(found, Holds::ForEver);
            return balancer;
        }
        found.extend(known.map(|known| balancer.kept(known)).unwrap_or_default());
        found.sort_unstable();
        let before = Peers::new(found, balancer.layout(), &balancer.standing);
        balancer.before = (!before.list.is_empty()).then(|| Arc::new(before));
        balancer
    }

    /// Where the names that stayed as they were led to.
    fn kept(&self, known: &Balancer) -> Vec<Found> {
        let Some(current) = known.current.load_full() else {
            return Vec::new();
        };
        let stayed = |found: &Found| {
            let of = |targets: &[Arc<Target>]| {
                let place = targets.binary_search_by_key(&found.target, |target| target.id.uuid());
                let target = &targets[place.ok()?];
                let is_name = matches!(target.target.host, TargetHost::Name(_));
                is_name.then(|| (target.target.clone(), target.weight()))
            };
            of(&self.targets).is_some_and(|target| of(&known.targets) == Some(target))
        };
        let peers = current.peers.list.iter().map(|peer| &peer.found);
        peers.filter(|found| stayed(found)).cloned().collect()
    }

    fn is_of(&self, upstream: &Arc<Upstream>, targets: &[Arc<Target>]) -> bool {
        Arc::ptr_eq(&self.upstream, upstream)
            && self.targets.len() == targets.len()
            && self
                .targets
                .iter()
                .zip(targets)
                .all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// The peers of now. Only the first request waits for names to be looked up, or each if they are good for one
    /// question only; later ones use what is known while it is looked up again. Where something is known, a name
    /// server that does not answer holds nobody up for long.
    pub async fn peers(self: &Arc<Self>, dns: &Dns) -> Arc<Peers> {
        match &*self.current.load() {
            Some(current) if current.is_fresh() => return current.peers.clone(),
            Some(current) if current.holds != Holds::Once => {
                self.renew(dns);
                return current.peers.clone();
            }
            _ => {}
        }
        let current = self.current.load_full();
        let known = current.map(|current| current.peers.clone());
        let Some(known) = known.or_else(|| self.before.clone()) else {
            return self.look_up(dns).await;
        };
        if let Ok(peers) = timeout(PATIENCE, self.look_up(dns)).await {
            return peers;
        }
        self.current.store(Some(Arc::new(Current {
            peers: known.clone(),
            holds: Holds::Until(Instant::now()),
        })));
        self.renew(dns);
        known
    }

    /// Looks the names up again beside the requests, once at a time.
    fn renew(self: &Arc<Self>, dns: &Dns) {
        if self.renewing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (balancer, resolver) = (self.clone(), dns.clone());
        dns.background(async move {
            balancer.look_up(&resolver).await;
            balancer.renewing.store(false, Ordering::Relaxed);
        });
    }

    async fn look_up(&self, dns: &Dns) -> Arc<Peers> {
        let looked_up = join_all(self.targets.iter().map(|target| self.find(target, dns))).await;
        let holds = looked_up.iter().map(|(_, holds)| *holds).reduce(sooner);
        let found = looked_up.into_iter().flat_map(|(found, _)| found).collect();
        self.lay_out(found, holds.unwrap_or(Holds::ForEver))
    }

    /// Where one target leads, and how long that holds. A name that leads nowhere has no peers.
    async fn find(&self, target: &Arc<Target>, dns: &Dns) -> (Vec<Found>, Holds) {
        let TargetHost::Name(name) = &target.target.host else {
            return (of_literal(target).into_iter().collect(), Holds::ForEver);
        };
        let (places, holds) = dns.places(name).await;
        let places = match places {
            Ok(places) => places,
            Err(error) => {
                tracing::warn!(upstream = %*self.upstream.name, target = name, %error, "a target has no address");
                let holds = match error {
                    DnsError::NotFound => Holds::Until(Instant::now() + NOWHERE),
                    DnsError::Failed { .. } => holds,
                };
                return (Vec::new(), holds);
            }
        };
        let weight = u32::from(target.weight());
        let srv_names = self.upstream.use_srv_name == Some(true);
        let found = places.into_iter().map(|place| Found {
            place: Place {
                address: SocketAddr::new(place.ip, place.port.unwrap_or(target.target.port)),
                host: name.as_str().into(),
            },
            // A target without weight has none by any record.
            weight: place
                .weight
                .map_or(weight, |of_record| u32::from(of_record) * weight.min(1)),
            name: match place.name {
                Some(of_record) if srv_names => of_record,
                _ => name.as_str().into(),
            },
            target: target.id.uuid(),
        });
        (found.collect(), holds)
    }

    /// Takes in what was found. Peers that did not change stay as they are, and their turns go on.
    fn lay_out(&self, mut found: Vec<Found>, holds: Holds) -> Arc<Peers> {
        found.sort_unstable();
        found.dedup();
        let known = self.current.load_full();
        let peers = match known {
            Some(known) if known.peers.are(&found) => known.peers.clone(),
            _ => Arc::new(Peers::new(found, self.layout(), &self.standing)),
        };
        let current = Current {
            peers: peers.clone(),
            holds,
        };
        self.current.store(Some(Arc::new(current)));
        peers
    }

    fn layout(&self) -> Layout<'_> {
        Layout {
            algorithm: self.algorithm,
            slots: self.upstream.slots.unwrap_or(10_000),
            host_header: self.upstream.host_header.as_deref(),
        }
    }

    /// The peer for a request, `None` if the upstream is not healthy or no peer is.
    pub fn pick(&self, peers: &Peers, hash: u32, failed: &[usize]) -> Option<usize> {
        if !self.is_healthy(peers) {
            return None;
        }
        let ask = Ask {
            hash,
            failed,
            checked: self.checked,
        };
        peers.pick(&ask, &self.turns)
    }

    /// Whether enough of its weight is healthy to answer at all.
    pub fn is_healthy(&self, peers: &Peers) -> bool {
        let threshold = self.upstream.healthchecks.threshold;
        // Without one, a single healthy peer suffices, and the pick finds out.
        if !self.checked || threshold == 0.0 {
            return true;
        }
        let (available, total) = peers.available();
        available as f64 * 100.0 > threshold * total as f64
    }

    /// Whether health is looked at.
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Counts how a try of a request ended.
    pub fn tried(&self, peer: &Peer, outcome: Outcome) {
        if !self.checked {
            return;
        }
        if let Some((report, limit)) = passive::report(&self.upstream.healthchecks.passive, outcome)
        {
            self.report(peer, report, limit);
        }
    }

    /// Counts what was seen of a peer, and says so if that changes its health.
    fn report(&self, peer: &Peer, report: Report, limit: u8) {
        if let Some(healthy) = peer.state.health.report(report, limit) {
            let (upstream, address) = (&*self.upstream.name, peer.found.place.address);
            tracing::warn!(upstream, target = &*peer.found.place.host, %address, healthy, "the health of a target changed");
        }
    }
}

/// A target that is an address.
fn of_literal(target: &Target) -> Option<Found> {
    let TargetHost::Address(ip) = target.target.host else {
        return None;
    };
    let name: Box<str> = target.target.host.to_string().into();
    Some(Found {
        place: Place {
            address: SocketAddr::new(ip, target.target.port),
            host: name.clone(),
        },
        weight: target.weight().into(),
        name,
        target: target.id.uuid(),
    })
}

fn sooner(one: Holds, other: Holds) -> Holds {
    match (one, other) {
        (Holds::Once, _) | (_, Holds::Once) => Holds::Once,
        (Holds::ForEver, holds) | (holds, Holds::ForEver) => holds,
        (Holds::Until(one), Holds::Until(other)) => Holds::Until(one.min(other)),
    }
}

#[cfg(test)]
mod tests;
