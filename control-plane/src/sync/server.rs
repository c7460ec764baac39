//! Start-up of the hub, its tasks and its two gRPC servers.

use super::accept::{self, Connection};
use super::enroll::Enrolment;
use super::nodes::Nodes;
use super::pki::Authority;
use super::publish::Publisher;
use super::rollout::Rollout;
use super::target::History;
use super::tls::Tls;
use super::{Addresses, Hub, HubError, Settings, Shared, session, standing, upkeep};
use crate::store::Store;
use rustls::ServerConfig;
use shared::sync::proto::enroll_server::EnrollServer;
use shared::sync::proto::identities_server::IdentitiesServer;
use shared::sync::proto::sync_server::{self, SyncServer};
use shared::sync::proto::{FromNode, ToNode};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic::{Request, Response, Status, Streaming};

/// HTTP/2 PING on both sides, and how long its answer may take.
const PING: Duration = Duration::from_secs(10);
/// The longest message a node may send: Hello.
const MESSAGE: usize = 256 << 10;
/// Snapshots on their way at a time.
pub(super) const SNAPSHOTS: usize = 16;
/// After `shutdown`, connections have that long to end by themselves.
const DRAIN: Duration = Duration::from_secs(2);

pub(super) async fn start(
    store: Store,
    settings: Settings,
    shutdown: CancellationToken,
) -> Result<Hub, HubError> {
    let authority = open_authority(&settings).await?;
    let nodes = Arc::new(Nodes::load(store.clone()).await?);
    let history = Arc::new(History::new(store.clone()));
    let mut publisher = Publisher::new(store.clone(), history.clone(), settings.catalog.clone());
    let blocked = publisher.blocked.subscribe();
    let begin = standing::first_target(&store, &mut publisher).await?;
    let sync = bind("sync_listen", &settings.sync_listen).await?;
    let enroll = bind("enroll_listen", &settings.enroll_listen).await?;
    let addresses = Addresses {
        sync: local(&sync),
        enroll: local(&enroll),
    };

    let (events, told) = mpsc::unbounded_channel();
    let name = hostname::get()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "cp".to_owned());
    let named = settings
        .sync_listen
        .iter()
        .chain(&settings.enroll_listen)
        .map(SocketAddr::ip)
        .collect();
    let tls = Arc::new(Tls::new(authority.clone(), name.clone(), named)?);
    let rollout = Rollout::new(begin.released, begin.halt.clone());
    let shared = Arc::new(Shared {
        store: store.clone(),
        name,
        nodes: nodes.clone(),
        history,
        stage: watch::Sender::new(rollout.stage.clone()),
        events: events.clone(),
        blocked,
        halt: Mutex::new(begin.halt),
        snapshots: Arc::new(Semaphore::new(SNAPSHOTS)),
        sessions: AtomicU64::new(0),
        new_epoch: Mutex::default(),
        began: Instant::now(),
        shutdown: shutdown.clone(),
    });

    let tasks = TaskTracker::new();
    tasks.spawn(publisher.run(begin.tried, events, shutdown.clone()));
    tasks.spawn(standing::follow(shared.clone(), rollout, told));
    tasks.spawn(upkeep::run(shared.clone(), tls.clone()));
    let enrolment = Enrolment {
        store,
        authority: authority.clone(),
        nodes,
    };
    for listener in sync {
        let service = Node {
            shared: shared.clone(),
            sessions: tasks.clone(),
        };
        let router = builder()
            .add_service(SyncServer::new(service).max_decoding_message_size(MESSAGE))
            .add_service(
                IdentitiesServer::new(enrolment.clone()).max_decoding_message_size(MESSAGE),
            );
        let tls = tls.clone();
        tasks.spawn(serve(
            router,
            listener,
            move || tls.sync(),
            shutdown.clone(),
        ));
    }
    for listener in enroll {
        let router = builder()
            .add_service(EnrollServer::new(enrolment.clone()).max_decoding_message_size(MESSAGE));
        let tls = tls.clone();
        tasks.spawn(serve(
            router,
            listener,
            move || tls.enroll(),
            shutdown.clone(),
        ));
    }
    tasks.close();
    Ok(Hub {
        shared,
        authority,
        addresses,
        tasks,
    })
}

async fn open_authority(settings: &Settings) -> Result<Arc<Authority>, HubError> {
    let folder = settings.data_dir.join("pki");
    let opened = tokio::task::spawn_blocking(move || Authority::open(&folder)).await;
    opened
        .expect("opening the certificates does not panic")
        .map(Arc::new)
}

async fn bind(
    setting: &'static str,
    addresses: &[SocketAddr],
) -> Result<Vec<TcpListener>, HubError> {
    let mut listeners = Vec::new();
    for &address in addresses {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|source| HubError::Bind {
            setting,
            address,
            source,
        })?);
    }
    Ok(listeners)
}

fn local(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    addresses
        .map(|address| address.expect("a bound socket has an address"))
        .collect()
}

fn builder() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PING))
}

async fn serve(
    router: Router,
    listener: TcpListener,
    config: impl Fn() -> Arc<ServerConfig> + Send + Sync + 'static,
    shutdown: CancellationToken,
) {
    let incoming: mpsc::Receiver<io::Result<Connection>> =
        accept::connections(listener, config, shutdown.clone());
    let ended = shutdown.clone().cancelled_owned();
    let serving = router.serve_with_incoming_shutdown(ReceiverStream::new(incoming), ended);
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => {
            if let Err(error) = served {
                tracing::error!(%error, "the sync server ended");
            }
        }
        () = drained => {}
    }
}

/// The stream of one node.
struct Node {
    shared: Arc<Shared>,
    sessions: TaskTracker,
}

#[tonic::async_trait]
impl sync_server::Sync for Node {
    type ConnectStream = ReceiverStream<Result<ToNode, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let caller = super::caller(&request).cloned();
        let caller = caller.ok_or_else(|| Status::internal("the connection has no caller"))?;
        // One message: whoever does not read gets nothing more, and costs nothing more.
        let (outbound, stream) = mpsc::channel(1);
        self.sessions.spawn(session::serve(
            self.shared.clone(),
            caller,
            request.into_inner(),
            outbound,
        ));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
