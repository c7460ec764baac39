//! One request's way through the peers of its upstream, try by try (proxy-and-routing.md 8.1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, StatusCode};
use shared::types::Algorithm;

use super::Balancer;
use super::hash_input::Hashed;
use super::health::passive::Outcome;
use super::peers::{Peer, Peers};
use crate::carried::dns::Dns;
use crate::carried::standing::InFlight;
use crate::proxy::ctx::Ctx;

/// One request's way. It keeps the peers it began with.
pub struct Turn {
    balancer: Arc<Balancer>,
    peers: Arc<Peers>,
    hash: u32,
    /// The peers that have failed this request.
    failed: Vec<usize>,
    current: usize,
    began: Instant,
    /// Counts as long as the request runs.
    in_flight: Option<InFlight>,
}

/// No peer of the upstream may get a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failure to get a peer from the ring-balancer")]
pub struct NoPeer;

impl Turn {
    /// The address of the next try: another peer than those that have failed, as long as there is one. A cookie that
    /// this makes is left in the context.
    ///
    /// # Errors
    /// [`NoPeer`] if the upstream has none that is healthy.
    pub async fn next(
        ctx: &mut Ctx,
        dns: &Dns,
        balancer: &Arc<Balancer>,
    ) -> Result<SocketAddr, NoPeer> {
        let mut turn = match ctx.turn.take() {
            Some(turn) => turn,
            None => Box::new(Turn::begin(ctx, dns, balancer).await),
        };
        let picked = balancer
            .pick(&turn.peers, turn.hash, &turn.failed)
            .ok_or(NoPeer)?;
        turn.go_to(picked);
        let address = turn.peer().found.place.address;
        ctx.turn = Some(turn);
        Ok(address)
    }

    async fn begin(ctx: &mut Ctx, dns: &Dns, balancer: &Arc<Balancer>) -> Turn {
        let hashed = match balancer.algorithm() {
            Algorithm::ConsistentHashing => balancer.inputs.hash(ctx),
            _ => Hashed::default(),
        };
        ctx.hash_cookie = hashed.cookie;
        Turn {
            peers: balancer.peers(dns).await,
            balancer: balancer.clone(),
            hash: hashed.hash,
            failed: Vec::new(),
            current: 0,
            began: Instant::now(),
            in_flight: None,
        }
    }

    fn go_to(&mut self, peer: usize) {
        // Everybody has failed: from the beginning.
        if self.failed.contains(&peer) {
            self.failed.clear();
        }
        self.current = peer;
        self.began = Instant::now();
        self.in_flight = match self.balancer.algorithm() {
            Algorithm::LeastConnections => Some(InFlight::to(&self.peer().state)),
            _ => None,
        };
    }

    /// The peer of the current try.
    fn peer(&self) -> &Peer {
        &self.peers.list[self.current]
    }

    /// The Host of a request to the peer of the current try.
    pub fn host(&self, tls: bool) -> &HeaderValue {
        let peer = self.peer();
        if tls { &peer.tls_host } else { &peer.host }
    }

    /// The peer answered.
    pub fn answered(&self, status: StatusCode) {
        if self.balancer.algorithm() == Algorithm::Latency {
            self.peer().state.latency.observe(self.began.elapsed());
        }
        self.balancer.tried(self.peer(), Outcome::Status(status));
    }

    /// The peer gave no answer. `status`: what the client gets for it, if this was the last try.
    pub fn failed(&mut self, late: bool, status: Option<StatusCode>) {
        let outcome = match (status, late) {
            (Some(status), _) => Outcome::Status(status),
            (None, true) => Outcome::Late,
            (None, false) => Outcome::Broken,
        };
        self.balancer.tried(self.peer(), outcome);
        self.failed.push(self.current);
    }
}
