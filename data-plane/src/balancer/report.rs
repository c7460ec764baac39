//! Balancers in the words of `/upstreams/{u}/health` (admin-api.md 8.8).

use std::sync::Arc;

use serde_json::{Value, json};
use shared::entities::Target;
use shared::types::TargetHost;

use super::Balancer;
use super::peers::{Peer, Peers};
use crate::carried::dns::Dns;

const OFF: &str = "HEALTHCHECKS_OFF";

fn word(healthy: bool) -> &'static str {
    if healthy { "HEALTHY" } else { "UNHEALTHY" }
}

/// The upstream as a whole.
pub async fn upstream(balancer: &Arc<Balancer>, dns: &Dns) -> Value {
    let peers = balancer.peers(dns).await;
    let (available, total) = peers.available();
    // A threshold of 0 asks for one healthy peer.
    let healthy = available > 0 && balancer.is_healthy(&peers);
    let health = match balancer.is_checked() {
        true => word(healthy),
        false => OFF,
    };
    json!({
        "id": balancer.upstream.id.uuid(),
        "health": health,
        "balancer_health": word(if balancer.is_checked() { healthy } else { total > 0 }),
        "details": {
            "healthy": healthy,
            "weight": { "total": total, "available": available, "unavailable": total - available },
        },
    })
}

/// Each of its targets, the newest first.
pub async fn targets(balancer: &Arc<Balancer>, dns: &Dns) -> Vec<Value> {
    let peers = balancer.peers(dns).await;
    let mut targets: Vec<&Arc<Target>> = balancer.targets.iter().collect();
    let created = |target: &Target| target.created_at.map_or(0.0, |at| at.0);
    targets.sort_by(|one, other| {
        let order = created(other).total_cmp(&created(one));
        order.then_with(|| other.id.uuid().cmp(&one.id.uuid()))
    });
    targets
        .into_iter()
        .map(|target| shown(balancer, target, &peers))
        .collect()
}

fn shown(balancer: &Balancer, target: &Target, peers: &Peers) -> Value {
    let id = target.id.uuid();
    let of_target: Vec<&Peer> = peers
        .list
        .iter()
        .filter(|peer| peer.found.target == id)
        .collect();
    let looked_at = balancer.is_checked() && target.weight() > 0;
    let healthy = |peer: &&&Peer| peer.state.health.is_healthy();
    let health = match (of_target.is_empty(), looked_at) {
        (true, _) => "DNS_ERROR",
        (false, false) => OFF,
        (false, true) => word(of_target.iter().any(|peer| healthy(&peer))),
    };
    let weight = |peer: &&Peer| u64::from(peer.found.weight);
    let total: u64 = of_target.iter().map(weight).sum();
    let available: u64 = of_target.iter().filter(healthy).map(weight).sum();
    let addresses = of_target.iter().map(|peer| {
        json!({
            "ip": peer.found.place.address.ip().to_string(),
            "port": peer.found.place.address.port(),
            "weight": peer.found.weight,
            "health": if looked_at { word(peer.state.health.is_healthy()) } else { OFF },
        })
    });
    let addresses: Vec<Value> = addresses.collect();
    json!({
        "id": id,
        "created_at": target.created_at.map(|at| at.0),
        "updated_at": target.updated_at.map(|at| at.0),
        "upstream": { "id": target.upstream.uuid() },
        "target": target.target.to_string(),
        "weight": target.weight(),
        "tags": target.tags.as_ref().map(|tags| tags.iter().map(|tag| (**tag).to_owned()).collect::<Vec<_>>()),
        "health": health,
        "data": {
            "host": target.target.host.to_string(),
            "port": target.target.port,
            "dns": match target.target.host {
                TargetHost::Name(_) => "DNS",
                TargetHost::Address(_) => "ttl=0, virtual SRV",
            },
            "nodeWeight": target.weight(),
            "weight": { "total": total, "available": available, "unavailable": total - available },
            "addresses": addresses,
        },
    })
}
