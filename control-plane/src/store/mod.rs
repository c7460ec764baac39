//! Where the configuration lives: documents, unique keys, references and the change log, in one SQLite file.
//!
//! A write is decided, logged and given its revision in one transaction, by one thread that commits whatever
//! has queued up meanwhile together; the answer comes after the commit is on the disk. Reads go to connections
//! of their own, off the I/O threads.

mod error;
mod query;
mod write;

pub use error::{Rejection, StoreError, WriteError};
pub use query::{Filter, Listing, Page, Stored, TagPage, TagRow};
pub use write::{Committed, Write};

use std::path::Path;
use tokio::sync::watch;
use uuid::Uuid;

/// A handle on the store of one control plane; clones share it.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Opens or creates the store under `data_dir`, migrates and verifies it. Blocks: call it before serving.
    pub fn open(data_dir: &Path) -> Result<Store, StoreError> {
        let _ = data_dir;
        todo!()
    }

    /// The document of that id.
    pub async fn get(&self, kind: &str, id: Uuid) -> Result<Option<Stored>, StoreError> {
        let _ = (kind, id);
        todo!()
    }

    /// The document whose unique `field` has that value (text as it stands in the document).
    pub async fn find(
        &self,
        kind: &str,
        field: &str,
        value: &str,
    ) -> Result<Option<Stored>, StoreError> {
        let _ = (kind, field, value);
        todo!()
    }

    /// One page of documents, ascending by id; the cost does not grow with the distance from the start.
    pub async fn list(&self, kind: &str, page: Page) -> Result<Listing, StoreError> {
        let _ = (kind, page);
        todo!()
    }

    /// One page of (tag, kind, id) rows, of one tag or of all.
    pub async fn tags(
        &self,
        tag: Option<String>,
        page: TagPage,
    ) -> Result<Vec<TagRow>, StoreError> {
        let _ = (tag, page);
        todo!()
    }

    /// Commits the writes as one revision, or none of them. `actor` goes into the change log.
    pub async fn write(&self, writes: Vec<Write>, actor: &str) -> Result<Committed, WriteError> {
        let _ = (writes, actor);
        todo!()
    }

    /// The newest committed revision.
    pub fn head(&self) -> u64 {
        todo!()
    }

    /// Follows the newest committed revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        todo!()
    }
}
