//! HTTP/1.1 towards an upstream (RFC 9112): one request at a time on a connection that belongs to it meanwhile.
//!
//! No task drives a connection: who waits for the answer reads it, and writes the request on the way. Only a request whose
//! answer began before all of it was written is written on by a task of its own. [`head`] writes and reads heads,
//! [`framing`] finds where bodies end, [`sending`] writes the request, [`stream`] is TCP or TLS.

pub mod framing;
pub mod head;
pub mod sending;
pub mod stream;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

use super::deadline::{Elapsed, within};
use super::outgoing::{Progress, UpstreamBody};
use framing::{Framing, Part};
use head::{RequestHead, ResponseHead, Unsendable};
use sending::Sending;
use stream::Stream;

/// How much room a read has at first, in bytes.
const ROOM: usize = 8 * 1024;
/// And how much it gets to, twice as much each time within a body that fills it.
const MUCH_ROOM: usize = 256 * 1024;

/// What went wrong on a connection.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// It was closed before the response was complete.
    #[error("the connection was closed before the response was complete")]
    Closed,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The head of the response, or its trailers, are no HTTP.
    #[error("not HTTP/1.1: {0}")]
    Head(#[source] httparse::Error),
    /// The framing of a body is wrong.
    #[error("not HTTP/1.1: {0}")]
    Framing(&'static str),
    /// The client's body broke off while it was being sent; the cause is in [`Progress`].
    #[error("the client's body broke off")]
    BrokenOff,
}

impl WireError {
    /// Whether the upstream said something that is no HTTP.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Head(_) | Self::Framing(_))
    }

    /// Whether the connection ended, as one does that the other side had closed while it waited.
    pub fn is_closed(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        match self {
            Self::Closed => true,
            Self::Io(error) => {
                matches!(
                    error.kind(),
                    BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected
                ) || error.kind() == io::ErrorKind::UnexpectedEof
            }
            Self::Head(_) | Self::Framing(_) | Self::BrokenOff => false,
        }
    }
}

/// A connection to an upstream.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// What was read and not taken yet.
    read: BytesMut,
    /// Room for heads.
    out: Vec<u8>,
    /// Requests it has served.
    pub served: u64,
}

impl Connection {
    /// A new one, on which nothing was said yet.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            out: Vec::new(),
            served: 0,
        }
    }

    /// Whether one that waits can serve a request: not if it has ended, or if the upstream said something unasked.
    /// Asks the system only where something came.
    pub fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = [0];
        let mut buf = ReadBuf::new(&mut room);
        let polled = Pin::new(&mut self.stream).poll_read(&mut cx, &mut buf);
        self.read.is_empty() && polled.is_pending()
    }

    /// Reads what is there, which is said to be nothing at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        self.read.reserve(room);
        let mut stream = Pin::new(&mut self.stream);
        tokio_util::io::poll_read_buf(stream.as_mut(), cx, &mut self.read)
    }

    /// What became of the connection when the upstream has agreed to another protocol: its bytes, and those of them
    /// that were read already.
    pub fn into_parts(self) -> (Stream, Bytes) {
        (self.stream, self.read.freeze())
    }
}

/// A request and its response on a connection.
pub struct Exchange {
    /// How far the request has got.
    pub progress: Progress,
    inner: RefCell<Inner>,
}

struct Inner {
    /// `None` once it was given back.
    connection: Option<Connection>,
    sending: Sending,
    /// Why the request could not be written to its end: the upstream may answer all the same.
    unsent: Option<WireError>,
    method: Method,
    websocket: bool,
    /// How much of an unfinished head was looked at.
    looked: usize,
    /// What is left of the response.
    left: Framing,
    /// Whether another request may follow.
    stays: bool,
    /// How much room the next read has.
    room: usize,
}

impl Exchange {
    /// Begins a request on a connection; nothing is written yet.
    ///
    /// # Errors
    /// A head that cannot be written; the body comes back with it.
    pub fn begin(
        mut connection: Connection,
        head: &RequestHead<'_>,
        body: UpstreamBody,
    ) -> Result<Rc<Self>, (Unsendable, UpstreamBody)> {
        let mut out = std::mem::take(&mut connection.out);
        out.clear();
        let framing = match head.write(&body, &mut out) {
            Ok(framing) => framing,
            Err(unsendable) => return Err((unsendable, body)),
        };
        connection.served += 1;
        Ok(Rc::new(Self {
            progress: Progress::new(body.is_end_stream()),
            inner: RefCell::new(Inner {
                connection: Some(connection),
                sending: Sending::new(out, body, framing),
                unsent: None,
                method: head.method.clone(),
                websocket: head.websocket,
                looked: 0,
                left: Framing::End,
                stays: false,
                room: ROOM,
            }),
        }))
    }

    /// Writes the request and reads the head of the response.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, WireError>> {
        self.inner.borrow_mut().poll_head(&self.progress, cx)
    }

    /// Whether a byte of the request was written.
    pub fn has_begun(&self) -> bool {
        self.inner.borrow().sending.has_begun()
    }

    /// What is left of the request's body, which is not sent any more.
    pub fn take_body(&self) -> UpstreamBody {
        self.inner.borrow_mut().sending.end().1
    }

    /// Writes on, beside an answer that began early, until the request is whole or the upstream has taken nothing for
    /// `limit`.
    pub fn send_on(self: &Rc<Self>, limit: Duration) {
        if self.inner.borrow().sending.is_done() {
            return;
        }
        let this = self.clone();
        tokio::task::spawn_local(async move {
            loop {
                let since = this.progress.last.get();
                let writing = std::future::poll_fn(|cx| {
                    this.inner.borrow_mut().poll_sending(&this.progress, cx)
                });
                match within(limit, writing).await {
                    Ok(()) => return,
                    Err(Elapsed) => {
                        let moved = this.progress.last.get() > since;
                        if !moved && !this.progress.waits_for_client.get() {
                            return;
                        }
                    }
                }
            }
        });
    }

    /// The connection, once the whole response was read: `None` if it cannot serve another request.
    pub fn give_back(&self) -> Option<Connection> {
        let mut inner = self.inner.borrow_mut();
        let done = inner.left == Framing::End && inner.stays && inner.unsent.is_none();
        if !done || !inner.sending.is_done() {
            return None;
        }
        let mut connection = inner.connection.take()?;
        connection.out = inner.sending.end().0;
        if connection.out.capacity() > ROOM {
            connection.out = Vec::new();
        }
        if !connection.read.is_empty() {
            return None; // Something that nobody asked for.
        }
        // What waits keeps no more memory than a head needs.
        if inner.room > ROOM {
            connection.read = BytesMut::new();
        }
        Some(connection)
    }

    /// The connection of an answer that agreed to another protocol.
    pub fn upgraded(&self) -> Option<Connection> {
        self.inner.borrow_mut().connection.take()
    }
}

impl Inner {
    /// Writes what can be written. A failure is kept: an upstream that takes no more may have answered.
    fn poll_sending(&mut self, progress: &Progress, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(());
        };
        if self.unsent.is_some() || self.sending.is_done() {
            return Poll::Ready(());
        }
        if let Err(error) = ready!(self.sending.poll(&mut connection.stream, progress, cx)) {
            self.unsent = Some(error);
        }
        Poll::Ready(())
    }

    fn poll_head(
        &mut self,
        progress: &Progress,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, WireError>> {
        let _ = self.poll_sending(progress, cx);
        if let Some(WireError::BrokenOff) = self.unsent {
            return Poll::Ready(Err(WireError::BrokenOff));
        }
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(Err(WireError::Closed));
        };
        loop {
            while !connection.read.is_empty() {
                let Some(mut head) = head::read(&mut connection.read, &mut self.looked)? else {
                    break;
                };
                let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
                if switches && !self.websocket {
                    let error = WireError::Framing("a switch of protocols that nobody asked for");
                    return Poll::Ready(Err(error));
                }
                if head.status.is_informational() && !switches {
                    continue; // The answer follows.
                }
                let (left, stays) =
                    Framing::of(&self.method, head.status, head.version, &mut head.headers)?;
                self.left = left;
                self.stays = stays && !switches && head::stays(head.version, &head.headers);
                return Poll::Ready(Ok(head));
            }
            match ready!(connection.poll_read(cx, ROOM)) {
                Ok(0) => return Poll::Ready(Err(self.unsent.take().unwrap_or(WireError::Closed))),
                Ok(_) => {}
                Err(error) => {
                    let error = self.unsent.take().unwrap_or(WireError::Io(error));
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, WireError>> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(Ok(Part::End));
            };
            match self.left.take(&mut connection.read)? {
                Part::More => {}
                part => return Poll::Ready(Ok(part)),
            }
            let room = match self.left {
                Framing::Length(left) => usize::try_from(left).unwrap_or(self.room).min(self.room),
                _ => self.room,
            };
            match ready!(connection.poll_read(cx, room)) {
                Ok(0) => self.left.closed()?,
                Ok(read) if read >= self.room => self.room = (2 * self.room).min(MUCH_ROOM),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(WireError::Io(error))),
            }
        }
    }
}

/// The body of a response, read as it is asked for.
pub struct AnswerBody {
    exchange: Rc<Exchange>,
}

impl AnswerBody {
    /// Of an exchange whose head was read.
    pub fn new(exchange: Rc<Exchange>) -> Self {
        Self { exchange }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let part = ready!(self.exchange.inner.borrow_mut().poll_part(cx));
        Poll::Ready(match part {
            Ok(Part::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Part::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Part::End | Part::More) => None,
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.inner.borrow().left == Framing::End
    }

    fn size_hint(&self) -> SizeHint {
        match self.exchange.inner.borrow().left {
            Framing::End => SizeHint::with_exact(0),
            Framing::Length(left) => SizeHint::with_exact(left),
            Framing::Chunked(_) | Framing::UntilClose => SizeHint::default(),
        }
    }
}
