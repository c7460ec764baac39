//! Why the store did not.

use serde_json::Value;
use shared::schema::Document;
use uuid::Uuid;

/// The store itself failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "'{path}' belongs to a control plane that is running (stop it, or choose another data_dir)"
    )]
    Locked { path: String },
    #[error("cannot open the store in '{path}': {reason}")]
    Open { path: String, reason: String },
    #[error(
        "the store in '{path}' was written by a newer release (format {found}, this one knows up to {known})"
    )]
    Newer {
        path: String,
        found: u32,
        known: u32,
    },
    #[error("the store in '{path}' is damaged: {reason} (put back a backup)")]
    Damaged { path: String, reason: String },
    #[error("the store failed: {0}")]
    Storage(String),
    #[error("the store is closed")]
    Closed,
}

/// Why a batch was not written; nothing of it was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// A constraint of the write at `index` of the batch.
    #[error("{reason}")]
    Rejected { index: usize, reason: Rejection },
    #[error(transparent)]
    Storage(#[from] StoreError),
}

/// Which constraint (admin-api.md 5.2).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    #[error("'{kind}' {id} exists already")]
    PrimaryKey { kind: &'static str, id: Uuid },
    /// `fields` are the members of the violated key as they stand in the document: `{"name": "foo"}`,
    /// `{"consumer": null, "name": "basic-auth", "route": null, "service": {"id": …}}`.
    #[error("'{kind}' with that key exists already")]
    Unique {
        kind: &'static str,
        fields: Document,
    },
    /// `field` names a document that does not exist.
    #[error("'{field}' of '{kind}' names {to_kind} {to_id}, which does not exist")]
    ForeignMissing {
        kind: &'static str,
        field: String,
        to_kind: String,
        to_id: Uuid,
    },
    /// Still referenced by documents of the kind `by`.
    #[error("an existing '{by}' entity references this '{kind}' entity")]
    Referenced {
        kind: &'static str,
        id: Uuid,
        by: String,
    },
    /// The list of ids of a document of the kind `by` holds it.
    #[error("'{kind}' {id} is still referenced by {by} (id = {by_id})")]
    Mentioned {
        kind: &'static str,
        id: Uuid,
        by: String,
        by_id: Uuid,
    },
    /// Plugins use a custom plugin that would be gone.
    #[error("the custom plugin '{name}' is in use by plugins: {}", listed(ids))]
    CustomPluginInUse { name: String, ids: Vec<Uuid> },
    /// Plugins are told what a custom plugin would not take any more; errors by field, as answers tell them.
    #[error("plugins do not fit what the custom plugin '{name}' would become: {}", listed(faults.iter().map(|(id, _)| id)))]
    CustomPluginMisfit {
        name: String,
        faults: Vec<(Uuid, Value)>,
    },
    /// A plugin was checked against what its custom plugin is no more.
    #[error("the custom plugin '{name}' changed while plugin {id} was written")]
    CustomPluginChanged { name: String, id: Uuid },
    #[error("there is no '{kind}' {id}")]
    NotFound { kind: &'static str, id: Uuid },
    /// The document is not the expected one any more: read again.
    #[error("'{kind}' {id} changed meanwhile")]
    Changed { kind: &'static str, id: Uuid },
}

/// Ids, with commas between them.
fn listed<'a>(ids: impl IntoIterator<Item = &'a Uuid>) -> String {
    let ids: Vec<String> = ids.into_iter().map(Uuid::to_string).collect();
    ids.join(", ")
}
