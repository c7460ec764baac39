//! From settings to listening sockets, and back.

use crate::admin::{Admin, certificate, listen};
use crate::config::Config;
use crate::store::{Store, StoreError};
use crate::sync::{Hub, HubError, Settings};
use rustls::ServerConfig;
use shared::settings::Exit;
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
    #[error(
        "'admin_listen' has {address}, which other machines can reach, and the Admin API asks for no credentials \
         (listen on 127.0.0.1, or set admin_unprotected = on if that is meant)"
    )]
    Unprotected { address: SocketAddr },
    #[error("cannot use the Admin API's certificate in '{path}': {reason}")]
    Certificate { path: String, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Hub(HubError),
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

impl StartError {
    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            StartError::Bind { .. } => Exit::CannotBind,
            StartError::Unprotected { .. } => Exit::Usage,
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
    refuse_unprotected(&config)?;
    let store = open(&config).await?;
    let shutdown = CancellationToken::new();
    let threads = Threads(vec![runtime("admin")?, runtime("sync")?]);
    let [admin_runtime, sync_runtime] = [0, 1].map(|n| threads.0[n].handle().clone());
    let bound = {
        let _context = admin_runtime.enter();
        bind_admin(&config)?
    };
    let hub = Hub::start(store.clone(), hub_settings(&config), shutdown.clone());
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
    let admin = Admin::new(store, hub, config);
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

fn refuse_unprotected(config: &Config) -> Result<(), StartError> {
    let mut listeners = config.admin_listen.0.iter();
    let open = listeners.find(|listen| !listen.address.ip().is_loopback());
    match open {
        Some(listen) if !config.admin_unprotected => Err(StartError::Unprotected {
            address: listen.address,
        }),
        _ => Ok(()),
    }
}

async fn open(config: &Config) -> Result<Store, StartError> {
    let data_dir = config.data_dir.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(&data_dir)).await;
    let opened = opened.map_err(|error| StartError::Threads(io::Error::other(error)))?;
    Ok(opened?)
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
        let one = listen::bind(listen, tls.as_ref()).map_err(failed)?;
        let address = one.address().map_err(failed)?;
        bound.push((one, address));
    }
    Ok(bound)
}

fn tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, StartError> {
    if !config.admin_listen.0.iter().any(|listen| listen.tls) {
        return Ok(None);
    }
    let loaded = certificate::load_or_make(&config.data_dir);
    loaded.map(Some).map_err(|error| StartError::Certificate {
        path: config.data_dir.display().to_string(),
        reason: error.to_string(),
    })
}

fn hub_settings(config: &Config) -> Settings {
    Settings {
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
