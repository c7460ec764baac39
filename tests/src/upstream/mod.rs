//! A scripted HTTP/1.1 upstream. Any path is answered with a JSON document of what was received (`"echo": "upstream"`);
//! a path that holds `/script/<base64url of a JSON object>`, or a header `X-Script`, is answered as the object says:
//!
//! `status` (200), `reason`, `headers` [[name, value], ...], `body` | `body_b64` | `json` | `echo`, `framing` (`length`,
//! `chunked`, `close`), `chunks` [text | [text, times], ...] (chunked), `gzip`, `delay_ms` (before the head),
//! `body_delay_ms` (after it), `close_mid` (closes after so many body bytes), `raw` | `raw_b64` (sent as is, then
//! closed), `close` (closes at once). The behaviour vectors were recorded with these.
//!
//! For the tests of our own there are also `chunk_delay_ms` (between chunks), `hold_after` (after so many chunks waits for
//! [`Upstream::release`]), `trailers` [[name, value], ...], `document` (the body that [`Upstream::document`] was given,
//! not copied), `close_first` (closes on the first n requests of this path) and `mirror` (streams the request body back).

mod reply;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::wire::{Header, latin1};

/// How many of the last requests are kept to look at.
const KEPT: usize = 1000;

/// A request as the upstream saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    /// Which connection it came on, counted from 1.
    pub connection: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.as_str())
    }

    fn echo(&self) -> Value {
        let mut echo = json!({ "echo": "upstream", "method": self.method, "path": self.path, "headers": self.headers });
        match std::str::from_utf8(&self.body) {
            Ok(text) => echo["body"] = text.into(),
            Err(_) => echo["body_b64"] = STANDARD.encode(&self.body).into(),
        }
        echo
    }
}

struct Shared {
    connections: AtomicUsize,
    requests: AtomicUsize,
    open: AtomicUsize,
    seen: Mutex<VecDeque<Seen>>,
    closed: Mutex<HashMap<String, u64>>,
    document: OnceLock<Vec<u8>>,
    released: Semaphore,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            connections: AtomicUsize::default(),
            requests: AtomicUsize::default(),
            open: AtomicUsize::default(),
            seen: Mutex::default(),
            closed: Mutex::default(),
            document: OnceLock::new(),
            released: Semaphore::new(0),
        }
    }
}

/// A running upstream on a loopback port; it ends when dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accept: AbortHandle,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Upstream {
    pub async fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accept = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Upstream {
            address,
            shared,
            accept,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// How many requests arrived so far, those that were closed on included.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Gives it the body that scripts with `document` answer with; once.
    pub fn document(&self, body: Vec<u8>) {
        let given = self.shared.document.set(body);
        given.expect("an upstream has one document");
    }

    /// Lets one answer that holds (`hold_after`) go on.
    pub fn release(&self) {
        self.shared.released.add_permits(1);
    }

    /// The last requests, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared
            .seen
            .lock()
            .expect("no test panics while holding it")
            .iter()
            .cloned()
            .collect()
    }

    /// The last request.
    #[track_caller]
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("a request reached the upstream")
    }
}

/// The path that makes the upstream answer as `spec` says.
pub fn script(spec: &Value) -> String {
    format!("/script/{}", URL_SAFE_NO_PAD.encode(spec.to_string()))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    loop {
        // Connections end with the upstream: the set aborts them when it is dropped.
        while tasks.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
            tasks.spawn(serve(stream, number, shared.clone()));
        }
    }
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Open {
        shared.open.fetch_add(1, Ordering::SeqCst);
        Open(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    let _open = Open::new(shared.clone());
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let mut peer = Peer {
        reader: BufReader::new(read),
        writer: write,
        number,
        shared,
    };
    // A client that goes away or speaks nonsense ends its own connection only.
    while let Ok(true) = peer.one().await {}
    let _ = peer.writer.shutdown().await;
}

struct Peer {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    number: usize,
    shared: Arc<Shared>,
}

impl Peer {
    /// Serves one request; true if the connection stays open.
    async fn one(&mut self) -> io::Result<bool> {
        let line = self.line().await?;
        let mut words = latin1(&line)
            .trim_end()
            .splitn(3, ' ')
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .into_iter();
        let (Some(method), Some(path), Some(version)) = (words.next(), words.next(), words.next())
        else {
            return Ok(false);
        };
        let headers = self.fields().await?;
        self.shared.requests.fetch_add(1, Ordering::SeqCst);
        let mut seen = Seen {
            method,
            path,
            headers,
            body: Vec::new(),
            connection: self.number,
        };
        let spec = spec_of(&seen);
        if self.closes_on(&spec, &seen.path) {
            return Ok(false);
        }
        if seen
            .header("expect")
            .is_some_and(|v| v.eq_ignore_ascii_case("100-continue"))
        {
            self.writer
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await?;
        }
        let keep = if spec["mirror"] == true {
            self.mirror(&seen).await?
        } else {
            seen.body = self.body(&seen).await?;
            let echo = seen.echo();
            self.keep(seen.clone());
            reply::write(&mut self.writer, &seen.method, &spec, &echo, &self.shared).await?
        };
        let close = seen
            .header("connection")
            .is_some_and(|v| v.eq_ignore_ascii_case("close"));
        Ok(keep && version != "HTTP/1.0" && !close)
    }

    fn closes_on(&self, spec: &Value, path: &str) -> bool {
        let Some(wanted) = spec["close_first"].as_u64() else {
            return false;
        };
        let mut closed = self
            .shared
            .closed
            .lock()
            .expect("nothing panics while holding it");
        let so_far = closed.entry(path.to_owned()).or_default();
        *so_far += 1;
        *so_far <= wanted
    }

    fn keep(&self, seen: Seen) {
        let mut all = self
            .shared
            .seen
            .lock()
            .expect("nothing panics while holding it");
        if all.len() == KEPT {
            all.pop_front();
        }
        all.push_back(seen);
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).await?;
        while line
            .last()
            .is_some_and(|byte| matches!(byte, b'\r' | b'\n'))
        {
            line.pop();
        }
        Ok(line)
    }

    async fn fields(&mut self) -> io::Result<Vec<Header>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(fields);
            }
            let colon = line
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            let value = value.get(1..).unwrap_or_default();
            let value = std::str::from_utf8(value).map_or_else(|_| latin1(value), str::to_owned);
            fields.push((latin1(name), value.trim().to_owned()));
        }
    }

    async fn body(&mut self, seen: &Seen) -> io::Result<Vec<u8>> {
        if is_chunked(seen) {
            let mut body = Vec::new();
            while let Some(piece) = self.chunk().await? {
                body.extend(piece);
            }
            self.fields().await?;
            return Ok(body);
        }
        let length = seen
            .header("content-length")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).await?;
        Ok(body)
    }

    async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = latin1(&self.line().await?);
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(if digits.is_empty() { "0" } else { digits }, 16)
            .map_err(io::Error::other)?;
        if size == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; size];
        self.reader.read_exact(&mut piece).await?;
        self.line().await?;
        Ok(Some(piece))
    }

    /// Answers before the request has ended: each piece goes back as it arrives.
    async fn mirror(&mut self, seen: &Seen) -> io::Result<bool> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.writer.write_all(head.as_bytes()).await?;
        if is_chunked(seen) {
            while let Some(piece) = self.chunk().await? {
                self.writer.write_all(&crate::wire::chunk(&piece)).await?;
            }
            self.fields().await?;
        } else {
            let mut left: usize = seen
                .header("content-length")
                .and_then(|v| v.parse().ok())
                .unwrap_or(0);
            let mut piece = vec![0; 16 * 1024];
            while left > 0 {
                let got = self.reader.read(&mut piece[..left.min(16 * 1024)]).await?;
                if got == 0 {
                    return Ok(false);
                }
                self.writer
                    .write_all(&crate::wire::chunk(&piece[..got]))
                    .await?;
                left -= got;
            }
        }
        self.keep(seen.clone());
        self.writer.write_all(b"0\r\n\r\n").await?;
        Ok(true)
    }
}

fn is_chunked(seen: &Seen) -> bool {
    seen.header("transfer-encoding")
        .is_some_and(|v| v.to_ascii_lowercase().contains("chunked"))
}

/// What the path or the header asks for; without a script, the echo document.
fn spec_of(seen: &Seen) -> Value {
    let plain =
        json!({ "headers": [["Content-Type", "application/json"]], "echo": true, "reason": "OK" });
    let code = match seen.path.split_once("/script/") {
        Some((_, rest)) => {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
                .unwrap_or(rest.len());
            &rest[..end]
        }
        None => seen.header("x-script").unwrap_or_default(),
    };
    if code.is_empty() {
        return plain;
    }
    let decoded = URL_SAFE_NO_PAD.decode(code.trim_end_matches('=')).ok();
    decoded
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_else(|| json!({ "status": 599, "body": "bad script" }))
}
