//! What a worker thread has: its own pools and counters, and the node's shared parts.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::StatusCode;

use crate::carried::dns::Dns;
use crate::carried::pool::Pool;
use crate::lua;
use crate::lua::stores::Stores;
use crate::proxy::ctx::Ctx;
use crate::runtime::{Pinned, ProxySettings, Runtime};
use crate::telemetry::access_log::{AccessLog, Line};
use crate::telemetry::metrics::Shard;

/// What the workers of a node share.
pub struct Node {
    /// The revision that new requests get. Swapped whole.
    pub runtime: ArcSwap<Runtime>,
    /// Settings that requests read.
    pub settings: Arc<ProxySettings>,
    /// Answers of name servers.
    pub dns: Dns,
    /// What Lua plugins keep.
    pub stores: Arc<Stores>,
    /// Who has to have loaded new plugins before a revision with them is swapped in.
    pub workers: lua::commit::Workers,
}

/// One worker's own part.
pub struct Gate {
    node: Arc<Node>,
    seen: RefCell<Pinned>,
    /// Idle upstream connections.
    pub pool: Pool,
    /// See [`Node::dns`].
    pub dns: Dns,
    /// This worker's counters.
    pub metrics: Arc<Shard>,
    log: Option<Rc<AccessLog>>,
}

impl Gate {
    /// A worker's part of `node`. Made on the worker's thread, within its `LocalSet`.
    pub fn new(node: Arc<Node>, metrics: Arc<Shard>, log: Option<Rc<AccessLog>>) -> Self {
        let seen = Pinned::new(node.runtime.load_full());
        lua::worker::adopt(&seen);
        Self {
            seen: RefCell::new(seen),
            pool: Pool::new(node.settings.keepalive),
            dns: node.dns.clone(),
            metrics,
            log,
            node,
        }
    }

    /// The revision for a new request: one pointer is compared, and no count that other cores see is written.
    pub fn runtime(&self) -> Pinned {
        let current = self.node.runtime.load();
        let mut seen = self.seen.borrow_mut();
        if !seen.is(&current) {
            *seen = Pinned::new(Arc::clone(&current));
            lua::worker::adopt(&seen);
        }
        seen.clone()
    }

    /// Lets go of a runtime that is no longer current, even when no request comes.
    pub fn forget_old(&self) {
        drop(self.runtime());
    }

    /// The settings that requests read.
    pub fn settings(&self) -> &Arc<ProxySettings> {
        &self.node.settings
    }

    /// A request has ended: counters and access log.
    pub fn ended(&self, ctx: &Ctx, status: StatusCode, sent: u64) {
        self.metrics.ended(
            status,
            ctx.started.elapsed(),
            ctx.timing.upstream_status.is_some(),
        );
        if let Some(log) = &self.log {
            log.write(&Line { ctx, status, sent });
        }
    }
}
