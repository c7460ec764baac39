//! One connection of a plugin: made, secured, asked, read, and given back.

use std::io;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pool::{Key, Pool, Ready};
use super::tls::Tls;
use super::watched::{Activity, Watched};
use super::words::{self, CLOSED, TIMEOUT, TOO_LARGE};
use super::{Caller, Destination, Draft, Egress, Proxy, Slot, Timeouts, TlsTerms};
use crate::carried::deadline::within;
use crate::carried::dns::Dns;

/// The longest body that is read as a whole (custom-plugins.md 5.1).
pub const LONGEST_BODY: usize = 16 << 20;

/// The most headers that an answer may have.
const MOST_HEADERS: usize = 1000;

/// How many addresses of a name are tried.
const MOST_ADDRESSES: usize = 3;

/// What leads to a service.
pub(super) struct Way<'a> {
    pub(super) dns: &'a Dns,
    pub(super) tls: &'a Tls,
    pub(super) egress: &'a Egress,
}

/// One connection in a plugin's hands.
pub struct Connection {
    slot: Slot,
    to: Destination,
    trusted: bool,
    stage: Stage,
    reused: u64,
    /// What came behind the last body.
    trailers: HeaderMap,
}

/// What became of a connection that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It waits for its next request.
    Yes,
    /// It is closed, as its service wants it, or has been before.
    Closed,
    /// It is closed, for nobody has read its last answer to the end.
    Unread,
}

enum Stage {
    /// Nothing has been sent; TLS may follow.
    Raw(TcpStream),
    /// Waits for a request.
    Ready(Ready),
    /// An answer is being read: what has been taken from it and not been asked for yet, then the rest.
    Reading(Ready, Bytes, Incoming),
    Closed,
}

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// Status, version, headers.
    pub parts: Parts,
    /// Whether such an answer to such a request has a body, be it an empty one.
    pub has_body: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Failed {
    /// In the words of OpenResty.
    pub words: String,
    /// The connection had waited and was closed before it could carry the request: another may.
    pub(super) may_try_anew: bool,
}

impl From<&str> for Failed {
    fn from(words: &str) -> Self {
        Self::from(words.to_owned())
    }
}

impl From<String> for Failed {
    fn from(words: String) -> Self {
        Self {
            words,
            may_try_anew: false,
        }
    }
}

impl Connection {
    /// A connection that waited for its next request.
    pub(super) fn again(slot: Slot, caller: &Caller, to: &Destination, ready: Ready) -> Self {
        Self {
            slot,
            to: to.clone(),
            trusted: caller.trusted,
            reused: ready.served,
            stage: Stage::Ready(ready),
            trailers: HeaderMap::new(),
        }
    }

    /// A new connection, with TLS where the destination says so.
    pub(super) async fn open(
        slot: Slot,
        way: Way<'_>,
        caller: &Caller,
        to: &Destination,
        timeouts: &Timeouts,
    ) -> Result<Self, String> {
        let opening = async {
            let stream = match &to.proxy {
                None => dial(&way, caller, &to.host, to.port).await?,
                Some(proxy) => through(&way, caller, proxy, to).await?,
            };
            Ok::<_, String>(match &to.tls {
                None => Stage::Raw(stream),
                Some(terms) => {
                    let stream = way.tls.handshake(terms, stream).await?;
                    Stage::Ready(begin(stream).await?)
                }
            })
        };
        let stage = match within(timeouts.connect, opening).await {
            Ok(stage) => stage?,
            Err(_) => return Err(TIMEOUT.to_owned()),
        };
        Ok(Self {
            slot,
            to: to.clone(),
            trusted: caller.trusted,
            stage,
            reused: 0,
            trailers: HeaderMap::new(),
        })
    }

    /// TLS over what has carried nothing yet; `waiting` may know a connection that is already that far.
    pub(super) async fn secure(
        &mut self,
        tls: &Tls,
        waiting: &Pool<Key, Ready>,
        terms: TlsTerms,
        timeouts: &Timeouts,
    ) -> Result<(), String> {
        let Stage::Raw(stream) = std::mem::replace(&mut self.stage, Stage::Closed) else {
            return Err(CLOSED.to_owned());
        };
        self.to.tls = Some(terms.clone());
        let ready = match waiting.take(&Key::of(&self.to, self.trusted)) {
            Some(ready) => ready,
            None => {
                let securing = async { begin(tls.handshake(&terms, stream).await?).await };
                let secured = within(timeouts.connect, securing).await;
                secured.map_err(|_| TIMEOUT.to_owned())??
            }
        };
        self.reused = ready.served;
        self.stage = Stage::Ready(ready);
        Ok(())
    }

    /// How many requests it had carried before it came into these hands.
    pub fn reused(&self) -> u64 {
        self.reused
    }

    /// What came behind the last body.
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    /// Sends a request and reads the head of the answer; the body of the last one must have been read.
    ///
    /// # Errors
    /// See [`Failed`]; the connection is closed.
    pub async fn request(&mut self, draft: &Draft, timeouts: &Timeouts) -> Result<Head, Failed> {
        let request = draft.finish(&self.to)?;
        self.trailers.clear();
        let mut ready = match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Raw(stream) => begin(stream).await?,
            Stage::Ready(ready) => ready,
            Stage::Reading(..) => return Err("the last response has not been read".into()),
            Stage::Closed => return Err(CLOSED.into()),
        };
        let asked_by_head = request.method() == Method::HEAD;
        let response = exchange(&mut ready, request, timeouts).await?;
        ready.served += 1;
        let (parts, body) = response.into_parts();
        let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&parts.status);
        let has_body = !asked_by_head && !bodiless && !parts.status.is_informational();
        self.stage = match body.is_end_stream() {
            true => Stage::Ready(ready),
            false => Stage::Reading(ready, Bytes::new(), body),
        };
        Ok(Head { parts, has_body })
    }

    /// The next piece of the body, `most` bytes at most; `None` at its end.
    ///
    /// # Errors
    /// `timeout`, `closed` and the like; the connection is closed.
    pub async fn piece(
        &mut self,
        most: usize,
        timeouts: &Timeouts,
    ) -> Result<Option<Bytes>, String> {
        let (ready, mut left, mut body) = match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Reading(ready, left, body) => (ready, left, body),
            other => {
                self.stage = other;
                return Ok(None);
            }
        };
        while left.is_empty() {
            let frame = ready.activity.patiently(timeouts, body.frame()).await;
            match frame.map_err(|_| TIMEOUT.to_owned())? {
                None => {
                    self.stage = Stage::Ready(ready);
                    return Ok(None);
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => left = data,
                    Err(frame) => self.trailers = frame.into_trailers().unwrap_or_default(),
                },
                Some(Err(error)) => return Err(words::of_http(&error)),
            }
        }
        let piece = left.split_to(left.len().min(most.max(1)));
        self.stage = match left.is_empty() && body.is_end_stream() {
            true => Stage::Ready(ready),
            false => Stage::Reading(ready, left, body),
        };
        Ok(Some(piece))
    }

    /// What is left of the body, to its end.
    ///
    /// # Errors
    /// As [`Connection::piece`], and `response too large`.
    pub async fn whole_body(&mut self, timeouts: &Timeouts) -> Result<Bytes, String> {
        let announced = match &self.stage {
            Stage::Reading(_, left, body) => body.size_hint().lower() + left.len() as u64,
            _ => return Ok(Bytes::new()),
        };
        if announced > LONGEST_BODY as u64 {
            return self.too_large();
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(piece) = self.piece(usize::MAX, timeouts).await? {
            let length = first.len() + all.len() + piece.len();
            if length > LONGEST_BODY || !self.slot.hold(piece.len()) {
                return self.too_large();
            }
            if first.is_empty() && all.is_empty() {
                first = piece;
                continue;
            }
            if all.is_empty() {
                all.reserve(usize::try_from(announced).unwrap_or(0).max(length));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&piece);
        }
        self.slot.let_go();
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    fn too_large(&mut self) -> Result<Bytes, String> {
        self.stage = Stage::Closed;
        Err(TOO_LARGE.to_owned())
    }

    /// Closes it and gives its slot back.
    pub(super) fn leave(self) -> Slot {
        self.slot
    }

    /// Ready for another's request, unless it is in the middle of something.
    pub(super) fn idle(self) -> Result<(Key, Ready), Kept> {
        match self.stage {
            Stage::Ready(ready) if !ready.sender.is_closed() => {
                Ok((Key::of(&self.to, self.trusted), ready))
            }
            Stage::Reading(..) => Err(Kept::Unread),
            _ => Err(Kept::Closed),
        }
    }
}

async fn exchange(
    ready: &mut Ready,
    request: Request<Full<Bytes>>,
    timeouts: &Timeouts,
) -> Result<http::Response<Incoming>, Failed> {
    let (used, sender, activity) = (ready.served > 0, &mut ready.sender, &ready.activity);
    let idempotent = request.method().is_idempotent();
    let before = activity.bytes_read();
    match activity.patiently(timeouts, sender.ready()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            return Err(Failed {
                words: words::of_http(&error),
                may_try_anew: used,
            });
        }
        Err(_) => return Err(TIMEOUT.into()),
    }
    let sent = activity.patiently(timeouts, sender.try_send_request(request));
    let mut failed = match sent.await {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(failed)) => failed,
        Err(_) => return Err(TIMEOUT.into()),
    };
    // Sent, and the connection ended without a byte of an answer: what may be done twice may be tried twice (RFC 9110 9.2.2).
    let unsent = failed.take_message().is_some();
    let unanswered = idempotent && activity.bytes_read() == before;
    let error = failed.into_error();
    Err(Failed {
        may_try_anew: used && (unsent || unanswered && !error.is_parse()),
        words: words::of_http(&error),
    })
}

/// HTTP on a stream. The task that drives it ends with the sender.
async fn begin<S>(stream: S) -> Result<Ready, String>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let activity = Rc::new(Activity::default());
    let stream = Watched::new(stream, activity.clone());
    let (sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_headers(MOST_HEADERS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| words::of_http(&error))?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a plugin's connection ended");
        }
    });
    Ok(Ready {
        sender,
        activity,
        served: 0,
    })
}

/// TCP to one of the addresses of a name; each is judged before it is tried.
pub(super) async fn dial(
    way: &Way<'_>,
    caller: &Caller,
    host: &str,
    port: u16,
) -> Result<TcpStream, String> {
    let resolved = way.dns.resolve(host, port).await;
    let addresses = resolved.map_err(|error| words::of_dns(host, &error))?;
    let first = addresses.first();
    let mut address = first;
    let mut tried = 0;
    loop {
        way.egress.check(caller.trusted, host, address.ip())?;
        tried += 1;
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|e| words::of_io(&e))?;
                return Ok(stream);
            }
            Err(error) => {
                address = addresses.after(address);
                if address == first || tried == MOST_ADDRESSES {
                    return Err(words::of_io(&error));
                }
            }
        }
    }
}

/// To a proxy; with TLS to come, through it.
async fn through(
    way: &Way<'_>,
    caller: &Caller,
    proxy: &Proxy,
    to: &Destination,
) -> Result<TcpStream, String> {
    let dialled = dial(way, caller, &proxy.host, proxy.port).await;
    let mut stream = dialled.map_err(|words| {
        let Proxy { host, port, .. } = proxy;
        format!("failed to connect to: {host}:{port}: {words}")
    })?;
    if to.tls.is_some() {
        let status = tunnel(&mut stream, proxy, to).await;
        let status = status.map_err(|error| {
            let words = words::of_io(&error);
            format!("failed to issue CONNECT to proxy: {words}")
        })?;
        if !(200..300).contains(&status) {
            return Err(format!(
                "failed to establish a tunnel through a proxy: {status}"
            ));
        }
    }
    Ok(stream)
}

/// Asks for a tunnel; the status of the answer.
async fn tunnel(stream: &mut TcpStream, proxy: &Proxy, to: &Destination) -> io::Result<u16> {
    const LONGEST_HEAD: usize = 16 << 10;
    let invalid = || io::Error::other("invalid response");
    let Destination { host, port, .. } = to;
    if !host.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(io::Error::other("invalid host"));
    }
    let mut head =
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend(authorization.iter().filter(|b| !b.is_ascii_control()));
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await?;
    // Behind the head the service's first bytes could follow, which are TLS's: so not one byte too many.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= LONGEST_HEAD {
            return Err(invalid());
        }
        answer.push(stream.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    status
        .filter(|_| answer.starts_with(b"HTTP/1."))
        .ok_or_else(invalid)
}
