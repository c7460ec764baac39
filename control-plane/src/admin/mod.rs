//! The Admin API: Kong's addresses, bodies and errors over the store.
//!
//! [`endpoints`] makes every address from the entity list; [`serve`] is what all requests share (methods, types,
//! limits, headers); [`crud`] and [`nested`] are the verbs, [`draft`] what a body goes through before a schema sees
//! it; [`names`] are lists that are documents of their own; [`error`] is the only place that words failures;
//! [`dry_run`] and [`batch`] try writes before, or instead of, writing them; [`openapi`] describes it all to clients.
//! Nothing here names a single entity but [`aliases`], [`protocols`], [`targets`] and the few fixed addresses. SQLite
//! runs on the store's own threads, never here.

pub mod access;
mod aliases;
mod apis;
mod batch;
mod body;
pub(crate) mod certificate;
mod commit;
mod cors;
mod crud;
mod custom_plugins;
mod debug;
mod declarative;
pub(crate) mod draft;
mod dry_run;
mod endpoints;
mod error;
mod expiry;
mod foreign;
mod groups;
mod list;
pub(crate) mod listen;
mod lookup;
mod names;
mod nested;
mod nodes;
mod openapi;
mod protocols;
mod query;
mod reply;
mod schemas;
mod serve;
mod status;
mod tags;
mod targets;
mod upload;
mod wait;

use crate::config::Config;
use crate::store::{Store, StoreError};
use crate::sync::Hub;
use crate::telemetry::Levels;
use axum::Router;
use axum::routing::any;
use endpoints::Endpoint;
use error::Failure;
use reply::Reply;
use shared::plugins::Catalog;
use shared::schema::FormOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

type Answer = Result<Reply, Failure>;

/// What every request reads. Clones share all of it, but for the store of a clone that only tries what it writes.
#[derive(Clone)]
pub struct Admin {
    store: Store,
    hub: Hub,
    config: Arc<Config>,
    /// The plugins that may be named, as they were when the request came.
    catalog: Arc<Catalog>,
    custom: Arc<custom_plugins::Known>,
    /// This process, in `GET /`.
    node_id: Uuid,
    hostname: Arc<str>,
    endpoints: Arc<[Arc<Endpoint>]>,
    traffic: Arc<Traffic>,
    enabled: Arc<status::EnabledPlugins>,
    loads: Arc<declarative::Loads>,
    openapi: Arc<openapi::Cached>,
    log_level: Arc<Levels>,
}

/// What `GET /status` counts.
#[derive(Debug, Default)]
pub struct Traffic {
    pub accepted: AtomicU64,
    pub active: AtomicU64,
    pub requests: AtomicU64,
    /// Requests that are being answered.
    pub serving: AtomicU64,
}

/// Counts a request as being answered for as long as it lives; a client that goes away drops it early.
pub struct Serving<'a>(&'a Traffic);

impl Traffic {
    pub fn begin(&self) -> Serving<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.serving.fetch_add(1, Ordering::Relaxed);
        Serving(self)
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admin {
    /// `catalog`: the plugins of the settings ([`Config::catalog`]).
    pub fn new(store: Store, hub: Hub, config: Config, catalog: Arc<Catalog>) -> Arc<Admin> {
        let mut endpoints = endpoints::all(config.admin_legacy_aliases);
        // Clients take 404 for an absent feature (admin-api.md 8.17).
        endpoints
            .retain(|endpoint| catalog.is_streaming() || !endpoint.action.is_of_custom_plugins());
        let hostname = hostname::get().unwrap_or_default();
        Arc::new(Admin {
            store,
            hub,
            custom: Arc::new(custom_plugins::Known::new(catalog.clone())),
            catalog,
            node_id: Uuid::new_v4(),
            hostname: hostname.to_string_lossy().into(),
            endpoints: endpoints.into_iter().map(Arc::new).collect(),
            traffic: Arc::default(),
            enabled: Arc::default(),
            loads: Arc::default(),
            openapi: Arc::default(),
            log_level: Arc::new(Levels::new(config.log_level)),
            config: Arc::new(config),
        })
    }

    /// The same, but what is written through it is only tried.
    async fn staged(&self) -> Result<Admin, StoreError> {
        let store = self.store.stage().await?;
        Ok(Admin {
            store,
            custom: Arc::new(self.custom.staged()),
            // A load that is only tried must be in nobody's way, and nobody may take it for done.
            loads: Arc::default(),
            ..self.clone()
        })
    }

    /// The same, with the custom plugins that are stored by now.
    async fn current(&self) -> Result<Admin, StoreError> {
        let current = self.custom.current(&self.store).await?;
        Ok(Admin {
            catalog: current.catalog.clone(),
            ..self.clone()
        })
    }

    /// The service behind the listeners; also callable in process.
    pub fn router(self: &Arc<Self>) -> Router {
        let mut router = Router::new();
        for endpoint in self.endpoints.iter() {
            let handler = {
                let admin = Arc::clone(self);
                let endpoint = Arc::clone(endpoint);
                any(move |request| serve::endpoint(admin, endpoint, request))
            };
            if endpoint.path != "/" {
                router = router.route(&format!("{}/", endpoint.path), handler.clone());
            }
            router = router.route(&endpoint.path, handler);
        }
        let admin = Arc::clone(self);
        router.fallback(move |request| serve::unknown(admin, request))
    }

    fn form_options(&self) -> FormOptions {
        FormOptions {
            comma_lists: self.config.admin_form_csv_lists,
        }
    }
}
