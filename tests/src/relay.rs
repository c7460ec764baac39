//! A TCP relay that stands between two parties and counts what passes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Relays connections to one address until dropped.
pub struct Relay {
    pub address: SocketAddr,
    counts: Arc<Counts>,
    accept: AbortHandle,
}

#[derive(Default)]
struct Counts {
    /// Bytes towards the party that connected.
    down: AtomicU64,
    up: AtomicU64,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Relay {
    pub async fn to(target: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let counts = Arc::new(Counts::default());
        let accept = tokio::spawn(accept(listener, target, counts.clone())).abort_handle();
        Relay {
            address,
            counts,
            accept,
        }
    }

    /// Bytes that went to the party that connected, so far.
    pub fn down(&self) -> u64 {
        self.counts.down.load(Ordering::SeqCst)
    }

    /// Bytes that came from it, so far.
    pub fn up(&self) -> u64 {
        self.counts.up.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, counts: Arc<Counts>) {
    while let Ok((client, _)) = listener.accept().await {
        if let Ok(server) = TcpStream::connect(target).await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            let (up, down) = (counts.clone(), counts.clone());
            tokio::spawn(async move { pump(from_client, to_server, &up.up).await });
            tokio::spawn(async move { pump(from_server, to_client, &down.down).await });
        }
    }
}

/// Copies until one side ends, then lets the other side know.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        count.fetch_add(length as u64, Ordering::SeqCst);
        if to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
