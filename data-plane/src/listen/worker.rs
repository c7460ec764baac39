//! A worker: one thread, one tokio runtime, its own sockets. Nothing on the request path leaves the thread.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::server::Acceptor;
use shared::settings::Listen;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet, LocalSet};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use tokio_util::sync::CancellationToken;

use super::client_certificate::Shown;
use super::connection::{Ending, Secured};
use super::{Connection, Gate, Node, Sides};
use crate::carried::deadline::within;
use crate::lua::{self, outbound, stores};
use crate::plugins::{self, Wants};
use crate::proxy;
use crate::proxy::response::ResponseBody;
use crate::telemetry::access_log::{AccessLog, Sink};
use crate::telemetry::metrics::Shard;

/// How long a client has for its TLS handshake, and for each head it sends.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a client may leave a piece of its answer untaken.
const UNTAKEN: Duration = Duration::from_secs(65);
/// How long a connection that is to end may still carry part of a head.
const HALF_A_HEAD: Duration = Duration::from_secs(5);

/// What one worker is started with.
pub struct Worker {
    /// Its place among the workers.
    pub index: usize,
    /// What the node shares.
    pub node: Arc<Node>,
    /// Its sockets, each with what is spoken there and the TLS side where there is one.
    pub sockets: Vec<(Listen, std::net::TcpListener, Option<Arc<Sides>>)>,
    /// What its plugins may know of the node.
    pub here: Arc<lua::here::Here>,
    /// Its counters.
    pub metrics: Arc<Shard>,
    /// Where access lines go.
    pub log: Option<Sink>,
    /// Cancelled: accept no more, let what runs end.
    pub drain: CancellationToken,
    /// How long what runs may take to end.
    pub grace: Duration,
}

/// Room for JSON that nests as deep as it may; what is not used costs nothing.
const STACK: usize = 8 << 20;

/// The name of a worker's thread.
pub fn name(index: usize) -> String {
    format!("worker-{index}")
}

/// Starts the thread of a worker. It ends once it has drained.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn(worker: Worker) -> io::Result<JoinHandle<()>> {
    let name = name(worker.index);
    std::thread::Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn(move || match run(worker) {
            Ok(()) => {}
            Err(error) => tracing::error!(%error, "worker stopped"),
        })
}

fn run(worker: Worker) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(worker))
}

async fn serve(worker: Worker) -> io::Result<()> {
    lua::worker::place(worker.index, worker.node.settings.workers);
    let log = worker.log.map(|sink| Rc::new(AccessLog::new(sink)));
    let bodies = worker.node.settings.transform_memory;
    proxy::memory::open(bodies, worker.metrics.clone());
    outbound::open(&worker.node);
    stores::open(&worker.node);
    lua::here::open(worker.here);
    let jobs = worker.node.workers.enter();
    let gate = Rc::new(Gate::new(worker.node, worker.metrics, log.clone()));
    let connections = Rc::new(RefCell::new(JoinSet::new()));
    let mut tasks = JoinSet::new();
    for (listen, socket, tls) in worker.sockets {
        let accepting = Accepting {
            gate: gate.clone(),
            socket: TcpListener::from_std(socket)?,
            http2: listen.http2,
            tls,
            connections: connections.clone(),
            drain: worker.drain.clone(),
        };
        tasks.spawn_local(accepting.run());
    }
    tasks.spawn_local(housekeeping(gate.clone(), worker.drain.clone()));
    tasks.spawn_local(jobs.run(worker.drain.clone()));
    while tasks.join_next().await.is_some() {}
    drained(connections, worker.grace).await;
    lua::worker::end().await;
    if let Some(log) = log {
        log.flush();
    }
    Ok(())
}

/// Waits until every connection has ended, `grace` at most.
async fn drained(connections: Rc<RefCell<JoinSet<()>>>, grace: Duration) {
    let mut left = std::mem::take(&mut *connections.borrow_mut());
    let all = async { while left.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all).await.is_err() {
        tracing::warn!(
            seconds = grace.as_secs(),
            "requests were still running at the end of the drain"
        );
    }
}

/// What a worker does beside requests: closes what has waited too long, lets go of old runtimes.
async fn housekeeping(gate: Rc<Gate>, drain: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    while drain.run_until_cancelled(tick.tick()).await.is_some() {
        gate.pool.sweep();
        gate.forget_old();
        lua::weight::look(Instant::now());
    }
}

/// One socket that accepts.
struct Accepting {
    gate: Rc<Gate>,
    socket: TcpListener,
    http2: bool,
    tls: Option<Arc<Sides>>,
    connections: Rc<RefCell<JoinSet<()>>>,
    drain: CancellationToken,
}

impl Accepting {
    async fn run(self) {
        while let Some(accepted) = self
            .drain
            .clone()
            .run_until_cancelled(self.socket.accept())
            .await
        {
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                // Its door was closed while Lua held this worker.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => {
                    // Out of descriptors, usually: accepting again at once would spin.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        self.gate.metrics.accepted();
        let http2 = self.http2;
        let (gate, tls, drain) = (self.gate.clone(), self.tls.clone(), self.drain.clone());
        let mut connections = self.connections.borrow_mut();
        while connections.try_join_next().is_some() {} // ended ones hold no memory
        connections.spawn_local(async move {
            let metrics = gate.metrics.clone();
            if let Err(error) = connection(gate, stream, peer, tls, http2, drain).await {
                tracing::debug!(%peer, error, "connection ended");
            }
            metrics.closed();
        });
    }
}

async fn connection(
    gate: Rc<Gate>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Sides>>,
    http2: bool,
    drain: CancellationToken,
) -> Result<(), String> {
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let local = stream.local_addr().map_err(|e| e.to_string())?;
    let settings = gate.settings().clone();
    let Some(sides) = tls else {
        let conn = Rc::new(Connection::new(peer, local, false, None, settings));
        return spoken(
            gate,
            stream,
            conn,
            if http2 { Speaks::Either } else { Speaks::Http1 },
            drain,
        )
        .await;
    };
    let stream = within(HANDSHAKE, handshake(&gate, &sides, stream, peer, local))
        .await
        .map_err(|_| "no TLS handshake in time".to_owned())??;
    let (_, session) = stream.get_ref();
    let speaks = if session.alpn_protocol() == Some(b"h2") {
        Speaks::Http2
    } else {
        Speaks::Http1
    };
    let sni = session.server_name().map(str::to_owned);
    let secured = Secured::of(
        session.protocol_version(),
        session.negotiated_cipher_suite(),
    );
    let shown = session.peer_certificates().and_then(Shown::new);
    let mut conn = Connection::new(peer, local, true, sni, settings);
    (conn.secured, conn.client) = (secured, shown);
    let conn = Rc::new(conn);
    spoken(gate, stream, conn, speaks, drain).await
}

/// The TLS handshake, with the certificate phase of plugins in the middle where there is one.
async fn handshake(
    gate: &Gate,
    sides: &Sides,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) -> Result<TlsStream<TcpStream>, String> {
    let runtime = gate.runtime();
    if runtime.handshaking.is_empty() {
        let acceptor = TlsAcceptor::from(sides.of(Wants::default()).clone());
        return acceptor.accept(stream).await.map_err(|e| e.to_string());
    }
    let started = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let started = started.await.map_err(|e| e.to_string())?;
    let hello = plugins::Hello {
        peer,
        local,
        sni: started.client_hello().server_name().map(str::to_owned),
        wants: Cell::default(),
    };
    let wants = plugins::certificate(&runtime, hello).await?;
    let config = sides.of(wants).clone();
    started.into_stream(config).await.map_err(|e| e.to_string())
}

/// Ends a connection once the node drains, or once it has carried no request for `idle` or nobody reads it. A task beside it: a poll of the
/// connection itself, of which every request needs several, takes no lock and no timer for it.
async fn watch(conn: Rc<Connection>, drain: CancellationToken, idle: Duration) {
    let _ = drain
        .run_until_cancelled(conn.idle_for(idle, UNTAKEN))
        .await;
    conn.end_it(Ending::Soon);
    // A head that never gets complete must not hold the connection.
    conn.idle_for(HALF_A_HEAD, UNTAKEN).await;
    conn.end_it(Ending::Now);
}

/// Stops a task that only makes sense beside another.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a connection speaks.
enum Speaks {
    Http1,
    Http2,
    /// HTTP/2 with prior knowledge on a plain port, or HTTP/1.1.
    Either,
}

async fn spoken<S>(
    gate: Rc<Gate>,
    stream: S,
    conn: Rc<Connection>,
    speaks: Speaks,
    drain: CancellationToken,
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let idle = gate.settings().client_idle;
    let service = {
        let conn = conn.clone();
        service_fn(move |request| respond(gate.clone(), conn.clone(), request))
    };
    let io = TokioIo::new(stream);
    let watcher = tokio::task::spawn_local(watch(conn.clone(), drain, idle));
    let _watched = AbortOnDrop(watcher.abort_handle());
    macro_rules! drive {
        ($connection:expr) => {{
            let mut connection = std::pin::pin!($connection);
            let mut told = false;
            poll_fn(|cx| {
                match conn.ending(cx.waker()) {
                    Ending::Now => return Poll::Ready(Ok(())),
                    Ending::Soon if !told => {
                        told = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    Ending::Soon | Ending::Open => {}
                }
                connection.as_mut().poll(cx).map_err(|e| e.to_string())
            })
            .await
        }};
    }
    match speaks {
        Speaks::Http1 => drive!(http1().serve_connection(io, service).with_upgrades()),
        Speaks::Http2 => drive!(
            server::conn::http2::Builder::new(LocalExec)
                .auto_date_header(false)
                .timer(TokioTimer::new())
                .serve_connection(io, service)
        ),
        Speaks::Either => {
            let mut auto = hyper_util::server::conn::auto::Builder::new(LocalExec);
            auto.http1().auto_date_header(false);
            auto.http2().auto_date_header(false);
            drive!(auto.serve_connection(io, service))
        }
    }
}

fn http1() -> server::conn::http1::Builder {
    let mut builder = server::conn::http1::Builder::new();
    builder
        .max_buf_size(64 * 1024)
        .half_close(false)
        .auto_date_header(false);
    // Not `pipeline_flush`: with it hyper takes in a whole body however slowly the client reads.
    builder
}

/// A panic in one request answers 500 and is counted; it never ends the node.
async fn respond(
    gate: Rc<Gate>,
    conn: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let serving = AssertUnwindSafe(proxy::serve(gate.clone(), conn, request)).catch_unwind();
    Ok(serving.await.unwrap_or_else(|_| {
        gate.metrics.panicked();
        tracing::error!("a request panicked");
        ResponseBody::panicked(gate)
    }))
}

/// Spawns onto the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExec;

impl<F> hyper::rt::Executor<F> for LocalExec
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
