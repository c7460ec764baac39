//! Reads the whole state at start and proves it.

use super::{StoreError, epoch};
use bytes::Bytes;
use rusqlite::Connection;
use shared::sync::{Digest, State, Version};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// What the store held when it was opened.
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) version: Version,
    pub(super) epoch_start: u64,
}

/// The state and version that the store holds; an error if the documents are not those the last commit counted.
pub(super) fn load(connection: &Connection, place: &Path) -> Result<Loaded, StoreError> {
    let damaged = |reason: String| StoreError::Damaged {
        path: place.display().to_string(),
        reason,
    };
    let version = version(connection).map_err(|error| damaged(error.to_string()))?;
    let version = version.ok_or_else(|| damaged("its digest has a wrong length".to_owned()))?;
    let state = documents(connection).map_err(|error| damaged(error.to_string()))?;
    if state.digest() != version.digest {
        return Err(damaged(format!(
            "its {} documents do not add up to the digest of revision {}",
            state.len(),
            version.revision
        )));
    }
    let epoch_start =
        epoch::start(connection, version.epoch).map_err(|error| damaged(error.to_string()))?;
    Ok(Loaded {
        state,
        version,
        epoch_start,
    })
}

fn version(connection: &Connection) -> rusqlite::Result<Option<Version>> {
    connection.query_row("SELECT epoch, head, digest FROM meta", [], |row| {
        let digest = Digest::from_bytes(&row.get::<_, Vec<u8>>(2)?);
        let epoch = Uuid::from_bytes(row.get(0)?);
        let revision = row.get::<_, i64>(1)? as u64;
        Ok(digest.map(|digest| Version {
            epoch,
            revision,
            digest,
        }))
    })
}

fn documents(connection: &Connection) -> rusqlite::Result<State> {
    let mut state = State::new();
    let mut kinds: Vec<Arc<str>> = Vec::new();
    let mut select = connection.prepare(
        "SELECT kind, id, payload FROM documents WHERE instr(kind, '/') = 0 ORDER BY kind, id",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        if kinds.last().is_none_or(|last| **last != *kind) {
            kinds.push(kind.into());
        }
        let kind = kinds.last().expect("pushed above");
        state.insert(
            kind,
            Uuid::from_bytes(row.get(1)?),
            Bytes::from(row.get::<_, Vec<u8>>(2)?),
        );
    }
    Ok(state)
}
