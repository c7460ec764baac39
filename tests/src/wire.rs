//! An HTTP/1.1 client that sends exactly the bytes it is given and reports what came back, well formed or not.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::tls;

/// How long one exchange may take before the client gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Name and value as they stood on the wire.
pub type Header = (String, String);

/// What came back. Status 0 means that no HTTP response came; `note` says what did.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    pub trailers: Vec<Header>,
    /// Statuses of the interim (1xx) responses before this one.
    pub interim: Vec<u16>,
    /// Why the reply is incomplete; empty if it is whole.
    pub note: &'static str,
}

impl Reply {
    fn failed(note: &'static str) -> Reply {
        Reply {
            note,
            ..Reply::default()
        }
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_all(name).next()
    }

    /// Every value of a header, one per line, in order.
    pub fn header_all(&self, name: &str) -> impl Iterator<Item = &str> {
        let wanted = name.to_ascii_lowercase();
        let lines = self
            .headers
            .iter()
            .filter(move |(n, _)| n.to_ascii_lowercase() == wanted);
        lines.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the whole reply if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }

    /// The reply itself if it has this status; panics with the whole reply if not.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "unexpected status of {self}");
        self
    }

    /// A header of the request as the echo upstream saw it, joined if there were several lines.
    pub fn echoed(&self, name: &str) -> Option<String> {
        let document = self.json();
        let lines = document["headers"]
            .as_array()
            .expect("the upstream echoes its headers");
        let values: Vec<&str> = lines
            .iter()
            .filter(|line| {
                line[0]
                    .as_str()
                    .is_some_and(|n| n.eq_ignore_ascii_case(name))
            })
            .filter_map(|line| line[1].as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "reply {} {}", self.status, self.note)?;
        for (name, value) in &self.headers {
            writeln!(out, "  {name}: {value}")?;
        }
        write!(
            out,
            "  {}",
            self.text().chars().take(2000).collect::<String>()
        )
    }
}

/// A request that is written out as it stands; nothing is escaped or checked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub version: &'static str,
    pub headers: Vec<Header>,
    pub body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Request {
        let headers = Vec::new();
        Request {
            method: method.into(),
            path: path.into(),
            version: "1.1",
            headers,
            body: None,
        }
    }

    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    pub fn json(self, body: &Value) -> Request {
        self.header("Content-Type", "application/json")
            .body(body.to_string())
    }

    pub fn form(self, body: &str) -> Request {
        self.header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    }

    fn has(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The bytes on the wire: a `Host` and a `Content-Length` are added unless the request has its own
    /// (`Transfer-Encoding` sends the body as one chunk).
    pub fn bytes(&self, default_host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/{}\r\n", self.method, self.path, self.version);
        if !self.has("host") {
            head += &format!("Host: {default_host}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let chunked = self.has("transfer-encoding");
        let body = self.body.as_deref();
        if let (Some(body), false, false) = (body, chunked, self.has("content-length")) {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        match body {
            Some(body) if chunked => bytes.extend(chunks([body])),
            Some(body) => bytes.extend_from_slice(body),
            None => {}
        }
        bytes
    }
}

/// Chunked framing of the given pieces, with the last chunk.
pub fn chunks<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut framed = Vec::new();
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        framed.extend(chunk(piece));
    }
    framed.extend(b"0\r\n\r\n");
    framed
}

/// One chunk.
pub fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
    framed.extend_from_slice(piece);
    framed.extend(b"\r\n");
    framed
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection, with what was read ahead.
pub struct Conn {
    stream: Box<dyn Stream>,
    ahead: Vec<u8>,
}

impl Conn {
    pub async fn plain(address: SocketAddr) -> io::Result<Conn> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Conn {
            stream: Box::new(stream),
            ahead: Vec::new(),
        })
    }

    /// A TLS connection that accepts any certificate; `sni` of `None` sends no server name.
    pub async fn tls(address: SocketAddr, sni: Option<&str>) -> io::Result<Conn> {
        let stream = tls::connect(address, sni, &[]).await?;
        Ok(Conn {
            stream: Box::new(stream),
            ahead: Vec::new(),
        })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Closes the sending side.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Reads the whole reply to a request with this method.
    pub async fn reply(&mut self, method: &str) -> Reply {
        match tokio::time::timeout(PATIENCE, self.read_reply(method)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => Reply::failed("connection error"),
            Err(_) => Reply::failed("client timeout"),
        }
    }

    /// Reads a reply up to the end of its head; `body` stays empty.
    pub async fn head(&mut self) -> io::Result<Reply> {
        let mut interim = Vec::new();
        loop {
            let Some(line) = self.line().await? else {
                return Ok(Reply::failed("connection closed"));
            };
            let mut words = line.splitn(3, ' ');
            if !words.next().is_some_and(|word| word.starts_with("HTTP/")) {
                return Ok(Reply::failed("not HTTP"));
            }
            let Some(status) = words.next().and_then(|word| word.parse().ok()) else {
                return Ok(Reply::failed("bad status line"));
            };
            let headers = self.fields().await?;
            if status >= 200 || status == 101 {
                return Ok(Reply {
                    status,
                    headers,
                    interim,
                    ..Reply::default()
                });
            }
            interim.push(status);
        }
    }

    async fn read_reply(&mut self, method: &str) -> io::Result<Reply> {
        let mut reply = self.head().await?;
        if reply.status == 0 || method == "HEAD" || matches!(reply.status, 204 | 304) {
            return Ok(reply);
        }
        let chunked = reply
            .header("transfer-encoding")
            .is_some_and(|v| v.to_ascii_lowercase().contains("chunked"));
        if chunked {
            self.chunked(&mut reply).await?;
        } else if let Some(length) = reply.header("content-length") {
            let length: usize = length.parse().map_err(io::Error::other)?;
            (reply.body, reply.note) = self.exactly(length).await?;
        } else {
            while self.fill().await? {}
            reply.body = std::mem::take(&mut self.ahead);
        }
        Ok(reply)
    }

    async fn chunked(&mut self, reply: &mut Reply) -> io::Result<()> {
        while let Some(chunk) = self.next_chunk().await? {
            reply.body.extend(chunk.0);
            if !chunk.1.is_empty() {
                reply.note = chunk.1;
                return Ok(());
            }
        }
        reply.trailers = self.fields().await?;
        Ok(())
    }

    /// The next chunk of a chunked body with a note (empty, or `truncated`); `None` after the last one, whose
    /// trailers are not read yet.
    pub async fn next_chunk(&mut self) -> io::Result<Option<(Vec<u8>, &'static str)>> {
        let size = self.line().await?.unwrap_or_default();
        let digits = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(digits, 16) else {
            return Ok(Some((Vec::new(), "truncated")));
        };
        if size == 0 {
            return Ok(None);
        }
        let (chunk, note) = self.exactly(size).await?;
        if note.is_empty() {
            self.line().await?;
        }
        Ok(Some((chunk, note)))
    }

    /// Header or trailer lines up to the empty one.
    pub async fn fields(&mut self) -> io::Result<Vec<Header>> {
        let mut fields = Vec::new();
        while let Some(line) = self.line().await?.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(fields)
    }

    /// One line without its end; bytes that are not UTF-8 are read as Latin-1. `None` at the end of the stream.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let end = loop {
            if let Some(end) = self.ahead.iter().position(|byte| *byte == b'\n') {
                break end;
            }
            if !self.fill().await? {
                if self.ahead.is_empty() {
                    return Ok(None);
                }
                break self.ahead.len() - 1;
            }
        };
        let line: Vec<u8> = self.ahead.drain(..=end).collect();
        let text = String::from_utf8(line).unwrap_or_else(|error| latin1(error.as_bytes()));
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn exactly(&mut self, length: usize) -> io::Result<(Vec<u8>, &'static str)> {
        while self.ahead.len() < length {
            if !self.fill().await? {
                return Ok((std::mem::take(&mut self.ahead), "truncated"));
            }
        }
        let rest = self.ahead.split_off(length);
        Ok((std::mem::replace(&mut self.ahead, rest), ""))
    }

    /// Reads some more; false at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.ahead).await? > 0)
    }

    /// What has come and was not read yet, a byte at least; nothing at the end of the stream.
    pub async fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() {
            self.ahead.reserve(64 * 1024);
            self.fill().await?;
        }
        Ok(std::mem::take(&mut self.ahead))
    }

    /// True if the other side closes the connection within `patience` without sending anything more.
    pub async fn closes_within(&mut self, patience: Duration) -> bool {
        matches!(
            tokio::time::timeout(patience, self.fill()).await,
            Ok(Ok(false) | Err(_))
        )
    }
}

/// Bytes as Latin-1 text.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// One request on a connection of its own.
pub async fn exchange(address: SocketAddr, request: &Request) -> Reply {
    send_raw(address, &request.bytes("gateway.test"), &request.method).await
}

/// One exchange of exact bytes on a connection of its own.
pub async fn send_raw(address: SocketAddr, bytes: &[u8], method: &str) -> Reply {
    match Conn::plain(address).await {
        Ok(mut conn) => {
            // A server may answer and close before it has read everything: the answer counts.
            let _ = conn.send(bytes).await;
            conn.reply(method).await
        }
        Err(_) => Reply::failed("cannot connect"),
    }
}
