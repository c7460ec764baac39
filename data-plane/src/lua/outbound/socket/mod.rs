//! Sockets of plugins: `ngx.socket` (custom-plugins.md 4), upon which clients of other protocols are written, as
//! `resty.redis` is.
//!
//! [`Socket`] is one over TCP, [`read`] what is received of it, [`udp`] one that sends datagrams, [`bind`] what Lua sees.
//! One coroutine may read while another writes. Whose request or timer opened a socket, with that it closes, unless it was
//! handed to the pool before; a plugin finds its own connections there and nobody else's.

pub mod bind;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod udp;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;

use super::connection::dial;
use super::pool::{Pool, Waits};
use super::words::{self, CLOSED, TIMEOUT};
use super::{Caller, Keep, Outbound, Slot, Timeouts, TlsTerms};
use crate::carried::deadline::within;
use stream::Stream;

/// What must be equal for a connection to be used again: whose it is, and the name of its pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    plugin: Arc<str>,
    trusted: bool,
    pool: Box<str>,
}

/// A connection that nobody uses.
pub(super) struct Resting {
    stream: Stream,
    tls: Option<TlsTerms>,
    uses: u64,
}

impl Waits for Resting {
    fn is_open(&self) -> bool {
        self.stream.is_quiet()
    }
}

/// Those of one worker.
pub(super) type Waiting = Pool<Key, Resting>;

/// Where a socket is connected to.
#[derive(Clone, Debug)]
pub enum Place {
    /// Name or address, and port.
    Host(String, u16),
    /// The path of a socket of this machine.
    Path(String),
}

/// A connection in a plugin's hands.
struct Open {
    stream: Stream,
    /// Received, and not asked for yet.
    buffer: BytesMut,
    place: Place,
    key: Key,
    /// How many may wait in its pool, if it was told when it was connected.
    size: Option<usize>,
    tls: Option<TlsTerms>,
    uses: u64,
    slot: Slot,
}

/// A socket over TCP, or a local one.
pub struct Socket {
    outbound: Rc<Outbound>,
    caller: Caller,
    open: RefCell<Option<Open>>,
    reading: Cell<bool>,
    writing: Cell<bool>,
    timeouts: Cell<Timeouts>,
}

/// Marks that somebody is at something, for as long as it lives.
struct Busy<'a>(&'a Cell<bool>);

impl<'a> Busy<'a> {
    fn begin(flag: &'a Cell<bool>, words: &'static str) -> Result<Self, String> {
        match flag.replace(true) {
            true => Err(words.to_owned()),
            false => Ok(Self(flag)),
        }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Socket {
    /// One that is not connected.
    pub fn new(outbound: Rc<Outbound>, caller: Caller) -> Self {
        Self {
            outbound,
            caller,
            open: RefCell::default(),
            reading: Cell::default(),
            writing: Cell::default(),
            timeouts: Cell::default(),
        }
    }

    /// How long each step may take from now on.
    pub fn set_timeouts(&self, timeouts: Timeouts) {
        self.timeouts.set(timeouts);
    }

    /// Connects, over a connection that waits in the pool if there is one; what it was connected to before is closed.
    ///
    /// # Errors
    /// As [`Outbound::send`], and that somebody is at it.
    pub async fn connect(
        &self,
        place: Place,
        pool: Option<String>,
        size: Option<usize>,
    ) -> Result<(), String> {
        let (_reading, _writing) = self.alone()?;
        self.open.take();
        let slot = self.outbound.flights.enter(&self.caller.plugin)?;
        let key = Key {
            plugin: self.caller.plugin.clone(),
            trusted: self.caller.trusted,
            pool: pool.unwrap_or_else(|| place.to_string()).into(),
        };
        let resting = match self.outbound.sockets.take(&key) {
            Some(resting) => resting,
            None => Resting {
                stream: self.dial(&place).await?,
                tls: None,
                uses: 0,
            },
        };
        let Resting { stream, tls, uses } = resting;
        self.open.replace(Some(Open {
            stream,
            buffer: BytesMut::new(),
            place,
            key,
            size,
            tls,
            uses,
            slot,
        }));
        Ok(())
    }

    async fn dial(&self, place: &Place) -> Result<Stream, String> {
        let dialling = async {
            match place {
                Place::Host(host, port) => {
                    let way = self.outbound.way();
                    let stream = dial(&way, &self.caller, host, *port).await?;
                    Ok(Stream::Tcp(stream))
                }
                Place::Path(path) => {
                    let egress = &self.outbound.settings.egress;
                    egress.check_path(self.caller.trusted, path)?;
                    let stream = UnixStream::connect(path).await;
                    Ok(Stream::Unix(stream.map_err(|e| words::of_io(&e))?))
                }
            }
        };
        let limit = self.timeouts.get().connect;
        let dialled = within(limit, dialling).await;
        dialled.unwrap_or_else(|_| Err(TIMEOUT.to_owned()))
    }

    /// TLS on it. One that came from the pool and speaks it already stays as it is, unless more is asked of it: then
    /// another is made in its place.
    ///
    /// # Errors
    /// As [`Outbound::send`]; it is closed.
    pub async fn secure(&self, server_name: Option<String>, verify: bool) -> Result<(), String> {
        let (_reading, _writing) = self.alone()?;
        let Some(mut open) = self.open.take() else {
            return Err(CLOSED.to_owned());
        };
        let Place::Host(host, _) = &open.place else {
            return Err("a local socket speaks no TLS".to_owned());
        };
        let terms = TlsTerms {
            server_name: server_name.unwrap_or_else(|| host.clone()),
            verify,
        };
        if let Some(known) = &open.tls {
            if known.server_name == terms.server_name && (known.verify || !verify) {
                self.open.replace(Some(open));
                return Ok(());
            }
            open.stream = self.dial(&open.place).await?;
            open.uses = 0;
        }
        if !open.buffer.is_empty() {
            return Err("unread data in buffer".to_owned());
        }
        let Stream::Tcp(stream) = open.stream else {
            return Err(CLOSED.to_owned());
        };
        let handshake = self.outbound.tls.handshake(&terms, stream);
        let secured = within(self.timeouts.get().connect, handshake).await;
        let stream = secured.map_err(|_| TIMEOUT.to_owned())??;
        open.stream = Stream::Tls(Box::new(stream));
        open.tls = Some(terms);
        self.open.replace(Some(open));
        Ok(())
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// `timeout`, `closed`, `broken pipe` and the like, and the connection is closed; that another writes.
    pub async fn send(&self, text: &[u8]) -> Result<(), String> {
        let _writing = Busy::begin(&self.writing, "socket busy writing")?;
        let sent = self.send_all(text).await;
        if sent.is_err() {
            self.open.take();
        }
        sent
    }

    async fn send_all(&self, mut text: &[u8]) -> Result<(), String> {
        while !text.is_empty() {
            let step = self.at(|stream, cx| stream.poll_write(cx, text));
            match self.patiently(self.timeouts.get().send, step).await? {
                0 => return Err(CLOSED.to_owned()),
                count => text = &text[count..],
            }
        }
        let step = self.at(|stream, cx| stream.poll_flush(cx));
        self.patiently(self.timeouts.get().send, step).await
    }

    /// Acts on the stream, for as long as there is one.
    fn at<T>(
        &self,
        mut act: impl FnMut(Pin<&mut Stream>, &mut Context<'_>) -> Poll<std::io::Result<T>>,
    ) -> impl Future<Output = Result<T, String>> {
        poll_fn(move |cx| match &mut *self.open.borrow_mut() {
            None => Poll::Ready(Err(CLOSED.to_owned())),
            Some(open) => act(Pin::new(&mut open.stream), cx).map_err(|e| words::of_io(&e)),
        })
    }

    async fn patiently<T>(
        &self,
        limit: std::time::Duration,
        step: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let done = within(limit, step).await;
        done.unwrap_or_else(|_| Err(TIMEOUT.to_owned()))
    }

    /// Hands the connection to the pool of its plugin.
    ///
    /// # Errors
    /// Why it is not kept: `closed`, `unread data in buffer` (it stays open then), `connection in dubious state`.
    pub fn keep(&self, keep: Keep, told: bool) -> Result<(), String> {
        let (_reading, _writing) = self.alone()?;
        let mut place = self.open.borrow_mut();
        let Some(open) = place.take() else {
            return Err(CLOSED.to_owned());
        };
        if !open.buffer.is_empty() {
            *place = Some(open);
            return Err("unread data in buffer".to_owned());
        }
        if !open.stream.is_quiet() {
            return Err("connection in dubious state".to_owned());
        }
        let size = if told { None } else { open.size };
        let keep = Keep {
            size: size.unwrap_or(keep.size),
            ..keep
        };
        let resting = Resting {
            stream: open.stream,
            tls: open.tls,
            uses: open.uses + 1,
        };
        self.outbound.sockets.put(open.key, resting, keep);
        Ok(())
    }

    /// How often the connection had been used before it was connected now; `None`: it is closed.
    pub fn reused(&self) -> Option<u64> {
        self.open.borrow().as_ref().map(|open| open.uses)
    }

    /// Closes it. False: it was.
    ///
    /// # Errors
    /// That somebody is at it.
    pub fn close(&self) -> Result<bool, String> {
        let (_reading, _writing) = self.alone()?;
        Ok(self.open.take().is_some())
    }

    /// Tells the other side that nothing more comes.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub async fn end(&self) -> Result<(), String> {
        let _writing = Busy::begin(&self.writing, "socket busy writing")?;
        let step = self.at(|stream, cx| stream.poll_shutdown(cx));
        self.patiently(self.timeouts.get().send, step).await
    }

    /// Acts on the socket that the system knows.
    fn with_system<T>(&self, act: impl FnOnce(&socket2::SockRef<'_>) -> T) -> Option<T> {
        let open = self.open.borrow();
        open.as_ref().map(|open| act(&open.stream.system()))
    }

    /// That nobody else is at it, for as long as these live.
    fn alone(&self) -> Result<(Busy<'_>, Busy<'_>), String> {
        let reading = Busy::begin(&self.reading, "socket busy reading")?;
        Ok((reading, Busy::begin(&self.writing, "socket busy writing")?))
    }
}

impl std::fmt::Display for Place {
    /// As pools are named.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host, port) => write!(f, "{}:{port}", host.to_ascii_lowercase()),
            Self::Path(path) => write!(f, "unix:{path}"),
        }
    }
}

/// Something that is closed with the request or timer that opened it.
trait Closes {
    /// Whatever somebody is at.
    fn end_now(&self);
}

impl Closes for Socket {
    fn end_now(&self) {
        self.open.take();
    }
}

/// The sockets of one request or timer: they close with it.
#[derive(Default)]
pub struct Owned(Vec<Weak<dyn Closes>>);

impl Owned {
    /// One more.
    fn add(&mut self, socket: Weak<dyn Closes>) {
        // Room grows to twice what is still in use.
        if self.0.len() == self.0.capacity() {
            self.0.retain(|socket| socket.strong_count() > 0);
        }
        self.0.push(socket);
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        for socket in self.0.iter().filter_map(Weak::upgrade) {
            socket.end_now();
        }
    }
}
