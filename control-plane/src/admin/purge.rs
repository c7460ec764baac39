//! Expired documents leave the store: on the way of whoever wants their place, and by a sweep.

use super::{ACTOR, Admin, draft::now, expiry};
use crate::store::{Committed, Rejection, Store, StoreError, Stored, Write, WriteError};
use serde::Deserialize;
use shared::entities::{self, Entity};

use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PAUSE: Duration = Duration::from_secs(10);

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

/// Removes what has expired, until `shutdown`.
pub async fn sweep(store: Store, shutdown: CancellationToken) {
    let mut seen = Seen::default();
    while shutdown
        .run_until_cancelled(tokio::time::sleep(PAUSE))
        .await
        .is_some()
    {
        if !seen.is_worth_looking(store.head()) {
            continue;
        }
        if let Err(error) = sweep_once(&store, &mut seen).await {
            tracing::warn!(%error, "cannot remove expired documents");
        }
    }
}

/// What the last look found, so that most looks need not read a document.
#[derive(Default)]
struct Seen {
    head: Option<u64>,
    /// The second at which the next document ends.
    next_end: Option<u64>,
}

impl Seen {
    fn is_worth_looking(&self, head: u64) -> bool {
        self.head != Some(head) || self.next_end.is_some_and(|end| end <= now() as u64)
    }
}

async fn sweep_once(store: &Store, seen: &mut Seen) -> Result<(), WriteError> {
    let (state, version) = store.state();
    let kinds = entities::all().iter().filter(|entity| entity.has_ttl);
    let mut next_end = None;
    for entity in kinds {
        let mut ended = Vec::new();
        for (id, payload) in state.of_kind(entity.kind) {
            match end(payload) {
                Some(end) if end <= now() as u64 => ended.push(*id),
                Some(end) => next_end = Some(next_end.unwrap_or(end).min(end)),
                None => {}
            }
        }
        remove_all(store, entity, ended).await?;
    }
    *seen = Seen {
        head: Some(version.revision),
        next_end,
    };
    Ok(())
}

async fn remove_all(
    store: &Store,
    entity: &'static Entity,
    ended: Vec<Uuid>,
) -> Result<(), WriteError> {
    for id in ended {
        let found = store.get(entity.kind, id).await?;
        if let Some(stored) = found.filter(|stored| !expiry::is_live(entity, &stored.document)) {
            remove(store, entity, stored).await?;
        }
    }
    Ok(())
}

/// When a document ends, read from its bytes.
fn end(payload: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Ending {
        ttl: Option<u64>,
    }
    let ending: Ending = serde_json::from_slice(payload).ok()?;
    ending.ttl.filter(|end| *end > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::schema::Document;

    fn key(id: Uuid, consumer: Uuid, end: u64) -> Document {
        let document = json!({
            "id": id, "consumer": { "id": consumer }, "key": id, "created_at": 1, "tags": null, "ttl": end,
        });
        document.as_object().cloned().expect("an object")
    }

    #[tokio::test]
    async fn a_sweep_removes_what_has_ended_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(folder.path()).expect("a new store");
        let entity = entities::find("keyauth_credentials").expect("a kind of the list");
        let [consumer, ended, living] = [1, 2, 3].map(Uuid::from_u128);
        let owner = json!({ "id": consumer, "username": "c", "custom_id": null });
        let insert = |kind, document| Write::Insert { kind, document };
        let writes = vec![
            insert("consumers", owner.as_object().cloned().expect("an object")),
            insert(entity.kind, key(ended, consumer, 1)),
            insert(entity.kind, key(living, consumer, 4_000_000_000)),
        ];
        store.write(writes, ACTOR).await.expect("a valid batch");
        let mut seen = Seen::default();
        sweep_once(&store, &mut seen)
            .await
            .expect("the store works");
        assert!(
            store
                .get(entity.kind, ended)
                .await
                .expect("it works")
                .is_none()
        );
        assert!(
            store
                .get(entity.kind, living)
                .await
                .expect("it works")
                .is_some()
        );
        assert_eq!(seen.next_end, Some(4_000_000_000));
        sweep_once(&store, &mut seen)
            .await
            .expect("the store works");
        assert!(!seen.is_worth_looking(store.head()), "nothing ends soon");
    }
}
