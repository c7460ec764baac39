//! Where every write of a request goes through: who asked, one revision, and the answer that names it.

use super::custom_plugins::Turn;
use super::reply::Reply;
use super::serve::Call;
use super::{Admin, expiry, wait};
use crate::store::{Author, Committed, Rejection, Store, StoreError, Stored, Write, WriteError};
use shared::entities;
use shared::plugins::{Catalog, PluginConfig, RequestTransformer};
use tracing::warn;

impl Call<'_> {
    /// Commits the writes as one revision, and makes `reply` name it; waits for nodes if the request asked for that.
    ///
    /// # Errors
    /// What the store refuses, for callers that can look again and retry.
    pub async fn commit(&self, writes: Vec<Write>, reply: Reply) -> Result<Reply, WriteError> {
        let doubts: Vec<_> = writes.iter().flat_map(doubts).collect();
        let touched = self.admin.custom.touched_by(&writes);
        let turn = self.admin.custom.turn(&self.admin.store, touched).await?;
        let (admin, author) = (self.admin.clone(), self.author.clone());
        let write = async move { admin.write_past_expired(writes, &author).await };
        let committed = in_turn(turn, write).await?;
        for (plugin, doubt) in doubts {
            warn!(plugin, "every request will fail: {doubt}");
        }
        Ok(wait::answer(self.admin, self.wait, reply, committed).await)
    }

    /// Commits what was tried through `staged` as one revision; `reply` gets its number.
    ///
    /// # Errors
    /// What the newest state refuses, for callers that can try again.
    pub async fn commit_staged(
        &self,
        staged: &Admin,
        reply: impl FnOnce(u64) -> Reply,
    ) -> Result<Reply, WriteError> {
        let effects = staged.store.effects();
        let touched = effects.map(|effects| self.admin.custom.touched_in(&effects));
        let touched = touched.unwrap_or_default();
        let turn = self.admin.custom.turn(&self.admin.store, touched).await?;
        let (store, author) = (staged.store.clone(), self.author.clone());
        let write = async move { store.commit_staged(&author).await };
        let committed = in_turn(turn, write).await?;
        let reply = reply(committed.revision);
        Ok(wait::answer(self.admin, self.wait, reply, committed).await)
    }
}

/// Commits, and keeps what is known of custom plugins in step with the store: to the end, even if the client has gone.
async fn in_turn(
    turn: Option<Turn>,
    write: impl Future<Output = Result<Committed, WriteError>> + Send + 'static,
) -> Result<Committed, WriteError> {
    let Some(turn) = turn else {
        return write.await;
    };
    let whole = tokio::spawn(async move {
        let written = write.await;
        match &written {
            Ok(_) => turn.done(),
            Err(WriteError::Rejected { .. }) => drop(turn),
            Err(WriteError::Storage(_)) => turn.unclear(),
        }
        written
    });
    let whole = whole.await;
    whole.map_err(|error| StoreError::Storage(error.to_string()))?
}

impl Admin {
    /// Writes, past what has expired: an ended document keeps nobody from its id or its key.
    async fn write_past_expired(
        &self,
        writes: Vec<Write>,
        author: &Author,
    ) -> Result<Committed, WriteError> {
        let kinds: Vec<&'static str> = writes.iter().map(kind_of).collect();
        let may_expire = |kind: &&str| entities::find(kind).is_some_and(|entity| entity.has_ttl);
        if !kinds.iter().any(may_expire) {
            return self.store.write(writes, author).await;
        }
        // Each round makes room for one write; the last one tells what cannot be helped.
        for _ in &kinds {
            match self.store.write(writes.clone(), author).await {
                Err(WriteError::Rejected { index, reason }) => {
                    match holder(&self.store, kinds[index], &reason).await? {
                        Some(ended) => remove(&self.store, kinds[index], ended).await?,
                        None => return Err(WriteError::Rejected { index, reason }),
                    }
                }
                other => return other,
            }
        }
        self.store.write(writes, author).await
    }
}

/// What was taken although it cannot work, with the id of the plugin that was told it (transformers.md 2.2).
fn doubts(write: &Write) -> Vec<(String, String)> {
    let (Write::Insert { kind, document }
    | Write::Upsert { kind, document }
    | Write::Update { kind, document, .. }) = write
    else {
        return Vec::new();
    };
    let text = |field| document.get(field).and_then(|value| value.as_str());
    if *kind != "plugins" || text("name") != Some(RequestTransformer::NAME) {
        return Vec::new();
    }
    let schema = Catalog::builtin().plugin(RequestTransformer::NAME);
    let config = schema.and_then(|schema| {
        let bytes = document.get("config")?.to_string();
        let config = schema.parse(bytes.as_bytes()).ok()?;
        config.downcast::<RequestTransformer>()
    });
    let id = text("id").unwrap_or_default();
    let all = config.map(|config| config.doubts()).unwrap_or_default();
    all.into_iter()
        .map(|doubt| (id.to_owned(), doubt))
        .collect()
}

fn kind_of(write: &Write) -> &'static str {
    match write {
        Write::Insert { kind, .. }
        | Write::Upsert { kind, .. }
        | Write::Update { kind, .. }
        | Write::Delete { kind, .. } => kind,
    }
}

/// The expired document that stands in the way.
async fn holder(
    store: &Store,
    kind: &'static str,
    reason: &Rejection,
) -> Result<Option<Stored>, StoreError> {
    let Some(entity) = entities::find(kind) else {
        return Ok(None);
    };
    let found = match reason {
        Rejection::PrimaryKey { id, .. } => store.get(kind, *id).await?,
        Rejection::Unique { fields, .. } => {
            let key = entity.unique_keys(fields).into_iter().next();
            match key {
                Some(key) => store.find(kind, &key.field, &key.value).await?,
                None => None,
            }
        }
        _ => None,
    };
    Ok(found.filter(|stored| !expiry::is_live(entity, &stored.document)))
}

/// Removes a document, unless somebody has given it a new life meanwhile.
async fn remove(store: &Store, kind: &'static str, ended: Stored) -> Result<(), WriteError> {
    let unchanged = Write::Update {
        kind,
        document: ended.document,
        expected: Some(ended.revision),
    };
    let gone = Write::Delete { kind, id: ended.id };
    match store.write(vec![unchanged, gone], "expiry").await {
        Ok(_) => Ok(()),
        Err(WriteError::Rejected {
            reason: Rejection::Changed { .. } | Rejection::NotFound { .. },
            ..
        }) => Ok(()),
        Err(error) => Err(error),
    }
}
