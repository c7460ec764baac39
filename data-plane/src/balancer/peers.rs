//! The addresses that the targets of an upstream lead to at one moment, laid out for its algorithm.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;
use shared::types::Algorithm;
use tokio::time::Instant;
use uuid::Uuid;

use super::consistent_hashing::Ring;
use super::round_robin::Wheel;
use super::{Ask, latency, least_connections, round_robin};
use crate::carried::dns::Holds;
use crate::carried::standing::{PeerState, Place, Standing};
use crate::carried::turns::Turns;

/// One address that a target leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Where it is, and under which name.
    pub place: Place,
    /// The weight of the target, or of the SRV record.
    pub weight: u32,
    /// The host that a request to it names.
    pub name: Box<str>,
    /// The target.
    pub target: Uuid,
}

/// An address that may get requests.
#[derive(Debug)]
pub struct Peer {
    /// Where it came from.
    pub found: Found,
    /// What is known of it.
    pub state: Arc<PeerState>,
    /// The Host of plain requests to it.
    pub host: HeaderValue,
    /// The Host of requests to it over TLS.
    pub tls_host: HeaderValue,
}

/// Peers in an order that is the same on every node.
#[derive(Debug)]
pub struct Peers {
    /// The peers, those without weight included.
    pub list: Vec<Peer>,
    shape: Shape,
}

/// Peers, and how long they hold.
#[derive(Clone, Debug)]
pub struct Current {
    /// The peers.
    pub peers: Arc<Peers>,
    /// When to look for them again.
    pub holds: Holds,
}

#[derive(Debug)]
enum Shape {
    RoundRobin(Wheel),
    LeastConnections,
    ConsistentHashing(Ring),
    Latency,
}

/// What of an upstream decides how its peers are laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Slots of the ring.
    pub slots: u32,
    /// The host that is named instead of the peers' own.
    pub host_header: Option<&'a str>,
}

impl Current {
    /// Whether the names need not be looked up again.
    pub fn is_fresh(&self) -> bool {
        match self.holds {
            Holds::ForEver => true,
            Holds::Until(due) => Instant::now() < due,
            Holds::Once => false,
        }
    }
}

impl Peers {
    /// Lays out what was found, in the order it has.
    pub fn new(found: Vec<Found>, layout: Layout<'_>, standing: &Standing) -> Self {
        let places: Vec<Place> = found.iter().map(|found| found.place.clone()).collect();
        let states = standing.of(&places);
        let shape = Shape::new(&found, layout);
        let peers = found.into_iter().zip(states).map(|(found, state)| {
            let named = layout.host_header.unwrap_or(&found.name);
            let port = found.place.address.port();
            Peer {
                host: host(named, port, 80),
                tls_host: host(named, port, 443),
                found,
                state,
            }
        });
        Self {
            list: peers.collect(),
            shape,
        }
    }

    /// Whether these are the peers that were found, in their order.
    pub fn are(&self, found: &[Found]) -> bool {
        self.list.iter().map(|peer| &peer.found).eq(found)
    }

    /// Whose turn it is; `None` if nobody is good.
    pub fn pick(&self, ask: &Ask<'_>, turns: &Turns) -> Option<usize> {
        let anew = self.pick_of(ask, turns, |peer| {
            self.is_good(peer, ask) && !ask.failed.contains(&peer)
        });
        match anew {
            // Everybody has failed this request once: from the beginning.
            None if !ask.failed.is_empty() => {
                self.pick_of(ask, turns, |peer| self.is_good(peer, ask))
            }
            found => found,
        }
    }

    fn pick_of(&self, ask: &Ask<'_>, turns: &Turns, good: impl Fn(usize) -> bool) -> Option<usize> {
        let peers = self.list.len();
        match &self.shape {
            Shape::RoundRobin(wheel) => round_robin::pick(wheel, turns, good),
            Shape::LeastConnections => {
                let load = |peer: usize| least_connections::Load {
                    in_flight: self.list[peer].state.in_flight(),
                    weight: self.list[peer].found.weight,
                };
                least_connections::pick(peers, turns.next(), load, good)
            }
            // A request keeps to its point: it may try the same peer again.
            Shape::ConsistentHashing(ring) => ring.pick(ask.hash, |peer| self.is_good(peer, ask)),
            Shape::Latency => {
                let average = |peer: usize| {
                    let peer = &self.list[peer];
                    (&peer.state.latency, peer.found.weight)
                };
                latency::pick(peers, turns.next(), average, good)
            }
        }
    }

    fn is_good(&self, peer: usize, ask: &Ask<'_>) -> bool {
        !ask.checked || self.list[peer].state.health.is_healthy()
    }

    /// The weight of the peers that are healthy, and of all.
    pub fn available(&self) -> (u64, u64) {
        let weight = |peer: &Peer| u64::from(peer.found.weight);
        let healthy = self
            .list
            .iter()
            .filter(|peer| peer.state.health.is_healthy());
        (
            healthy.map(weight).sum(),
            self.list.iter().map(weight).sum(),
        )
    }
}

impl Shape {
    fn new(found: &[Found], layout: Layout<'_>) -> Self {
        match layout.algorithm {
            Algorithm::RoundRobin => {
                Shape::RoundRobin(Wheel::new(found.iter().map(|found| found.weight)))
            }
            Algorithm::LeastConnections => Shape::LeastConnections,
            Algorithm::Latency => Shape::Latency,
            Algorithm::ConsistentHashing => {
                let names: Vec<(String, u32)> = found
                    .iter()
                    .map(|found| (ring_name(found), found.weight))
                    .collect();
                let peers = names.iter().map(|(name, weight)| (name.as_str(), *weight));
                Shape::ConsistentHashing(Ring::new(layout.slots, peers))
            }
        }
    }
}

/// What a peer is called on the ring, as the reference calls it.
fn ring_name(found: &Found) -> String {
    let address: SocketAddr = found.place.address;
    format!("{}::{}", address.ip(), address.port())
}

/// A name with its port, unless the port is the protocol's own or the name has one (proxy-and-routing.md 6.1).
fn host(name: &str, port: u16, own: u16) -> HeaderValue {
    let has_port = shared::router::split_host(name, 0).0.len() != name.len();
    let text = match has_port || port == own {
        true => name.to_owned(),
        false => format!("{name}:{port}"),
    };
    HeaderValue::from_str(&text).expect("the schema let only host names and addresses pass")
}
