//! A TCP relay that stands between two parties, counts what passes, and can cut, stop or refuse it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Relays connections to one address until dropped.
pub struct Relay {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accept: AbortHandle,
}

struct Shared {
    target: SocketAddr,
    /// Bytes towards the party that connected.
    down: AtomicU64,
    up: AtomicU64,
    faults: watch::Sender<Faults>,
}

#[derive(Clone, Copy, Default)]
struct Faults {
    /// Counts the cuts; a connection ends when it changes.
    cuts: u64,
    still: bool,
    refuse: bool,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accept.abort();
        self.cut();
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
        let faults = watch::Sender::new(Faults::default());
        let shared = Arc::new(Shared {
            target,
            down: AtomicU64::new(0),
            up: AtomicU64::new(0),
            faults,
        });
        let accept = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Relay {
            address,
            shared,
            accept,
        }
    }

    /// Bytes that went to the party that connected, so far.
    pub fn down(&self) -> u64 {
        self.shared.down.load(Ordering::SeqCst)
    }

    /// Bytes that came from it, so far.
    pub fn up(&self) -> u64 {
        self.shared.up.load(Ordering::SeqCst)
    }

    /// Ends every connection there is.
    pub fn cut(&self) {
        self.shared.faults.send_modify(|faults| faults.cuts += 1);
    }

    /// Lets nothing pass in any direction, without closing anything.
    pub fn stand_still(&self, still: bool) {
        self.shared
            .faults
            .send_modify(|faults| faults.still = still);
    }

    /// Closes new connections at once.
    pub fn refuse(&self, refuse: bool) {
        self.shared
            .faults
            .send_modify(|faults| faults.refuse = refuse);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if !shared.faults.borrow().refuse {
            tokio::spawn(relay(client, shared.clone()));
        }
    }
}

async fn relay(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(shared.target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let mut faults = shared.faults.subscribe();
    let cuts = faults.borrow().cuts;
    tokio::select! {
        _ = pump(from_client, to_server, &shared.up, shared.faults.subscribe()) => {}
        _ = pump(from_server, to_client, &shared.down, shared.faults.subscribe()) => {}
        _ = faults.wait_for(|now| now.cuts != cuts) => {}
    }
}

/// Copies until one side ends.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
    mut faults: watch::Receiver<Faults>,
) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if faults.wait_for(|now| !now.still).await.is_err() {
            return;
        }
        count.fetch_add(length as u64, Ordering::SeqCst);
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
