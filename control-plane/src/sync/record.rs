//! Records that only the control plane needs, as documents of private kinds.

use crate::store::{Store, StoreError, WriteError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::schema::Document;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

pub(crate) fn document(record: &impl Serialize) -> Document {
    match serde_json::to_value(record) {
        Ok(Value::Object(document)) => document,
        _ => unreachable!("a record is a struct with names for members"),
    }
}

/// A record with the counter that a compare-and-set expects.
pub(crate) async fn get<T: DeserializeOwned>(
    store: &Store,
    kind: &str,
    id: Uuid,
) -> Result<Option<(T, u64)>, StoreError> {
    let stored = store.get(kind, id).await?;
    stored
        .map(|stored| Ok((parse(kind, stored.document)?, stored.revision)))
        .transpose()
}

pub(crate) async fn all<T: DeserializeOwned>(
    store: &Store,
    kind: &str,
) -> Result<Vec<(T, u64)>, StoreError> {
    let stored = store.all(kind).await?;
    stored
        .into_iter()
        .map(|stored| Ok((parse(kind, stored.document)?, stored.revision)))
        .collect()
}

fn parse<T: DeserializeOwned>(kind: &str, document: Document) -> Result<T, StoreError> {
    serde_json::from_value(Value::Object(document)).map_err(|error| {
        StoreError::Storage(format!("a record of '{kind}' cannot be read: {error}"))
    })
}

/// What is left of a write error where no constraint can fail.
pub(crate) fn storage(error: WriteError) -> StoreError {
    match error {
        WriteError::Storage(error) => error,
        WriteError::Rejected { reason, .. } => StoreError::Storage(reason.to_string()),
    }
}
