//! Who the nodes are and what they run: records in the store, written in one batch every ten seconds, and what is
//! only true while a session lasts.

mod node;

pub use node::{LastNack, NodeState, NodeStatus, PluginHealth};

use super::{Labels, record};
use crate::store::{Author, Committed, Store, StoreError, Write, WriteError};
use node::{Node, Record, Session};
use shared::sync::Version;
use shared::sync::proto::goodbye::Reason as End;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// The kind of the records of nodes.
const NODES: &str = "cp/nodes";
/// How long a revoked node is asked to stay away.
const AWAY: Duration = Duration::from_secs(60);

/// What a join brings.
pub(super) struct Joined {
    pub(super) id: Uuid,
    pub(super) labels: Labels,
    pub(super) hostname: String,
    pub(super) software: String,
    pub(super) certificate_expires: u64,
    pub(super) token: Uuid,
}

/// What Hello brings.
pub(super) struct Greeting {
    pub(super) instance: Vec<u8>,
    pub(super) address: SocketAddr,
    pub(super) hostname: String,
    pub(super) software: String,
    pub(super) booted_from: String,
    pub(super) cache_error: String,
    pub(super) running: Option<Version>,
    pub(super) durable: Option<Version>,
}

/// Why a node gets no configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node has been revoked")]
pub(super) struct Revoked;

/// How to end a session from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) reason: End,
    pub(super) retry_after: Duration,
}

/// All nodes of this control plane.
pub(super) struct Nodes {
    store: Store,
    nodes: Mutex<BTreeMap<Uuid, Node>>,
    /// Counts what could let a waiting writer go on.
    moved: watch::Sender<u64>,
}

impl Nodes {
    pub(super) async fn load(store: Store) -> Result<Nodes, StoreError> {
        let records = record::all::<Record>(&store, NODES).await?;
        let nodes = records
            .into_iter()
            .map(|(record, _)| (record.id, Node::new(record)))
            .collect();
        Ok(Nodes {
            store,
            nodes: Mutex::new(nodes),
            moved: watch::Sender::new(0),
        })
    }

    /// Whether that node may have anything from us.
    pub(super) fn admit(&self, id: Uuid) -> Result<(), Revoked> {
        match self.lock().get(&id) {
            Some(node) if node.record.state == NodeState::Revoked => Err(Revoked),
            _ => Ok(()),
        }
    }

    /// Whether that node is here and came with this token.
    pub(super) fn came_with(&self, id: Uuid, token: Uuid) -> bool {
        let nodes = self.lock();
        nodes
            .get(&id)
            .is_some_and(|node| node.record.token == Some(token))
    }

    /// Records a new node together with the use of its token.
    pub(super) async fn join(
        &self,
        joined: Joined,
        count: Write,
        author: Author,
    ) -> Result<(), WriteError> {
        let record = Record {
            labels: joined.labels,
            hostname: joined.hostname,
            software: joined.software,
            token: Some(joined.token),
            certificate_expires: Some(joined.certificate_expires),
            ..Record::new(joined.id)
        };
        let insert = Write::Insert {
            kind: NODES,
            document: record::document(&record),
        };
        self.store.write(vec![count, insert], author).await?;
        self.lock().insert(joined.id, Node::new(record));
        Ok(())
    }

    pub(super) fn renewed(&self, id: Uuid, expires: u64) {
        self.change(id, |node| node.record.certificate_expires = Some(expires));
    }

    /// Begins a session; the one before it, if any, is told that it is over.
    pub(super) fn connected(
        &self,
        id: Uuid,
        number: u64,
        greeting: Greeting,
        end: mpsc::Sender<Ending>,
    ) {
        let mut nodes = self.lock();
        // The certificate is ours, so a missing record was lost with an older backup.
        let node = nodes
            .entry(id)
            .or_insert_with(|| Node::new(Record::new(id)));
        if let Some(old) = node.session.take() {
            let retry_after = node.takeover(old.instance != greeting.instance);
            let _ = old.end.try_send(Ending {
                reason: End::Superseded,
                retry_after,
            }); // or it is ending already
        }
        let record = &mut node.record;
        record.hostname = greeting.hostname;
        record.software = greeting.software;
        record.booted_from = greeting.booted_from;
        record.cache_error = Some(greeting.cache_error).filter(|error| !error.is_empty());
        record.ip = Some(greeting.address.ip().to_string());
        record.runs(greeting.running.as_ref());
        if let Some(durable) = greeting.durable {
            record.durable_revision = durable.revision;
        }
        node.session = Some(Session {
            number,
            instance: greeting.instance,
            end,
            running: greeting.running,
            reason: None,
            plugins: Vec::new(),
        });
        node.seen();
        drop(nodes);
        self.bump();
    }

    /// Ends a session; false: a newer one has taken its place already.
    pub(super) fn disconnected(&self, id: Uuid, number: u64) -> bool {
        let ended = self.session(id, number, |node| node.session = None);
        self.bump();
        ended
    }

    pub(super) fn heard(&self, id: Uuid, number: u64) {
        self.session(id, number, Node::seen);
    }

    /// How the plugins in Lua of a node are.
    pub(super) fn told(&self, id: Uuid, number: u64, plugins: Vec<PluginHealth>) {
        self.session(id, number, |node| {
            for plugin in plugins.iter().filter(|plugin| plugin.unhealthy) {
                tracing::warn!(node = %id, plugin = plugin.name, error = ?plugin.last_error, "a plugin fails in at least half of its calls");
            }
            for plugin in plugins.iter().filter(|plugin| plugin.suspended > 0) {
                let (threads, plugin) = (plugin.suspended, &plugin.name);
                tracing::warn!(node = %id, plugin, threads, "a plugin is suspended: it held too much memory");
            }
            if let Some(session) = &mut node.session {
                session.plugins = plugins;
            }
            node.seen();
        });
    }

    pub(super) fn applied(&self, id: Uuid, number: u64, version: Version) {
        self.session(id, number, |node| {
            node.record.runs(Some(&version));
            if let Some(session) = &mut node.session {
                session.running = Some(version);
                session.reason = None;
            }
            node.seen();
        });
        self.bump();
    }

    pub(super) fn durable(&self, id: Uuid, number: u64, version: Version) {
        self.session(id, number, |node| {
            node.record.durable_revision = version.revision;
            node.seen();
        });
    }

    pub(super) fn refused(&self, id: Uuid, number: u64, nack: LastNack) {
        self.session(id, number, |node| {
            if let Some(session) = &mut node.session {
                session.reason = Some(format!("refused revision {}: {}", nack.revision, nack.code));
            }
            node.record.last_nack = Some(nack);
            node.seen();
        });
        self.bump();
    }

    /// Says why the node is not where it should be; `None`: it is, or is on its way.
    pub(super) fn explain(&self, id: Uuid, number: u64, reason: Option<String>) {
        let mut nodes = self.lock();
        let session = nodes.get_mut(&id).and_then(|node| node.session.as_mut());
        if let Some(session) = session.filter(|session| session.number == number) {
            session.reason = reason;
        }
    }

    /// Withdraws a node for good; false: there is no such node.
    pub(super) async fn revoke(&self, id: Uuid) -> Result<bool, StoreError> {
        let Some(stored) = self.revoke_and_submit(id) else {
            return Ok(false);
        };
        stored.await.map_err(record::storage)?;
        tracing::info!(node = %id, "node revoked");
        Ok(true)
    }

    /// Submitted under the lock, so that no older record of the node can be queued behind this one.
    fn revoke_and_submit(
        &self,
        id: Uuid,
    ) -> Option<impl Future<Output = Result<Committed, WriteError>> + use<>> {
        let mut nodes = self.lock();
        let node = nodes.get_mut(&id)?;
        node.record.state = NodeState::Revoked;
        if let Some(session) = &node.session {
            let ending = Ending {
                reason: End::Revoked,
                retry_after: AWAY,
            };
            let _ = session.end.try_send(ending); // or it is ending already
        }
        let author = Author::new("control-plane").doing(format!("revoke node {id}"));
        Some(self.store.submit(&[node.upsert()], author))
    }

    /// Stores what has changed, in one batch.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        let Some((ids, stored)) = self.submit_changed() else {
            return Ok(());
        };
        let result = stored.await.map(drop).map_err(record::storage);
        if result.is_err() {
            ids.into_iter().for_each(|id| self.change(id, |_| {})); // to be tried again
        }
        result
    }

    fn submit_changed(
        &self,
    ) -> Option<(
        Vec<Uuid>,
        impl Future<Output = Result<Committed, WriteError>> + use<>,
    )> {
        let mut nodes = self.lock();
        let changed = nodes.values_mut().filter(|node| node.dirty);
        let (ids, writes): (Vec<Uuid>, Vec<Write>) = changed
            .map(|node| {
                node.dirty = false;
                (node.record.id, node.upsert())
            })
            .unzip();
        (!ids.is_empty()).then(|| (ids, self.store.submit(&writes, "nodes".into())))
    }

    /// Every node, in the order of ids; those behind `head` say why.
    pub(super) fn statuses(&self, head: u64) -> Vec<NodeStatus> {
        self.lock().values().map(|node| node.status(head)).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// How many connected nodes there are, and how many of them run `revision` of `epoch` or a later one.
    pub(super) fn progress(&self, epoch: Uuid, revision: u64) -> (usize, usize) {
        let nodes = self.lock();
        let sessions = nodes.values().filter_map(|node| node.session.as_ref());
        let there = |version: &Version| (version.epoch, version.revision) >= (epoch, revision);
        sessions.fold((0, 0), |(connected, applied), session| {
            (
                connected + 1,
                applied + usize::from(session.running.as_ref().is_some_and(there)),
            )
        })
    }

    pub(super) fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Wakes those that wait for nodes.
    pub(super) fn bump(&self) {
        self.moved.send_modify(|count| *count += 1);
    }

    fn change(&self, id: Uuid, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.lock().get_mut(&id) {
            change(node);
            node.dirty = true;
        }
    }

    /// Changes the node if that session is still its newest.
    fn session(&self, id: Uuid, number: u64, change: impl FnOnce(&mut Node)) -> bool {
        let mut nodes = self.lock();
        let newest = |node: &Node| {
            node.session
                .as_ref()
                .is_some_and(|session| session.number == number)
        };
        let Some(node) = nodes.get_mut(&id).filter(|node| newest(node)) else {
            return false;
        };
        change(node);
        node.dirty = true;
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
