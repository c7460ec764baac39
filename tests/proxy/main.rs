//! What clients and upstreams see of a node: failures, streams, protocols, its face to the operator, its end.

mod balancing;
mod failures;
mod hashing;
mod names;
mod operator;
mod protocols;
mod settings;
mod streams;
mod terminates;
mod upstream_tls;
mod wire;

use serde_json::{Value, json};
use tests::{Gateway, Setup, Upstream};

/// A gateway with one service, `orders`, changed by `service`, and one route to it on `/` that strips nothing.
async fn proxied(setup: Setup, upstream: &Upstream, service: Value) -> Gateway {
    let gateway = Gateway::with(setup).await;
    let admin = gateway.admin();
    admin.service("orders", upstream).await;
    admin
        .patch("/services/orders", service)
        .await
        .expect_status(200);
    admin.route("orders", "/").await;
    gateway.settled().await;
    gateway
}

async fn plain(upstream: &Upstream) -> Gateway {
    proxied(Setup::default(), upstream, json!({})).await
}
