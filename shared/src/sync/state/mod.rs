//! The documents of one version, in memory. Copies are cheap and share what they have in common, so the next version
//! costs what changed and a node can hold the one it runs and the one it builds.

mod documents;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use self::documents::Documents;
use super::{Digest, leaf};

/// What a document weighs beside its payload: its key, its place in the map.
const PLACE_BYTES: u64 = 64;

/// One document set to a payload, or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The document's kind, such as `routes`.
    pub kind: Arc<str>,
    /// Its id.
    pub id: Uuid,
    /// Its exact bytes; `None` deletes it.
    pub payload: Option<Bytes>,
}

/// A change that cannot belong to this state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A lost or doubled change: what it deletes is not there.
    #[error("cannot delete {kind} '{id}': it is not in this state")]
    Missing {
        /// The kind of the missing document.
        kind: Arc<str>,
        /// Its id.
        id: Uuid,
    },
}

/// The documents of one version and their digest.
#[derive(Clone, Default)]
pub struct State {
    kinds: BTreeMap<Arc<str>, Documents>,
    digest: Digest,
    bytes: u64,
}

impl State {
    /// No documents.
    pub fn new() -> Self {
        Self::default()
    }

    /// The payload of one document.
    pub fn get(&self, kind: &str, id: &Uuid) -> Option<&Bytes> {
        self.kinds.get(kind)?.get(id)
    }

    /// Every document in (kind, id) order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Uuid, &Bytes)> {
        self.kinds.iter().flat_map(|(kind, documents)| {
            documents
                .iter()
                .map(move |(id, payload)| (kind, id, payload))
        })
    }

    /// Every document of one kind, by id.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&Uuid, &Bytes)> {
        self.kinds.get(kind).into_iter().flat_map(Documents::iter)
    }

    /// The kinds that have documents.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<str>> {
        self.kinds.keys()
    }

    /// Every document as the change that creates it: what a snapshot is made of.
    pub fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        self.iter().map(|(kind, id, payload)| Change {
            kind: kind.clone(),
            id: *id,
            payload: Some(payload.clone()),
        })
    }

    /// The state after these changes, in their order; `self` stays as it is, and both share what did not change.
    pub fn apply<'a>(
        &self,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Result<Self, ApplyError> {
        let mut next = self.clone();
        for change in changes {
            next.change(change)?;
        }
        Ok(next)
    }

    /// Applies one change in place.
    pub fn change(&mut self, change: &Change) -> Result<(), ApplyError> {
        match &change.payload {
            Some(payload) => {
                self.insert(&change.kind, change.id, payload.clone());
                Ok(())
            }
            None => match self.remove(&change.kind, &change.id) {
                Some(_) => Ok(()),
                None => Err(ApplyError::Missing {
                    kind: change.kind.clone(),
                    id: change.id,
                }),
            },
        }
    }

    /// Sets one document and returns the payload it had.
    pub fn insert(&mut self, kind: &Arc<str>, id: Uuid, payload: Bytes) -> Option<Bytes> {
        self.digest.add(leaf(kind, &id, &payload));
        self.bytes += weight(&payload);
        let documents = match self.kinds.get_mut(kind) {
            Some(documents) => documents,
            None => self.kinds.entry(kind.clone()).or_default(),
        };
        let before = documents.insert(id, payload);
        self.forget(kind, &id, before)
    }

    /// Deletes one document and returns the payload it had.
    pub fn remove(&mut self, kind: &str, id: &Uuid) -> Option<Bytes> {
        let documents = self.kinds.get_mut(kind)?;
        let before = documents.remove(id);
        if documents.is_empty() {
            self.kinds.remove(kind);
        }
        self.forget(kind, id, before)
    }

    /// Hashes the old payload again, so a copy corrupted in memory shows at its next change.
    fn forget(&mut self, kind: &str, id: &Uuid, before: Option<Bytes>) -> Option<Bytes> {
        if let Some(payload) = &before {
            self.digest.remove(leaf(kind, id, payload));
            self.bytes -= weight(payload);
        }
        before
    }

    /// The changes that make `self` into `target`: deletions and settings in (kind, id) order.
    pub fn diff(&self, target: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (kind, documents) in &self.kinds {
            match target.kinds.get(kind) {
                Some(after) => documents.diff(after, kind, &mut changes),
                None => documents.diff(&Documents::default(), kind, &mut changes),
            }
        }
        for (kind, after) in &target.kinds {
            if !self.kinds.contains_key(kind) {
                Documents::default().diff(after, kind, &mut changes);
            }
        }
        changes.sort_by(|a, b| (&a.kind, a.id).cmp(&(&b.kind, b.id)));
        changes
    }

    /// The fingerprint, kept up to date with every change.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The fingerprint, computed from every document again.
    pub fn recompute_digest(&self) -> Digest {
        let mut digest = Digest::default();
        for (kind, id, payload) in self.iter() {
            digest.add(leaf(kind, id, payload));
        }
        digest
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.kinds.values().map(Documents::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// What the documents weigh: their payloads and 64 bytes each for key and place. A snapshot's `raw_bytes` are never
    /// more than this; it is what `state_bytes` declares and `max_state_bytes` limits.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn weight(payload: &Bytes) -> u64 {
    payload.len() as u64 + PLACE_BYTES
}

/// Equal content, whatever is shared.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.iter().eq(other.iter())
    }
}

impl Eq for State {}

/// The numbers only: payloads hold secrets.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("documents", &self.len())
            .field("bytes", &self.bytes)
            .field("digest", &self.digest)
            .finish()
    }
}
