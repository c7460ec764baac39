//! Typed structs from stored documents.

/// A document that does not make the struct.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ReadError {
    /// Where, as a dotted path; empty for the document itself.
    pub field: String,
    /// What is wrong.
    pub message: String,
}
