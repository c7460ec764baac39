//! WebSocket: after 101 both directions are piped, byte for byte (proxy-and-routing.md 8.5).

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use super::ctx::Ctx;
use super::upstream::Answered;
use crate::carried::deadline::within;
use crate::carried::http1::Connection;
use crate::runtime::Pinned;

/// What one direction reads at a time, in bytes.
const CHUNK: usize = 16 * 1024;

/// Pipes both connections once they have been upgraded. The runtime is kept to the end of the tunnel.
pub fn tunnel(ctx: &mut Ctx, answered: Answered) {
    let Some(client) = ctx.upgrade.take() else {
        return;
    };
    let runtime = ctx.runtime.clone();
    let turn = ctx.turn.take(); // The tunnel keeps its target busy.
    let limit = answered.read_timeout;
    let id = ctx.id;
    tokio::task::spawn_local(async move {
        if let Some(upstream) = answered.lease.upgraded()
            && let Err(error) = pipe(client, upstream, limit, runtime).await
        {
            tracing::debug!(request_id = %id, %error, "tunnel ended");
        }
        drop(turn);
    });
}

async fn pipe(
    client: OnUpgrade,
    upstream: Connection,
    limit: Duration,
    runtime: Pinned,
) -> io::Result<()> {
    let client = client.await.map_err(io::Error::other)?;
    let (client_read, client_write) = split(TokioIo::new(client));
    let (upstream, said) = upstream.into_parts();
    let (upstream_read, upstream_write) = split(upstream);
    let upstream_read = io::Cursor::new(said).chain(upstream_read);
    let active = Cell::new(Instant::now());
    let up = direction(client_read, upstream_write, limit, &active);
    let down = direction(upstream_read, client_write, limit, &active);
    let ended = tokio::try_join!(up, down).map(|_| ());
    drop(runtime);
    ended
}

/// Copies until the end, or until neither direction has moved for `limit`.
async fn direction(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    limit: Duration,
    active: &Cell<Instant>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match within(limit, from.read(&mut chunk)).await {
            Ok(read) => read?,
            Err(_) if active.get().elapsed() < limit => continue,
            Err(elapsed) => return Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)),
        };
        if read == 0 {
            return to.shutdown().await;
        }
        active.set(Instant::now());
        match within(limit, to.write_all(&chunk[..read])).await {
            Ok(written) => written?,
            Err(elapsed) => return Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)),
        }
        active.set(Instant::now());
    }
}
