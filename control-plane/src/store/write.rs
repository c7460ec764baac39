//! What a writer asks for.

use shared::schema::Document;
use uuid::Uuid;

/// One change of a batch. Documents are complete: checked, defaults filled in, foreign keys as `{"id": …}` or null.
#[derive(Clone, Debug)]
pub enum Write {
    /// Refused if the id exists.
    Insert {
        kind: &'static str,
        document: Document,
    },
    /// Creates or replaces.
    Upsert {
        kind: &'static str,
        document: Document,
    },
    /// Replaces; refused if the id does not exist, or if `expected` is given and the document has changed since
    /// ([`super::Stored::revision`]): read again, merge again.
    Update {
        kind: &'static str,
        document: Document,
        expected: Option<u64>,
    },
    /// Removes the document and what cascades from it. An absent one is no error and no change.
    Delete { kind: &'static str, id: Uuid },
}

/// The answer to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The revision the batch became; the newest one if it changed nothing (deletes of absent documents).
    pub revision: u64,
}
