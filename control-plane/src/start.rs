//! From settings to listening sockets, and back.

use crate::admin::access::{self, Door};
use crate::admin::{Admin, certificate, listen};
use crate::config::Config;
use crate::store::{Store, StoreError};
use crate::sync::{Hub, HubError, Settings};
use rustls::ServerConfig;
use shared::plugins::Catalog;
use shared::plugins::installed::InstallError;
use shared::settings::{Exit, Listen};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const ADMIN_LISTEN: &str = "admin_listen";
/// How long a stop waits for requests that are being answered.
const DRAIN: Duration = Duration::from_secs(10);

/// Why a control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Exit code 5.
    #[error(
        "cannot listen on {address}: {source} (setting '{setting}': choose another address, or stop what has this one)"
    )]
    Bind {
        setting: &'static str,
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot use the Admin API's certificate in '{path}': {reason}")]
    Certificate { path: String, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Hub(HubError),
    /// A plugin that the settings name.
    #[error(transparent)]
    Plugin(#[from] InstallError),
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

impl StartError {
    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            StartError::Bind { .. } => Exit::CannotBind,
            StartError::Plugin(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

impl From<HubError> for StartError {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Bind {
                setting,
                address,
                source,
            } => StartError::Bind {
                setting,
                address,
                source,
            },
            HubError::Store(error) => StartError::Store(error),
            other => StartError::Hub(other),
        }
    }
}

/// A control plane that serves. Dropping it stops it without waiting.
pub struct Running {
    /// Where the Admin API listens without TLS, in the order of the setting.
    pub admin: Vec<SocketAddr>,
    /// Where it listens with TLS.
    pub admin_ssl: Vec<SocketAddr>,
    /// Where nodes connect.
    pub sync: Vec<SocketAddr>,
    /// Where nodes join.
    pub enroll: Vec<SocketAddr>,
    /// The side that nodes speak to.
    pub hub: Hub,
    shutdown: CancellationToken,
    served: Vec<JoinHandle<()>>,
    /// The Admin API and the nodes never wait for each other's work.
    _threads: Threads,
}

impl Running {
    /// Every address with the name of its listener: `admin`, `admin_ssl`, `sync`, `enroll`.
    pub fn listening(&self) -> Vec<(&'static str, SocketAddr)> {
        let named = |name, addresses: &[SocketAddr]| -> Vec<(&'static str, SocketAddr)> {
            addresses.iter().map(|address| (name, *address)).collect()
        };
        let groups = [
            named("admin", &self.admin),
            named("admin_ssl", &self.admin_ssl),
            named("sync", &self.sync),
            named("enroll", &self.enroll),
        ];
        groups.concat()
    }

    /// Ends when [`Running::stop`] or `shutdown` asks for it.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Stops accepting, lets the requests in flight end, and stops.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        for served in std::mem::take(&mut self.served) {
            if tokio::time::timeout(DRAIN, served).await.is_err() {
                tracing::warn!("gave up waiting for requests to the Admin API");
            }
        }
        if tokio::time::timeout(DRAIN, self.hub.stopped())
            .await
            .is_err()
        {
            tracing::warn!("gave up waiting for sessions of nodes");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Runtimes that end without waiting, which would block whoever drops them, perhaps a runtime itself.
struct Threads(Vec<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        for runtime in self.0.drain(..) {
            runtime.shutdown_background();
        }
    }
}

/// Opens the store, lets the nodes in and serves the Admin API; returns once all listeners listen.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let (store, catalog) = open(&config).await?;
    warn_of_doors(&config, &store).await?;
    access::welcome_commands(&store, &config.data_dir).await?;
    let shutdown = CancellationToken::new();
    let threads = Threads(vec![runtime("admin")?, runtime("sync")?]);
    let [admin_runtime, sync_runtime] = [0, 1].map(|n| threads.0[n].handle().clone());
    let bound = {
        let _context = admin_runtime.enter();
        bind_admin(&config)?
    };
    let hub = Hub::start(
        store.clone(),
        hub_settings(&config, &catalog),
        shutdown.clone(),
    );
    let hub = sync_runtime.spawn(hub).await;
    let hub = hub.map_err(|error| StartError::Threads(io::Error::other(error)))??;
    let mut running = Running {
        admin: Vec::new(),
        admin_ssl: Vec::new(),
        sync: hub.addresses().sync,
        enroll: hub.addresses().enroll,
        hub: hub.clone(),
        shutdown: shutdown.clone(),
        served: Vec::new(),
        _threads: threads,
    };
    let admin = Admin::new(store, hub, config, catalog);
    for (bound, address) in bound {
        match bound.is_tls() {
            true => running.admin_ssl.push(address),
            false => running.admin.push(address),
        }
        let serving = bound.serve(Arc::clone(&admin), shutdown.clone());
        running.served.push(admin_runtime.spawn(serving));
    }
    Ok(running)
}

/// Runs a control plane until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), StartError> {
    let running = start(config).await?;
    shutdown.cancelled().await;
    running.stop().await;
    Ok(())
}

/// Says what an operator may not have meant about listeners that other machines can reach.
async fn warn_of_doors(config: &Config, store: &Store) -> Result<(), StoreError> {
    let door = |address: SocketAddr| Door::of(address.ip(), config.admin_unprotected);
    let listeners = config.admin_listen.0.iter();
    for listen in listeners.filter(|listen| door(listen.address) != Door::Loopback) {
        let address = listen.address;
        match door(address) {
            Door::Unprotected => tracing::warn!(
                %address,
                "whoever reaches the Admin API may do anything: admin_unprotected is on"
            ),
            _ if !listen.tls => {
                tracing::warn!(%address, "tokens travel in clear: this listener has no `ssl`")
            }
            _ => {}
        }
    }
    let guarded = |listen: &Listen| door(listen.address) == Door::Guarded;
    if config.admin_listen.0.iter().any(guarded) && access::list(store).await?.is_empty() {
        tracing::warn!(
            "there is no token for the Admin API yet (`headgate-cp admin-token create` makes one)"
        );
    }
    Ok(())
}

/// The plugins of the settings, and the store.
async fn open(config: &Config) -> Result<(Store, Arc<Catalog>), StartError> {
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || -> Result<_, StartError> {
        lua::answer_schemas(config.lua());
        let catalog = config.catalog()?;
        Ok((Store::open(&config.data_dir)?, Arc::new(catalog)))
    });
    let opened = opened.await;
    opened.map_err(|error| StartError::Threads(io::Error::other(error)))?
}

fn bind_admin(config: &Config) -> Result<Vec<(listen::Bound, SocketAddr)>, StartError> {
    let tls = tls(config)?;
    let mut bound = Vec::new();
    for listen in &config.admin_listen.0 {
        let failed = |source| StartError::Bind {
            setting: ADMIN_LISTEN,
            address: listen.address,
            source,
        };
        let one = listen::bind(listen, tls.as_ref(), config.admin_unprotected).map_err(failed)?;
        let address = one.address().map_err(failed)?;
        bound.push((one, address));
    }
    Ok(bound)
}

fn tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, StartError> {
    if !config.admin_listen.0.iter().any(|listen| listen.tls) {
        return Ok(None);
    }
    let loaded = match (&config.admin_ssl_cert, &config.admin_ssl_cert_key) {
        (Some(certificate), Some(key)) => certificate::load(certificate, key),
        _ => certificate::load_or_make(&config.data_dir),
    };
    let path = config.admin_ssl_cert.as_ref().unwrap_or(&config.data_dir);
    loaded.map(Some).map_err(|error| StartError::Certificate {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn hub_settings(config: &Config, catalog: &Arc<Catalog>) -> Settings {
    Settings {
        catalog: catalog.clone(),
        data_dir: config.data_dir.clone(),
        sync_listen: config.sync_listen.0.clone(),
        enroll_listen: config.enroll_listen.0.clone(),
    }
}

fn runtime(name: &str) -> Result<Runtime, StartError> {
    Builder::new_multi_thread()
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(StartError::Threads)
}
