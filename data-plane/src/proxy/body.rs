//! Bodies on their way up: nothing, bytes, or a stream with what was already read of it in front.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::carried::deadline::{Elapsed, within};
use crate::carried::outgoing::UpstreamBody;

/// The body of a client's request.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// There is none.
    #[default]
    Empty,
    /// All of it is here, so it can be read, changed, and sent again on a retry.
    Full(Bytes),
    /// It streams; `front` was read already.
    Stream {
        /// What was read so far.
        front: Bytes,
        /// The rest.
        rest: Incoming,
    },
    /// It was handed to an upstream connection.
    Sent,
}

/// Why a body could not be read whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The client broke off or sent bad framing.
    #[error("the client's body broke off: {0}")]
    Client(#[from] hyper::Error),
}

impl RequestBody {
    /// The body of a request as hyper hands it over.
    pub fn new(incoming: Incoming) -> Self {
        if incoming.is_end_stream() {
            Self::Empty
        } else {
            Self::Stream {
                front: Bytes::new(),
                rest: incoming,
            }
        }
    }

    /// Whether there is no body at all.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether it can be sent again on a retry.
    pub fn replayable(&self) -> bool {
        matches!(self, Self::Empty | Self::Full(_))
    }

    /// Reads all of it, up to `limit` bytes, and keeps it.
    ///
    /// # Errors
    /// See [`BodyError`]. After `TooLarge` the body still streams whole: what was read precedes the rest.
    pub async fn read(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        self.fill(limit).await?;
        match self {
            Self::Full(bytes) if bytes.len() > limit => Err(BodyError::TooLarge { limit }),
            Self::Full(bytes) => Ok(bytes.clone()),
            Self::Stream { .. } => Err(BodyError::TooLarge { limit }),
            Self::Empty | Self::Sent => Ok(Bytes::new()),
        }
    }

    /// Reads until the end or until more than `limit` bytes are here. A body that ended becomes [`Self::Full`].
    ///
    /// # Errors
    /// Only the client's.
    pub async fn fill(&mut self, limit: usize) -> Result<(), BodyError> {
        let Self::Stream { front, rest } = self else {
            return Ok(());
        };
        let mut read = Read::start(front);
        let ended = loop {
            if read.len() > limit {
                break false;
            }
            match rest.frame().await {
                None => break true,
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        read.push(data);
                    }
                }
                Some(Err(error)) => {
                    *front = read.finish();
                    return Err(error.into());
                }
            }
        };
        *front = read.finish();
        if ended {
            *self = Self::Full(std::mem::take(front));
        }
        Ok(())
    }

    /// Takes back a body that was handed out but not a byte of it sent.
    pub fn restore(&mut self, body: UpstreamBody) {
        if let (Self::Sent, UpstreamBody::Stream { front, rest }) = (&*self, body) {
            *self = Self::Stream { front, rest };
        }
    }

    /// Hands the body out to be sent; a replayable one stays here too.
    pub fn send(&mut self) -> UpstreamBody {
        match self {
            Self::Empty => UpstreamBody::Full(Bytes::new()),
            Self::Full(bytes) => UpstreamBody::Full(bytes.clone()),
            Self::Stream { .. } => match std::mem::replace(self, Self::Sent) {
                Self::Stream { front, rest } => UpstreamBody::Stream { front, rest },
                _ => UpstreamBody::Full(Bytes::new()),
            },
            Self::Sent => UpstreamBody::Full(Bytes::new()),
        }
    }
}

/// Collects chunks; one chunk alone, the usual case, is not copied.
struct Read {
    one: Bytes,
    more: Option<BytesMut>,
}

impl Read {
    fn start(front: &mut Bytes) -> Self {
        Self {
            one: std::mem::take(front),
            more: None,
        }
    }

    fn len(&self) -> usize {
        self.more.as_ref().map_or(self.one.len(), BytesMut::len)
    }

    fn push(&mut self, data: Bytes) {
        match &mut self.more {
            Some(more) => more.extend_from_slice(&data),
            None if self.one.is_empty() => self.one = data,
            None => {
                let mut more = BytesMut::with_capacity(self.one.len() + data.len());
                more.extend_from_slice(&self.one);
                more.extend_from_slice(&data);
                self.more = Some(more);
            }
        }
    }

    fn finish(self) -> Bytes {
        self.more.map_or(self.one, BytesMut::freeze)
    }
}

/// Reads a whole body of an upstream's response, up to `most` bytes, each frame within `limit`.
///
/// Answers the bytes and whether the body ended there; if not, the rest is still in `body`. When it breaks off: what
/// came, and the error (none for a time-out).
pub(crate) async fn collect_within(
    body: &mut Incoming,
    most: usize,
    limit: Duration,
) -> Result<(Bytes, bool), (Bytes, Option<hyper::Error>)> {
    let mut read = Read::start(&mut Bytes::new());
    loop {
        match within(limit, body.frame()).await {
            Ok(None) => return Ok((read.finish(), true)),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    read.push(data);
                }
            }
            Ok(Some(Err(error))) => return Err((read.finish(), Some(error))),
            Err(Elapsed) => return Err((read.finish(), None)),
        }
        if read.len() > most {
            return Ok((read.finish(), false));
        }
    }
}
