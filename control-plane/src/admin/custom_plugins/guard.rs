//! No commit leaves a plugin without its custom plugin, or with one that does not take its configuration
//! (custom-plugins.md 7.3, steps 5 and 6): nodes would refuse that revision.
//!
//! The store knows neither names in configurations nor Lua. Whoever changes custom plugins, or plugins that are none of
//! the settings, therefore waits for a turn, and what was checked when the request was read is checked again in it.

use super::known::{Current, Known, Stored};
use crate::admin::lookup;
use crate::store::{Effects, Rejection, Store, StoreError, Write, WriteError};
use serde_json::Value;
use shared::entities::{self, CustomPlugin, Plugin};
use shared::plugins::Catalog;
use shared::schema::Document;
use shared::types::Referenced;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// A document of one of the two kinds.
pub struct Touched {
    kind: &'static str,
    id: Uuid,
    /// What it becomes, if that has to do with custom plugins.
    after: Option<Document>,
}

/// Leave to commit. Nobody else changes custom plugins, or what uses them, while it lives.
pub struct Turn {
    known: Arc<Known>,
    /// What the custom plugins become.
    next: Arc<Current>,
    _turn: OwnedMutexGuard<()>,
}

impl Turn {
    /// The commit is done.
    pub fn done(self) {
        self.known.set(Some(self.next.clone()));
    }

    /// Whether it is done is not known.
    pub fn unclear(self) {
        self.known.set(None);
    }
}

/// Whether custom plugins are among what is written.
pub fn are_written(writes: &[Write]) -> bool {
    let kind = |write: &Write| match write {
        Write::Insert { kind, .. }
        | Write::Upsert { kind, .. }
        | Write::Update { kind, .. }
        | Write::Delete { kind, .. } => *kind,
    };
    writes.iter().any(|write| kind(write) == CustomPlugin::KIND)
}

fn one_of_ours(kind: &str) -> Option<&'static str> {
    [CustomPlugin::KIND, Plugin::KIND]
        .into_iter()
        .find(|ours| *ours == kind)
}

impl Known {
    /// What writes do to documents of the two kinds.
    pub fn touched_by(&self, writes: &[Write]) -> Vec<Touched> {
        let touched = writes.iter().filter_map(|write| match write {
            Write::Insert { kind, document }
            | Write::Upsert { kind, document }
            | Write::Update { kind, document, .. } => Some(Touched {
                kind: one_of_ours(kind)?,
                id: lookup::id(document.get("id")?.as_str()?)?,
                after: self
                    .is_of_interest(kind, document)
                    .then(|| document.clone()),
            }),
            Write::Delete { kind, id } => Some(Touched {
                kind: one_of_ours(kind)?,
                id: *id,
                after: None,
            }),
        });
        touched.collect()
    }

    /// The same for writes that were tried.
    pub fn touched_in(&self, effects: &Effects) -> Vec<Touched> {
        let touched = effects.effects.iter().filter_map(|effect| {
            let kind = one_of_ours(&effect.kind)?;
            let after = effect.after.as_ref();
            let after = after.map(|payload| serde_json::from_slice(payload).unwrap_or_default());
            Some(Touched {
                kind,
                id: effect.id,
                after: after.filter(|document| self.is_of_interest(kind, document)),
            })
        });
        touched.collect()
    }

    /// Plugins of the settings use no custom plugin, and there may be many of them.
    fn is_of_interest(&self, kind: &str, document: &Document) -> bool {
        kind == CustomPlugin::KIND || self.base.plugin(name(document)).is_none()
    }

    /// Waits for a turn, if the documents are about custom plugins, and checks what they leave behind.
    ///
    /// # Errors
    /// What would not fit any more, as a rejection of the first write.
    pub async fn turn(
        self: &Arc<Self>,
        store: &Store,
        touched: Vec<Touched>,
    ) -> Result<Option<Turn>, WriteError> {
        let concerns = |one: &Touched| one.kind == CustomPlugin::KIND || one.after.is_some();
        if !touched.iter().any(concerns) {
            return Ok(None);
        }
        let turn = self.turn.clone().lock_owned().await;
        let current = self.current(store).await?;
        let base = self.base.clone();
        let work = move || {
            let next = Arc::new(next(&base, &current, &touched));
            let uses = Uses::of(&current, next, touched);
            (uses.written(), uses)
        };
        let (written, uses) = aside(work).await?;
        written?;
        let next = uses.next.clone();
        if !uses.changed.is_empty() {
            let stored = store.all(Plugin::KIND).await?.into_iter();
            let stored = stored.map(|stored| (stored.id, stored.document)).collect();
            aside(move || uses.left_behind(stored)).await??;
        }
        Ok(Some(Turn {
            known: self.clone(),
            next,
            _turn: turn,
        }))
    }
}

/// Runs source, or what its schema says of configurations, off the I/O threads.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Storage(error.to_string()))
}

/// The custom plugins after the writes.
fn next(base: &Catalog, current: &Current, touched: &[Touched]) -> Current {
    let mut by_id = current.by_id.clone();
    for one in touched.iter().filter(|one| one.kind == CustomPlugin::KIND) {
        match &one.after {
            Some(document) => by_id.insert(one.id, Stored::of(document)),
            None => by_id.remove(&one.id),
        };
    }
    Current::new(base, by_id)
}

/// Who uses which custom plugin.
struct Uses {
    next: Arc<Current>,
    /// The names that mean something else now, or nothing.
    changed: BTreeSet<String>,
    /// The plugins that are written themselves.
    touched: Vec<Touched>,
}

impl Uses {
    fn of(current: &Current, next: Arc<Current>, touched: Vec<Touched>) -> Uses {
        let names = current.by_id.values().map(|stored| stored.name.clone());
        let differs = |name: &String| {
            let (before, after) = (current.catalog.plugin(name), next.catalog.plugin(name));
            match (before, after) {
                (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
                (before, after) => before.is_some() || after.is_some(),
            }
        };
        Uses {
            changed: names.filter(differs).collect(),
            next,
            touched: touched
                .into_iter()
                .filter(|one| one.kind == Plugin::KIND)
                .collect(),
        }
    }

    /// Whether the plugins that are written fit the custom plugins as they will be.
    fn written(&self) -> Result<(), WriteError> {
        let documents = self
            .touched
            .iter()
            .filter_map(|one| Some((one.id, one.after.as_ref()?)));
        for (id, document) in documents {
            if self.fault(document).is_some() {
                let name = name(document).to_owned();
                return Err(rejected(Rejection::CustomPluginChanged { name, id }));
            }
        }
        Ok(())
    }

    /// Whether those that are not written still have their custom plugin, and fit it.
    fn left_behind(&self, stored: Vec<(Uuid, Document)>) -> Result<(), WriteError> {
        let written: HashSet<Uuid> = self.touched.iter().map(|one| one.id).collect();
        let users = stored.into_iter().filter(|(id, _)| !written.contains(id));
        let users: Vec<(Uuid, Document)> = users
            .filter(|(_, document)| self.changed.contains(name(document)))
            .collect();
        for changed in &self.changed {
            let of_it = || {
                users
                    .iter()
                    .filter(|(_, document)| name(document) == changed)
            };
            let name = changed.clone();
            if self.next.catalog.plugin(changed).is_none() {
                let ids: Vec<Uuid> = of_it().map(|(id, _)| *id).collect();
                if !ids.is_empty() {
                    return Err(rejected(Rejection::CustomPluginInUse { name, ids }));
                }
                continue;
            }
            let faults = of_it().filter_map(|(id, document)| Some((*id, self.fault(document)?)));
            let faults: Vec<(Uuid, Value)> = faults.collect();
            if !faults.is_empty() {
                return Err(rejected(Rejection::CustomPluginMisfit { name, faults }));
            }
        }
        Ok(())
    }

    /// What is wrong with a plugin, if anything is.
    fn fault(&self, document: &Document) -> Option<Value> {
        let entity = entities::find(Plugin::KIND).expect("a declared entity is listed");
        let catalog = &self.next.catalog;
        let found = entity.validate(&entity.completed(document.clone(), catalog), catalog);
        (!found.is_empty()).then(|| found.fields())
    }
}

fn rejected(reason: Rejection) -> WriteError {
    WriteError::Rejected { index: 0, reason }
}

fn name(document: &Document) -> &str {
    let name = document.get("name").and_then(Value::as_str);
    name.unwrap_or_default()
}
