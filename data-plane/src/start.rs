//! From settings to a serving node, and back to nothing.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper_util::rt::TokioIo;
use shared::entities;
use shared::model::{Issue, Issues, Model};
use shared::plugins::Catalog;
use shared::plugins::installed::InstallError;
use shared::settings::{AccessLog, Exit, Listen};
use shared::sync::{State, Version};
use shared::types::Referenced;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::balancer::health::active::Checks;
use crate::carried::dns::{Dns, DnsError, Options};
use crate::carried::trust::{Trust, TrustError};
use crate::config::Config;
use crate::listen::{self, BindError, Bound, Doors, Node, TlsError, Worker};
use crate::lua::commit::{Complaint, Workers};
use crate::lua::held;
use crate::lua::here::Here;
use crate::lua::stores::Stores;
use crate::proxy::headers::SERVER_TOKEN;
use crate::runtime::{ProxySettings, Runtime};
use crate::sync::{self, Applied, Rejected};
use crate::telemetry::access_log;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::status::Status;

/// How long requests may take to end after the node was told to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is in use, or not this machine's.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A file that a setting names.
    #[error("{0}")]
    Settings(String),
    /// The certificate for clients.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The trust store for upstreams.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The resolver.
    #[error("cannot prepare the resolver: {0}")]
    Dns(#[from] DnsError),
    /// The identity, the copy of the configuration, the join.
    #[error(transparent)]
    Sync(#[from] sync::SyncError),
    /// The declarative file.
    #[error(transparent)]
    File(#[from] sync::FileError),
    /// A plugin that the settings name.
    #[error(transparent)]
    Plugin(#[from] InstallError),
    /// A thread or a runtime.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// A node that serves.
pub struct Running {
    /// What is bound: `proxy`, `proxy_ssl` and `status`, each with its address.
    pub listening: Vec<(&'static str, SocketAddr)>,
    /// The link to the control plane.
    pub link: sync::Link,
    /// Asks for the declarative file to be loaded again, where there is one.
    reload: Option<UnboundedSender<()>>,
    drain: CancellationToken,
    offline: CancellationToken,
    refused: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    keeping_up: Option<JoinHandle<()>>,
    background: Option<tokio::runtime::Runtime>,
}

impl StartError {
    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
        use sync::SyncError::{NoControlPlane, NotJoined, Token};
        match self {
            Self::Bind(_) => Exit::CannotBind,
            Self::Settings(_) | Self::Trust(_) | Self::File(_) | Self::Plugin(_) => Exit::Usage,
            Self::Tls(TlsError::File { .. } | TlsError::Pair(_)) => Exit::Usage,
            Self::Sync(NotJoined | NoControlPlane | Token(_)) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

impl Running {
    /// Ends when the control plane will not have this node and there is nothing to serve.
    pub fn refused(&self) -> CancellationToken {
        self.refused.clone()
    }

    /// What asks for the declarative file to be loaded again; none where a control plane says what serves.
    pub fn reload(&self) -> Option<UnboundedSender<()>> {
        self.reload.clone()
    }

    /// Accepts no more, lets requests end, keeps the configuration on disk, and waits for all of it.
    pub fn stop(mut self) {
        self.drain.cancel();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of this node panicked");
            }
        }
        self.offline.cancel();
        if let Some(link) = self.keeping_up.take()
            && link.join().is_err()
        {
            tracing::error!("the link's thread panicked");
        }
        if let Some(background) = self.background.take() {
            background.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// Starts a node: boots from its copy of the configuration, binds, serves, and keeps up with the control plane.
///
/// Blocks until every listener is bound; the caller needs no async runtime.
///
/// # Errors
/// See [`StartError`]; nothing is left running.
pub fn start(config: Config) -> Result<Running, StartError> {
    crate::lua::worker::configure(config.lua());
    crate::lua::limits::set(config.lua_limits());
    crate::lua::weight::limit(config.custom_plugins_memory.bytes());
    crate::lua::worker::allow_streamed_timers(config.custom_plugins_timers);
    let catalog = Arc::new(config.catalog()?);
    let workers = config.workers.count();
    let bound = config
        .proxy_listen
        .0
        .iter()
        .map(|listen| listen::bind(listen, workers, "proxy_listen"))
        .collect::<Result<Vec<_>, _>>()?;
    let status = config
        .status_listen
        .0
        .iter()
        .map(|address| listen::bind(&plain(*address), 1, "status_listen"))
        .collect::<Result<Vec<_>, _>>()?;
    let background = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("background")
        .enable_all()
        .build()?;
    let node = node(&config, &background)?;
    let metrics = Metrics::new(workers);
    let drain = CancellationToken::new();
    let wait = config.custom_plugins_commit_wait.0;
    let apply = applying(
        node.clone(),
        background.handle().clone(),
        catalog.clone(),
        wait,
    );
    let source = Source::boot(&config, &catalog, apply)?;
    let link = source.link();
    let listening = addresses(&bound, &status);
    let mut threads = Vec::new();
    let log = match &config.proxy_access_log {
        AccessLog::Off => None,
        AccessLog::File { path, json } => Some(open_log(path, *json, &mut threads)?),
    };
    let sockets = per_worker(bound, workers, &config, &node)?;
    let here = Here::new(node.clone(), metrics.clone(), link.clone());
    let here = Arc::new(here);
    let mut doors = Doors::default();
    for (index, sockets) in sockets.into_iter().enumerate() {
        let own = sockets.iter().map(|(listen, socket, _)| (listen, socket));
        doors.add(listen::name(index), own)?;
        threads.push(listen::spawn(Worker {
            index,
            node: node.clone(),
            sockets,
            here: here.clone(),
            metrics: metrics.shard(index),
            log: log.clone(),
            drain: drain.clone(),
            grace: GRACE,
        })?);
    }
    let closing = drain.clone();
    background.spawn(async move { closing.run_until_cancelled(held::watch(doors)).await });
    // The log's thread was first and ends last, once every worker's end of it is gone.
    threads.reverse();
    drop(log);
    let told = Arc::new(Status {
        node,
        metrics,
        link: link.clone(),
        draining: AtomicBool::new(false),
        started: std::time::Instant::now(),
    });
    serve_status(&background, status, &told)?;
    let offline = CancellationToken::new();
    let refused = CancellationToken::new();
    let (reload, keeping_up) = source.keep_up(offline.clone(), refused.clone())?;
    Ok(Running {
        listening,
        link,
        reload,
        drain,
        offline,
        refused,
        threads,
        keeping_up: Some(keeping_up),
        background: Some(background),
    })
}

fn node(config: &Config, background: &tokio::runtime::Runtime) -> Result<Arc<Node>, StartError> {
    let settings = Arc::new(ProxySettings {
        trust: Trust::new(&config.lua_ssl_trusted_certificate)?,
        ..ProxySettings::new(config)
    });
    let options = Options {
        servers: config.dns_resolver.0.clone(),
        hosts_file: config.dns_hostsfile.clone(),
        ..Options::default()
    };
    Ok(Arc::new(Node {
        runtime: ArcSwap::from_pointee(Runtime::empty(settings.clone())),
        settings,
        dns: Dns::new(options, background.handle().clone())?,
        stores: Arc::new(Stores::new(&config.stores())),
        workers: Workers::default(),
    }))
}

fn link_settings(config: &Config, catalog: &Catalog) -> sync::Settings {
    sync::Settings {
        data_dir: config.data_dir.clone(),
        control_plane: config.control_plane.0.clone(),
        join: config.join.as_ref().map(|token| token.expose().to_owned()),
        snapshot: None,
        max_state_bytes: config.max_state_bytes.0,
        software: SERVER_TOKEN.to_owned(),
        hostname: hostname::get().map_or_else(
            |_| String::new(),
            |name| name.to_string_lossy().into_owned(),
        ),
        plugins: catalog
            .iter()
            .map(|plugin| plugin.name.to_string())
            .collect(),
        features: entities::all()
            .iter()
            .map(|entity| entity.kind.to_owned())
            .collect(),
    }
}

/// Builds each version aside from traffic, has the workers load what it brings, and swaps it in when the link says so.
fn applying(
    node: Arc<Node>,
    background: Handle,
    catalog: Arc<Catalog>,
    wait: Duration,
) -> impl FnMut(State, Version) -> Result<Applied, Rejected> + Send + 'static {
    let mut last: Option<(State, Arc<Model>)> = None;
    // They end with the link, which is what this closure belongs to.
    let checks = Checks::new(
        node.dns.clone(),
        node.settings.trust.clone(),
        background.clone(),
    );
    let checks = Arc::new(checks);
    move |state, version| {
        let previous = last.as_ref().map(|(state, model)| (state, &**model));
        let model = Model::build(&state, previous, &catalog).map_err(Rejected::Invalid)?;
        let warnings = model.warnings.to_vec();
        let model = Arc::new(model);
        let (current, settings) = (node.runtime.load_full(), node.settings.clone());
        let runtime = Runtime::build(model.clone(), Some(version), Some(&current), settings)
            .holding(state.clone());
        let new = runtime.new_codes(&current);
        let loaded = node.workers.load(&new, wait);
        loaded.map_err(|complaints| Rejected::Build(unloaded(&model, complaints)))?;
        last = Some((state, model));
        let (node, background, checks) = (node.clone(), background.clone(), checks.clone());
        Ok(Applied::new(move || {
            checks.follow(&runtime.balancers);
            let old = node.runtime.swap(Arc::new(runtime));
            background.spawn(free(old));
        })
        .with_warnings(warnings))
    }
}

/// What workers cannot load, by the custom plugin that it is.
fn unloaded(model: &Model, complaints: Vec<Complaint>) -> Issues {
    let mut issues = Issues::default();
    for Complaint { plugin, message } in complaints {
        issues.push(Issue {
            kind: entities::CustomPlugin::KIND.to_owned(),
            id: model.custom_plugin(&plugin).unwrap_or_default(),
            name: plugin,
            field: "handler".to_owned(),
            message,
        });
    }
    issues
}

/// Frees a runtime once its last request has ended: here, because taking one apart would hold up a worker.
async fn free(runtime: Arc<Runtime>) {
    while Arc::strong_count(&runtime) > 1 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Where the configuration comes from.
enum Source<F> {
    ControlPlane(Box<sync::Client>),
    File(Box<sync::ConfigFile<F>>),
}

/// A thread that keeps up, and what asks it to load its file again, if it has one.
type KeepingUp = (Option<UnboundedSender<()>>, JoinHandle<()>);

impl<F> Source<F>
where
    F: FnMut(State, Version) -> Result<Applied, Rejected> + Send + 'static,
{
    /// Makes what there is serve.
    fn boot(config: &Config, catalog: &Arc<Catalog>, apply: F) -> Result<Self, StartError> {
        let Some(path) = &config.declarative_config else {
            let client = sync::Client::boot(link_settings(config, catalog), apply)?;
            return Ok(Self::ControlPlane(Box::new(client)));
        };
        // The default certificate is kept there.
        let mut folder = std::fs::DirBuilder::new();
        folder
            .recursive(true)
            .mode(0o700)
            .create(&config.data_dir)?;
        let file = sync::ConfigFile::boot(path, config.max_state_bytes.0, catalog.clone(), apply)?;
        Ok(Self::File(Box::new(file)))
    }

    fn link(&self) -> sync::Link {
        match self {
            Self::ControlPlane(client) => client.link(),
            Self::File(file) => file.link(),
        }
    }

    /// Follows it on a thread of its own.
    fn keep_up(
        self,
        shutdown: CancellationToken,
        refused: CancellationToken,
    ) -> std::io::Result<KeepingUp> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new().name("sync".to_owned());
        match self {
            Self::ControlPlane(client) => {
                let thread = thread.spawn(move || {
                    if let Err(error) = runtime.block_on(client.run(shutdown)) {
                        tracing::error!(%error, "the link to the control plane has ended");
                        refused.cancel();
                    }
                })?;
                Ok((None, thread))
            }
            Self::File(file) => {
                let (reload, asked) = unbounded_channel();
                let thread =
                    thread.spawn(move || runtime.block_on(file.follow(asked, shutdown)))?;
                Ok((Some(reload), thread))
            }
        }
    }
}

fn plain(address: SocketAddr) -> Listen {
    Listen {
        address,
        tls: false,
        http2: false,
        backlog: None,
        ipv6only: None,
    }
}

fn addresses(proxy: &[Bound], status: &[Bound]) -> Vec<(&'static str, SocketAddr)> {
    let proxy = proxy.iter().map(|b| {
        (
            if b.listen.tls { "proxy_ssl" } else { "proxy" },
            b.listen.address,
        )
    });
    proxy
        .chain(status.iter().map(|b| ("status", b.listen.address)))
        .collect()
}

fn open_log(
    path: &Path,
    json: bool,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<access_log::Sink, StartError> {
    let (sink, thread) = access_log::open(path, json).map_err(|error| {
        StartError::Settings(format!(
            "proxy_access_log: cannot open {}: {error}",
            path.display()
        ))
    })?;
    threads.push(thread);
    Ok(sink)
}

type Sockets = Vec<(Listen, std::net::TcpListener, Option<Arc<listen::Sides>>)>;

/// Deals the sockets out, one of each listener to each worker.
fn per_worker(
    bound: Vec<Bound>,
    workers: usize,
    config: &Config,
    node: &Arc<Node>,
) -> Result<Vec<Sockets>, StartError> {
    let files = config
        .ssl_cert
        .as_deref()
        .zip(config.ssl_cert_key.as_deref());
    let mut dealt: Vec<Sockets> = (0..workers).map(|_| Vec::new()).collect();
    for Bound { listen, sockets } in bound {
        let tls = match listen.tls {
            true => Some(Arc::new(listen::server_config(
                node.clone(),
                &listen::certificate(files, &config.data_dir)?,
                listen.http2,
            )?)),
            false => None,
        };
        for (worker, socket) in dealt.iter_mut().zip(sockets) {
            worker.push((listen.clone(), socket, tls.clone()));
        }
    }
    Ok(dealt)
}

fn serve_status(
    background: &tokio::runtime::Runtime,
    bound: Vec<Bound>,
    status: &Arc<Status>,
) -> Result<(), StartError> {
    let _inside = background.enter();
    for socket in bound.into_iter().flat_map(|b| b.sockets) {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let status = status.clone();
        background.spawn(async move {
            loop {
                let Ok((stream, _)) = socket.accept().await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let status = status.clone();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(|request| status.respond(request));
                    let http = hyper::server::conn::http1::Builder::new();
                    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                        tracing::debug!(%error, "status connection ended");
                    }
                });
            }
        });
    }
    Ok(())
}
