//! What a connection to an upstream sends: a request's body, and how far it has got.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
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

/// How far a request body has got.
pub struct Progress {
    pub(crate) last: Cell<Instant>,
    pub(crate) ended: Cell<bool>,
    pub(crate) waits_for_client: Cell<bool>,
    pub(crate) client_error: Cell<Option<hyper::Error>>,
}

impl Progress {
    pub(crate) fn new(ended: bool) -> Self {
        Self {
            last: Cell::new(Instant::now()),
            ended: Cell::new(ended),
            waits_for_client: Cell::new(false),
            client_error: Cell::new(None),
        }
    }
}

/// A request body that notes its progress.
pub struct TrackedBody {
    pub(crate) body: UpstreamBody,
    pub(crate) progress: Rc<Progress>,
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let progress = &self.progress;
        progress.waits_for_client.set(polled.is_pending());
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(frame) => {
                progress.last.set(Instant::now());
                match frame {
                    Some(Ok(frame)) => {
                        progress.ended.set(self.body.is_end_stream());
                        Poll::Ready(Some(Ok(frame)))
                    }
                    Some(Err(error)) => {
                        progress.client_error.set(Some(error));
                        Poll::Ready(Some(Err(BrokenOff)))
                    }
                    None => {
                        progress.ended.set(true);
                        Poll::Ready(None)
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The client's body broke off; the cause is in [`Progress`].
#[derive(Debug, thiserror::Error)]
#[error("the client's body broke off")]
pub struct BrokenOff;
