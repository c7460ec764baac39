//! Hello: the first message, and whether it is to be believed.

use super::super::Shared;
use super::super::accept::Caller;
use super::Over;
use shared::sync::proto::from_node::M as From;
use shared::sync::proto::goodbye::Reason as End;
use shared::sync::proto::{self, FromNode, Hello};
use shared::sync::{PROTOCOL, Version};
use std::time::Duration;
use tonic::Streaming;
use uuid::Uuid;

/// sync-protocol.md 5, timers.
const HELLO: Duration = Duration::from_secs(5);
/// How long a revoked node is asked to stay away.
const AWAY: Duration = Duration::from_secs(60);

/// What Hello said, checked.
pub(super) struct Hailed {
    pub(super) node: Uuid,
    pub(super) hello: Hello,
    pub(super) running: Option<Version>,
    pub(super) durable: Option<Version>,
}

/// Takes Hello and checks that it is who its certificate says.
pub(super) async fn greet(
    shared: &Shared,
    caller: &Caller,
    inbound: &mut Streaming<FromNode>,
) -> Result<Hailed, Over> {
    let first = tokio::time::timeout(HELLO, inbound.message()).await;
    let first = first.map_err(|_| Over::protocol("no Hello within 5 s"))?;
    let hello = match first {
        Ok(Some(FromNode {
            m: Some(From::Hello(hello)),
        })) => hello,
        Ok(Some(_)) => return Err(Over::protocol("the first message must be Hello")),
        Ok(None) | Err(_) => return Err(Over::Gone),
    };
    if hello.protocol != PROTOCOL {
        return Err(Over::protocol(format!(
            "protocol {} is not spoken here, {PROTOCOL} is",
            hello.protocol
        )));
    }
    let certified = caller.peer.as_ref().map(|peer| peer.name.as_str());
    let node = Uuid::parse_str(&hello.node_id).ok();
    let Some(node) = node.filter(|node| certified == Some(node.to_string().as_str())) else {
        tracing::warn!(address = %caller.address, claimed = %hello.node_id, ?certified, "node claims another's id");
        return Err(Over::protocol("node_id is not the one of the certificate"));
    };
    if let Err(revoked) = shared.nodes.admit(node) {
        return Err(Over::Told(End::Revoked, revoked.to_string(), AWAY));
    }
    let running = version(hello.running.as_ref())?;
    let durable = version(hello.durable.as_ref())?;
    Ok(Hailed {
        node,
        hello,
        running,
        durable,
    })
}

pub(super) fn version(wire: Option<&proto::Version>) -> Result<Option<Version>, Over> {
    wire.map(Version::try_from)
        .transpose()
        .map_err(|error| Over::protocol(error.to_string()))
}
