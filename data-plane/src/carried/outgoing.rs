//! What a connection to an upstream sends: a request's body, and how far it has got.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A body on its way to an upstream.
#[derive(Debug)]
pub enum UpstreamBody {
    /// Bytes; empty means no body.
    Full(Bytes),
    /// A stream with what was read of it in front.
    Stream {
        /// Goes first.
        front: Bytes,
        /// Then this.
        rest: Incoming,
    },
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Full(bytes) | Self::Stream { front: bytes, .. } if !bytes.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Self::Full(_) => Poll::Ready(None),
            Self::Stream { rest, .. } => {
                let frame = ready!(Pin::new(rest).poll_frame(cx));
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream { front, rest } => front.is_empty() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { front, rest } => {
                let rest = rest.size_hint();
                let front = front.len() as u64;
                let mut hint = SizeHint::new();
                hint.set_lower(front + rest.lower());
                if let Some(upper) = rest.upper() {
                    hint.set_upper(front + upper);
                }
                hint
            }
        }
    }
}

/// How far a request has got.
pub struct Progress {
    /// When something of it last moved.
    pub(crate) last: Cell<Instant>,
    /// Whether all of it was written.
    pub(crate) ended: Cell<bool>,
    /// Whether the next piece of its body is not here yet.
    pub(crate) waits_for_client: Cell<bool>,
    /// Why its body broke off.
    pub(crate) client_error: Cell<Option<hyper::Error>>,
}

impl Progress {
    /// At its beginning; `ended`: there is no body.
    pub(crate) fn new(ended: bool) -> Self {
        Self {
            last: Cell::new(Instant::now()),
            ended: Cell::new(ended),
            waits_for_client: Cell::new(false),
            client_error: Cell::new(None),
        }
    }

    /// The connection has taken some of it.
    pub(crate) fn moved(&self) {
        self.last.set(Instant::now());
    }

    /// The client was asked for the next piece: whether that has to be waited for.
    pub(crate) fn asked(&self, waits: bool) {
        self.waits_for_client.set(waits);
        if !waits {
            self.last.set(Instant::now());
        }
    }
}
