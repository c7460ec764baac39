//! A request on its way: its head, then its body as the connection takes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as _;
use tokio::io::AsyncWrite;

use super::WireError;
use super::head::Sent;
use super::stream::Stream;
use crate::carried::outgoing::{Progress, UpstreamBody};

/// A request that is being written.
pub struct Sending {
    /// The head, and what frames the body.
    out: Vec<u8>,
    /// How much of `out` is written.
    at: usize,
    /// Bytes of the body that follow `out`.
    data: Bytes,
    /// And what follows these.
    tail: &'static [u8],
    body: UpstreamBody,
    framing: Sent,
    state: State,
    /// Whether a byte of it was written.
    begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is more of the body to ask for.
    Body,
    /// Everything is in the buffers.
    Last,
    /// Everything was written.
    Done,
}

impl Sending {
    /// A request whose head is in `out`.
    pub fn new(out: Vec<u8>, body: UpstreamBody, framing: Sent) -> Self {
        let mut new = Self {
            out,
            at: 0,
            data: Bytes::new(),
            tail: b"",
            body,
            framing,
            state: State::Body,
            begun: false,
        };
        // What is here whole goes out with the head.
        if let (UpstreamBody::Full(bytes), Sent::Length(_)) = (&mut new.body, &new.framing) {
            new.data = std::mem::take(bytes);
            new.state = State::Last;
        }
        new
    }

    /// Whether all of it was written.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether a byte of it was written.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Nothing more is written: the buffer of the head, and what is left of the body.
    pub fn end(&mut self) -> (Vec<u8>, UpstreamBody) {
        self.state = State::Done;
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let rest = UpstreamBody::Full(Bytes::new());
        (out, std::mem::replace(&mut self.body, rest))
    }

    /// Writes as much as the connection takes.
    ///
    /// # Errors
    /// Of the connection, or that the client's body broke off; its cause is in `progress`.
    pub fn poll(
        &mut self,
        stream: &mut Stream,
        progress: &Progress,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WireError>> {
        while self.state != State::Done {
            if self.is_buffered() {
                let written = ready!(self.poll_write(stream, cx)).map_err(WireError::Io)?;
                self.advance(written);
                progress.moved();
                continue;
            }
            if self.state == State::Last {
                ready!(Pin::new(&mut *stream).poll_flush(cx)).map_err(WireError::Io)?;
                self.state = State::Done;
                progress.ended.set(true);
                break;
            }
            let frame = Pin::new(&mut self.body).poll_frame(cx);
            progress.asked(frame.is_pending());
            // Pieces written so far need not wait for the next.
            if frame.is_pending() {
                ready!(Pin::new(&mut *stream).poll_flush(cx)).map_err(WireError::Io)?;
            }
            match ready!(frame) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.push(data)?,
                    Err(frame) => self.finish(frame.into_trailers().ok())?,
                },
                Some(Err(error)) => {
                    progress.client_error.set(Some(error));
                    return Poll::Ready(Err(WireError::BrokenOff));
                }
                None => self.finish(None)?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn is_buffered(&self) -> bool {
        self.at < self.out.len() || !self.data.is_empty() || !self.tail.is_empty()
    }

    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(stream);
        let out = &self.out[self.at..];
        let written = match self.data.is_empty() && self.tail.is_empty() {
            true => ready!(stream.poll_write(cx, out))?,
            false => {
                let slices = [out, &self.data, self.tail].map(IoSlice::new);
                ready!(stream.poll_write_vectored(cx, &slices))?
            }
        };
        Poll::Ready(match written {
            0 => Err(io::ErrorKind::WriteZero.into()),
            written => Ok(written),
        })
    }

    fn advance(&mut self, mut written: usize) {
        self.begun = true;
        let out = written.min(self.out.len() - self.at);
        self.at += out;
        written -= out;
        let data = written.min(self.data.len());
        if data == self.data.len() {
            self.data = Bytes::new();
        } else {
            self.data = self.data.slice(data..);
        }
        self.tail = &self.tail[written - data..];
    }

    /// Takes a piece of the body, once what came before it is written.
    fn push(&mut self, data: Bytes) -> Result<(), WireError> {
        self.out.clear();
        self.at = 0;
        match &mut self.framing {
            Sent::Length(left) => {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or(WireError::Framing("the request is longer than it says"))?;
            }
            // A piece without bytes would be the last chunk.
            Sent::Chunked(_) if data.is_empty() => return Ok(()),
            Sent::Chunked(_) => {
                self.out
                    .extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                self.tail = b"\r\n";
            }
        }
        self.data = data;
        Ok(())
    }

    /// The body has ended.
    fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), WireError> {
        self.out.clear();
        self.at = 0;
        self.state = State::Last;
        match &self.framing {
            Sent::Length(0) => {}
            Sent::Length(_) => {
                return Err(WireError::Framing("the request is shorter than it says"));
            }
            Sent::Chunked(announced) => {
                self.out.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.iter().flatten() {
                    if announced.contains(name) {
                        self.out.extend_from_slice(name.as_str().as_bytes());
                        self.out.extend_from_slice(b": ");
                        self.out.extend_from_slice(value.as_bytes());
                        self.out.extend_from_slice(b"\r\n");
                    }
                }
                self.out.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }
}
