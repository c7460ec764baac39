//! Whether long bodies stream: memory of the node while clients take 64 MiB answers through header operations.

use std::time::Duration;

use anyhow::ensure;
use tests::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::alone::Alone;
use crate::cpu::{forget_peak, peak, resident};

/// How many clients take an answer at once.
pub const CLIENTS: usize = 8;
/// The size of each answer, in MiB.
pub const EACH: usize = 64;

/// Resident memory in bytes.
pub struct Streamed {
    pub before: u64,
    pub peak: u64,
}

/// Every client reads the head, lets the rest wait for a second, then takes it: what the node took in meanwhile, and
/// what it holds back, would show.
pub async fn streamed(node: &Alone, route: &str) -> anyhow::Result<Streamed> {
    let request = Request::get(&format!("/{route}/64m")).header("Connection", "close");
    let request = request.bytes("bench");
    let process = node.process.id();
    let before = resident(process);
    forget_peak(process)?;
    let mut clients = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(node.proxy).await?;
        client.write_all(&request).await?;
        let read = client.read(&mut buffer).await?;
        let head = String::from_utf8_lossy(&buffer[..read.min(1000)]);
        ensure!(head.starts_with("HTTP/1.1 200"), "no answer: {head}");
        clients.push((client, read));
    }
    sleep(Duration::from_secs(1)).await;
    for (mut client, mut total) in clients {
        loop {
            match client.read(&mut buffer).await? {
                0 => break,
                read => total += read,
            }
        }
        ensure!(total > EACH << 20, "only {total} bytes came");
    }
    Ok(Streamed {
        before,
        peak: peak(process),
    })
}
