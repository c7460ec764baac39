//! What a reader asks for.

use bytes::Bytes;
use shared::schema::Document;
use uuid::Uuid;

/// A document as it lies in the store.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: Uuid,
    pub document: Document,
    /// The canonical bytes of the document.
    pub payload: Bytes,
    /// The revision that wrote it; what a compare-and-set expects.
    pub revision: u64,
}

/// Which documents, and how many.
#[derive(Clone, Debug)]
pub struct Page {
    /// The last id of the page before.
    pub after: Option<Uuid>,
    pub size: usize,
    pub filter: Filter,
}

/// Narrows a list.
#[derive(Clone, Debug, Default)]
pub enum Filter {
    #[default]
    None,
    /// Those whose foreign `field` names that document.
    Refers {
        field: String,
        to_kind: &'static str,
        to_id: Uuid,
    },
    /// Those that have every tag.
    AllTags(Vec<String>),
    /// Those that have one of the tags.
    AnyTag(Vec<String>),
}

/// One page.
#[derive(Clone, Debug)]
pub struct Listing {
    pub documents: Vec<Stored>,
    /// The id to go on after, if there is more.
    pub next: Option<Uuid>,
}

/// Which tag rows, and how many.
#[derive(Clone, Debug)]
pub struct TagPage {
    /// The last row of the page before.
    pub after: Option<TagRow>,
    pub size: usize,
}

/// One tag of one document; ordered by tag, kind, id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagRow {
    pub tag: String,
    pub kind: String,
    pub id: Uuid,
}
