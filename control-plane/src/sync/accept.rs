//! Accept loops: TCP, TLS with the newest certificate, then over to tonic.

use rustls::ServerConfig;
use shared::sync::peer::Peer;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// sync-protocol.md 5, timers.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections that have not finished their handshake; further ones are closed at once.
const PENDING: usize = 1024;
/// Handshakes of one address at a time: those behind wait, and hold up nobody else.
const HANDSHAKES: usize = 16;
/// After an accept that failed for want of files or memory.
const BREATHER: Duration = Duration::from_millis(100);

/// An established connection.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) address: SocketAddr,
    /// From its certificate; none on the enrolment listener.
    pub(super) peer: Option<Peer>,
}

/// Accepts on `listener` until `shutdown`; `config` is asked for each connection.
pub(super) fn connections(
    listener: TcpListener,
    config: impl Fn() -> Arc<ServerConfig> + Send + Sync + 'static,
    shutdown: CancellationToken,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(16);
    let (pending, lanes) = (
        Arc::new(Semaphore::new(PENDING)),
        Arc::new(Lanes::default()),
    );
    tokio::spawn(async move {
        let accepting = async {
            loop {
                let (stream, address) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(BREATHER).await;
                        continue;
                    }
                };
                let Ok(permit) = pending.clone().try_acquire_owned() else {
                    tracing::warn!(%address, "connection closed: too many handshakes");
                    continue;
                };
                let (acceptor, sender) = (TlsAcceptor::from(config()), sender.clone());
                let lanes = lanes.clone();
                tokio::spawn(async move {
                    let established = lanes.run(address.ip(), establish(acceptor, stream, address));
                    let established = tokio::time::timeout(HANDSHAKE, established).await;
                    drop(permit);
                    match established.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                        Ok(connection) => drop(sender.send(Ok(connection)).await),
                        Err(error) => tracing::info!(%address, %error, "connection refused"),
                    }
                });
            }
        };
        shutdown.run_until_cancelled(accepting).await;
    });
    receiver
}

/// One queue per address.
#[derive(Default)]
struct Lanes(Mutex<HashMap<IpAddr, Arc<Semaphore>>>);

impl Lanes {
    async fn run<T>(&self, address: IpAddr, work: impl Future<Output = T>) -> T {
        let _leaving = Leaving {
            lanes: self,
            address,
        }; // first in, so that it is the last to be dropped
        let new = || Arc::new(Semaphore::new(HANDSHAKES));
        let lane = super::lock(&self.0)
            .entry(address)
            .or_insert_with(new)
            .clone();
        let _permit = lane.acquire().await.expect("the semaphore is never closed");
        work.await
    }
}

/// Forgets a lane that nobody is in, also when a handshake is given up.
struct Leaving<'a> {
    lanes: &'a Lanes,
    address: IpAddr,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut lanes = super::lock(&self.lanes.0);
        // Those that work or wait hold the lane themselves.
        let unused = |lane: &Arc<Semaphore>| Arc::strong_count(lane) == 1;
        if lanes.get(&self.address).is_some_and(unused) {
            lanes.remove(&self.address);
        }
    }
}

async fn establish(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first);
    let peer = certificate.and_then(|certificate| Peer::of_certificate(certificate));
    Ok(Connection {
        stream,
        caller: Caller { address, peer },
    })
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_from_one_address_holds_up_nobody_else_and_leaves_no_trace() {
        let lanes = Arc::new(Lanes::default());
        let [crowd, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let lanes = lanes.clone();
                let stuck = async move { lanes.run(crowd, std::future::pending::<()>()).await };
                tokio::spawn(tokio::time::timeout(HANDSHAKE, stuck))
            })
            .collect();
        tokio::task::yield_now().await;
        lanes.run(other, async {}).await;
        let behind = tokio::time::timeout(HANDSHAKE / 2, lanes.run(crowd, async {})).await;
        assert!(behind.is_err(), "the lane of the crowd is full");
        for crowd in waiting {
            assert!(crowd.await.expect("no panic").is_err());
        }
        lanes.run(crowd, async {}).await;
        assert!(super::super::lock(&lanes.0).is_empty());
    }
}
