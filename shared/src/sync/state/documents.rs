//! The documents of one kind, ordered by id, in shared chunks: a change copies one chunk and the list of chunks, not a
//! hundred thousand entries (a cloned `BTreeMap` of that size costs more than the whole budget of a change).

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::Change;

/// A chunk longer than this is split; two neighbours that fit in half of it are joined.
const CHUNK: usize = 256;

type Entry = (Uuid, Bytes);

/// An ordered map whose copies share chunks. No chunk is empty.
#[derive(Clone, Default)]
pub(super) struct Documents {
    chunks: Vec<Arc<Vec<Entry>>>,
    len: usize,
}

impl Documents {
    pub(super) fn get(&self, id: &Uuid) -> Option<&Bytes> {
        let chunk = self.chunks.get(self.chunk_of(id))?;
        let at = find(chunk, id).ok()?;
        Some(&chunk[at].1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Uuid, &Bytes)> {
        let entries = self.chunks.iter().flat_map(|chunk| chunk.iter());
        entries.map(|(id, payload)| (id, payload))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn insert(&mut self, id: Uuid, payload: Bytes) -> Option<Bytes> {
        if self.chunks.is_empty() {
            self.chunks.push(Arc::new(vec![(id, payload)]));
            self.len = 1;
            return None;
        }
        let index = self.chunk_of(&id);
        let chunk = Arc::make_mut(&mut self.chunks[index]);
        match find(chunk, &id) {
            Ok(at) => Some(std::mem::replace(&mut chunk[at].1, payload)),
            Err(at) => {
                chunk.insert(at, (id, payload));
                self.len += 1;
                self.split(index);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, id: &Uuid) -> Option<Bytes> {
        let index = self.chunk_of(id);
        let at = find(self.chunks.get(index)?, id).ok()?;
        let (_, payload) = Arc::make_mut(&mut self.chunks[index]).remove(at);
        self.len -= 1;
        self.join(index);
        Some(payload)
    }

    /// The chunk that has this id, or would take it.
    fn chunk_of(&self, id: &Uuid) -> usize {
        let after = self.chunks.partition_point(|chunk| chunk[0].0 <= *id);
        after.saturating_sub(1)
    }

    fn split(&mut self, index: usize) {
        let len = self.chunks[index].len();
        if len <= CHUNK {
            return;
        }
        // Ids mostly grow (loading in order, UUIDv7): then the full chunk stays full and only the new entry moves on.
        let last = index + 1 == self.chunks.len();
        let at = if last { len - 1 } else { len / 2 };
        let right = Arc::make_mut(&mut self.chunks[index]).split_off(at);
        self.chunks.insert(index + 1, Arc::new(right));
    }

    fn join(&mut self, index: usize) {
        if self.chunks[index].is_empty() {
            self.chunks.remove(index);
            return;
        }
        let fits = |next: &Arc<Vec<Entry>>| next.len() + self.chunks[index].len() <= CHUNK / 2;
        if self.chunks.get(index + 1).is_some_and(fits) {
            let right = self.chunks.remove(index + 1);
            Arc::make_mut(&mut self.chunks[index]).extend_from_slice(&right);
        }
    }

    /// Appends what makes `self` into `target`.
    pub(super) fn diff(&self, target: &Self, kind: &Arc<str>, changes: &mut Vec<Change>) {
        let change = |id: &Uuid, payload: Option<&Bytes>| Change {
            kind: kind.clone(),
            id: *id,
            payload: payload.cloned(),
        };
        let (mut before, mut after) = (Cursor::new(self), Cursor::new(target));
        loop {
            before.skip_shared(&mut after);
            match (before.entry(), after.entry()) {
                (None, None) => return,
                (Some((old, was)), Some((new, is))) => match old.cmp(new) {
                    Ordering::Less => {
                        changes.push(change(old, None));
                        before.advance();
                    }
                    Ordering::Greater => {
                        changes.push(change(new, Some(is)));
                        after.advance();
                    }
                    Ordering::Equal => {
                        if !same(was, is) {
                            changes.push(change(new, Some(is)));
                        }
                        before.advance();
                        after.advance();
                    }
                },
                (Some((old, _)), None) => {
                    changes.push(change(old, None));
                    before.advance();
                }
                (None, Some((new, is))) => {
                    changes.push(change(new, Some(is)));
                    after.advance();
                }
            }
        }
    }
}

/// Equal bytes; the same bytes are not compared.
fn same(a: &Bytes, b: &Bytes) -> bool {
    (a.as_ptr() == b.as_ptr() && a.len() == b.len()) || a == b
}

fn find(chunk: &[Entry], id: &Uuid) -> Result<usize, usize> {
    chunk.binary_search_by(|(at, _)| at.cmp(id))
}

/// A place in the chunks.
struct Cursor<'a> {
    chunks: &'a [Arc<Vec<Entry>>],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(documents: &'a Documents) -> Self {
        Self {
            chunks: &documents.chunks,
            at: 0,
        }
    }

    fn entry(&self) -> Option<&'a Entry> {
        self.chunks.first().map(|chunk| &chunk[self.at])
    }

    fn advance(&mut self) {
        self.at += 1;
        if self.at == self.chunks[0].len() {
            self.chunks = &self.chunks[1..];
            self.at = 0;
        }
    }

    /// Two copies of one state share nearly all chunks: those need no look inside.
    fn skip_shared(&mut self, other: &mut Self) {
        while let ([mine, my_rest @ ..], [theirs, their_rest @ ..]) = (self.chunks, other.chunks) {
            if self.at != 0 || other.at != 0 || !Arc::ptr_eq(mine, theirs) {
                return;
            }
            (self.chunks, other.chunks) = (my_rest, their_rest);
        }
    }
}
