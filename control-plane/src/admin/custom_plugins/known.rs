//! The custom plugins of the store, read once and again after each change.

use crate::store::{Store, StoreError};
use shared::entities::CustomPlugin;
use shared::plugins::{Catalog, PluginSchema, custom};
use shared::schema::Document;
use shared::types::Referenced;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// What is stored, for whoever asks.
pub struct Known {
    /// The plugins of the settings.
    pub(super) base: Arc<Catalog>,
    current: Mutex<Read>,
    /// One change at a time, of custom plugins and of what uses them.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Read {
    /// What was read while this was another number is old.
    generation: u64,
    current: Option<Arc<Current>>,
}

/// Every custom plugin at one time.
pub struct Current {
    /// Those of the settings and these.
    pub catalog: Arc<Catalog>,
    pub(super) by_id: BTreeMap<Uuid, Stored>,
}

/// One custom plugin.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) name: String,
    /// None: its source does not load any more.
    pub(super) schema: Option<Arc<PluginSchema>>,
}

impl Stored {
    pub(super) fn of(document: &Document) -> Stored {
        let name = document.get("name").and_then(|name| name.as_str());
        Stored {
            name: name.unwrap_or_default().to_owned(),
            schema: custom::of_document(document),
        }
    }
}

impl Current {
    pub(super) fn new(base: &Catalog, by_id: BTreeMap<Uuid, Stored>) -> Current {
        let plugins = by_id.values().filter_map(|stored| stored.schema.clone());
        Current {
            catalog: Arc::new(base.with(plugins)),
            by_id,
        }
    }
}

impl Known {
    pub fn new(base: Arc<Catalog>) -> Known {
        Known {
            base,
            current: Mutex::default(),
            turn: Arc::default(),
        }
    }

    /// The same for a store whose writes are only tried.
    pub fn staged(&self) -> Known {
        Known::new(self.base.clone())
    }

    /// The plugins of the settings: what is there whatever is stored.
    pub fn settled(&self) -> &Arc<Catalog> {
        &self.base
    }

    /// The newest, read from the store if need be.
    pub async fn current(&self, store: &Store) -> Result<Arc<Current>, StoreError> {
        let generation = {
            let read = self.lock();
            if let Some(current) = &read.current {
                return Ok(current.clone());
            }
            read.generation
        };
        let base = self.base.clone();
        let stored = match base.is_streaming() {
            true => store.all(CustomPlugin::KIND).await?,
            false => Vec::new(),
        };
        // Source runs when it is read.
        let work = move || {
            let by_id = stored.iter().map(|one| (one.id, Stored::of(&one.document)));
            Arc::new(Current::new(&base, by_id.collect()))
        };
        let current = tokio::task::spawn_blocking(work).await;
        let current = current.map_err(|error| StoreError::Storage(error.to_string()))?;
        let mut read = self.lock();
        if read.generation == generation {
            read.current = Some(current.clone());
        }
        Ok(current)
    }

    /// Has them read again, or takes what they have become.
    pub(super) fn set(&self, current: Option<Arc<Current>>) {
        let mut read = self.lock();
        read.generation += 1;
        read.current = current;
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
