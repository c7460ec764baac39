//! The listeners of the Admin API, plain and TLS.

use super::Admin;
use super::access::{Arrival, Door};
use axum::Router;
use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use shared::settings::Listen;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

const BACKLOG: i32 = 1024;
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(60);
/// How long accepting rests after the system refused a connection (no file descriptors, mostly).
const REST: Duration = Duration::from_millis(100);

/// A bound socket and what is spoken on it.
pub struct Bound {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    http2: bool,
    door: Door,
}

/// Binds one listener. `tls`: the certificate, for those that want it; `unprotected`: whether it lets in without a
/// token whoever can reach it. Needs a Tokio runtime.
pub fn bind(
    listen: &Listen,
    tls: Option<&Arc<ServerConfig>>,
    unprotected: bool,
) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(listen.address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if listen.address.is_ipv6() {
        socket.set_only_v6(listen.ipv6only.unwrap_or(true))?;
    }
    socket.bind(&listen.address.into())?;
    let backlog = listen
        .backlog
        .and_then(|backlog| i32::try_from(backlog).ok());
    socket.listen(backlog.unwrap_or(BACKLOG))?;
    socket.set_nonblocking(true)?;
    let tls = tls.filter(|_| listen.tls).map(|config| {
        let mut config = ServerConfig::clone(config);
        if listen.http2 {
            config.alpn_protocols.push(b"h2".to_vec());
        }
        config.alpn_protocols.push(b"http/1.1".to_vec());
        TlsAcceptor::from(Arc::new(config))
    });
    Ok(Bound {
        socket: TcpListener::from_std(socket.into())?,
        tls,
        http2: listen.http2,
        door: Door::of(listen.address.ip(), unprotected),
    })
}

impl Bound {
    /// Where it listens, with the port the system chose for 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves until `shutdown`, then lets the requests in flight end.
    pub async fn serve(self, admin: Arc<Admin>, shutdown: CancellationToken) {
        let router = admin.router();
        let connections = TaskTracker::new();
        while let Some(accepted) = shutdown.run_until_cancelled(self.socket.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        arrival: Arrival {
                            peer,
                            door: self.door,
                        },
                        admin: Arc::clone(&admin),
                        router: router.clone(),
                        http2: self.http2,
                        shutdown: shutdown.clone(),
                    };
                    connections.spawn(connection.run(stream, self.tls.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the Admin API cannot accept a connection");
                    tokio::time::sleep(REST).await;
                }
            }
        }
        connections.close();
        connections.wait().await;
    }
}

struct Connection {
    arrival: Arrival,
    admin: Arc<Admin>,
    router: Router,
    http2: bool,
    shutdown: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let traffic = &self.admin.traffic;
        traffic.accepted.fetch_add(1, Ordering::Relaxed);
        traffic.active.fetch_add(1, Ordering::Relaxed);
        // Small answers must not wait for an acknowledgement; without this they only come later.
        let _ = stream.set_nodelay(true);
        match tls {
            None => self.http(stream).await,
            Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream).await,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "TLS handshake with an Admin API client failed")
                }
                Err(_) => tracing::debug!("an Admin API client did not finish its TLS handshake"),
            },
        }
        self.admin.traffic.active.fetch_sub(1, Ordering::Relaxed);
    }

    async fn http(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD);
        builder.http2().timer(TokioTimer::new());
        if !self.http2 {
            builder = builder.http1_only();
        }
        let arrival = self.arrival;
        let service = self
            .router
            .clone()
            .map_request(move |mut request: Request<_>| {
                request.extensions_mut().insert(arrival);
                request
            });
        let service = TowerToHyperService::new(service);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to the Admin API ended early");
        }
    }
}
