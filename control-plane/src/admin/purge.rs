//! Expired documents make room for whoever wants their place; the store sweeps up the rest.

use super::{ACTOR, Admin, expiry};
use crate::store::{Committed, Rejection, Store, StoreError, Stored, Write, WriteError};
use shared::entities::Entity;

impl Admin {
    /// Writes, past what has expired: an ended document keeps nobody from its id or its key.
    pub(super) async fn try_write(
        &self,
        entity: &'static Entity,
        write: Write,
    ) -> Result<Committed, WriteError> {
        if !entity.has_ttl {
            return self.store.write(vec![write], ACTOR).await;
        }
        match self.store.write(vec![write.clone()], ACTOR).await {
            Err(WriteError::Rejected { reason, .. }) => {
                match holder(&self.store, entity, &reason).await? {
                    Some(ended) => remove(&self.store, entity, ended).await?,
                    None => return Err(WriteError::Rejected { index: 0, reason }),
                }
                self.store.write(vec![write], ACTOR).await
            }
            other => other,
        }
    }
}

/// The expired document that stands in the way.
async fn holder(
    store: &Store,
    entity: &'static Entity,
    reason: &Rejection,
) -> Result<Option<Stored>, StoreError> {
    let found = match reason {
        Rejection::PrimaryKey { id, .. } => store.get(entity.kind, *id).await?,
        Rejection::Unique { fields, .. } => {
            let key = entity.unique_keys(fields).into_iter().next();
            match key {
                Some(key) => store.find(entity.kind, &key.field, &key.value).await?,
                None => None,
            }
        }
        _ => None,
    };
    Ok(found.filter(|stored| !expiry::is_live(entity, &stored.document)))
}

/// Removes a document, unless somebody has given it a new life meanwhile.
async fn remove(store: &Store, entity: &'static Entity, ended: Stored) -> Result<(), WriteError> {
    let unchanged = Write::Update {
        kind: entity.kind,
        document: ended.document,
        expected: Some(ended.revision),
    };
    let gone = Write::Delete {
        kind: entity.kind,
        id: ended.id,
    };
    match store.write(vec![unchanged, gone], ACTOR).await {
        Ok(_) => Ok(()),
        Err(WriteError::Rejected {
            reason: Rejection::Changed { .. } | Rejection::NotFound { .. },
            ..
        }) => Ok(()),
        Err(error) => Err(error),
    }
}
