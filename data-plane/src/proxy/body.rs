//! Bodies on their way up: nothing, bytes, or a stream with what was already read of it in front.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::memory::{self, Charge, Overloaded};
use crate::carried::deadline::{Elapsed, within};
use crate::carried::outgoing::UpstreamBody;

/// How much of a body is read before connecting, so that it can be sent with its length and again on a retry.
const BEFORE_CONNECTING: usize = 64 * 1024;

/// How long a body that nobody wants is read, and how long it may pause: those of nginx.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_IDLE: Duration = Duration::from_secs(5);

/// How long a client may pause within a body that a plugin waits for.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// Why a body could not be had whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed.
    #[error("the body is longer than {limit} bytes (transform_max_body_size)")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Other large bodies had the memory.
    #[error("{0} (transform_memory, transform_memory_wait)")]
    Overloaded(#[from] Overloaded),
    /// Nothing came from the client for so long.
    #[error("the client paused for {} s within its body", .0.as_secs())]
    Paused(Duration),
    /// The client broke off or sent bad framing.
    #[error("the client's body broke off: {0}")]
    Client(#[from] hyper::Error),
}

impl BodyError {
    /// Status and message for the client.
    pub fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "Payload too large"),
            Self::Overloaded(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many large bodies at once",
            ),
            Self::Paused(_) => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
            Self::Client(_) => (StatusCode::BAD_REQUEST, "Bad request"),
        }
    }

    /// A bounded word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "body_too_large",
            Self::Overloaded(_) => "body_memory",
            Self::Paused(_) | Self::Client(_) => "body_client",
        }
    }
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

    /// How long it is, in bytes, as far as that can be told without reading on.
    pub fn known_length(&self) -> Option<usize> {
        match self {
            Self::Empty => Some(0),
            Self::Full(bytes) => Some(bytes.len()),
            Self::Stream { front, rest } => Some(announced(rest)? + front.len()),
            Self::Sent => None,
        }
    }

    /// Whether it can be sent again on a retry.
    pub fn replayable(&self) -> bool {
        matches!(self, Self::Empty | Self::Full(_))
    }

    /// Reads all of it, up to `limit` bytes, and keeps it; waits where large bodies have the worker's memory. Given up half
    /// way, the body still streams whole.
    ///
    /// # Errors
    /// See [`BodyError`]. After `TooLarge` the body still streams whole: what was read precedes the rest.
    pub async fn read(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        if let Self::Stream { front, rest } = self {
            let announced = announced(rest).map(|rest| rest + front.len());
            // Not a byte of it is asked for, so a client that waits for `100 Continue` need not send it.
            if announced.is_some_and(|announced| announced > limit) {
                return Err(BodyError::TooLarge { limit });
            }
            self.fill(Gather::new(announced, limit)).await?;
        }
        match self {
            Self::Full(bytes) if bytes.len() > limit => Err(BodyError::TooLarge { limit }),
            Self::Full(bytes) => Ok(bytes.clone()),
            Self::Stream { .. } => Err(BodyError::TooLarge { limit }),
            Self::Empty | Self::Sent => Ok(Bytes::new()),
        }
    }

    /// Reads what comes before connecting. A body that ends there becomes [`Self::Full`].
    ///
    /// # Errors
    /// See [`BodyError`]; so little is never too large, and needs no memory that is counted.
    pub async fn begin(&mut self) -> Result<(), BodyError> {
        self.fill(Gather::new(None, BEFORE_CONNECTING)).await
    }

    async fn fill(&mut self, read: Gather) -> Result<(), BodyError> {
        let Self::Stream { front, rest } = self else {
            return Ok(());
        };
        let begun = std::mem::take(front);
        let mut read = Filling {
            front,
            read: Some(read),
        };
        let filled = match &mut read.read {
            Some(read) => fill(read, begun, rest).await,
            None => Ok(false),
        };
        drop(read);
        if filled? {
            *self = Self::Full(std::mem::take(front));
        }
        Ok(())
    }

    /// The answer does not need what is left of it. It is read all the same, for a while: a client whose connection is
    /// closed while it still writes may never see the answer.
    pub fn read_off(&mut self) {
        if let Self::Stream { rest, .. } = std::mem::replace(self, Self::Sent) {
            tokio::task::spawn_local(async move {
                let _ = tokio::time::timeout(LINGER, read_off(rest)).await;
            });
        }
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

/// What was read of a body, which goes back before its rest, also if the reader is given up.
struct Filling<'b> {
    front: &'b mut Bytes,
    /// Until then.
    read: Option<Gather>,
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        if let Some(read) = self.read.take() {
            *self.front = read.finish();
        }
    }
}

/// Reads until the end, which is answered with true, or until there is too much. Trailers are dropped: the body goes on
/// with its length, and that framing has none.
async fn fill(read: &mut Gather, front: Bytes, rest: &mut Incoming) -> Result<bool, BodyError> {
    read.push(front).await?;
    while !read.is_too_long() {
        match within(PATIENCE, rest.frame()).await {
            Ok(None) => return Ok(true),
            Ok(Some(frame)) => {
                if let Ok(data) = frame?.into_data() {
                    read.push(data).await?;
                }
            }
            Err(Elapsed) => return Err(BodyError::Paused(PATIENCE)),
        }
    }
    Ok(false)
}

async fn read_off(mut rest: Incoming) {
    while let Ok(Some(Ok(_))) = within(LINGER_IDLE, rest.frame()).await {}
}

/// Collects the pieces of a body; one piece alone, the usual case, is not copied.
pub(super) struct Gather {
    one: Bytes,
    more: Vec<u8>,
    /// The piece that waits for memory: not lost if nobody waits on.
    next: Bytes,
    charge: Charge,
    /// How long it will be, if that was announced.
    announced: Option<usize>,
    /// The most that it may have.
    most: usize,
}

impl Gather {
    /// Begins a body; of one that is longer than `most` bytes no more is wanted.
    pub(super) fn new(announced: Option<usize>, most: usize) -> Self {
        Self {
            one: Bytes::new(),
            more: Vec::new(),
            next: Bytes::new(),
            charge: Charge::default(),
            announced,
            most,
        }
    }

    /// Whether there is more than there may be.
    pub(super) fn is_too_long(&self) -> bool {
        self.len() > self.most
    }

    fn len(&self) -> usize {
        self.one.len() + self.more.len()
    }

    /// Adds a piece, once there is memory for it.
    ///
    /// # Errors
    /// When there was none in time; the piece is added all the same, so that none is missing.
    pub(super) async fn push(&mut self, piece: Bytes) -> Result<(), Overloaded> {
        let length = self.len() + piece.len();
        if self.len() == 0 && length <= memory::FREE {
            self.one = piece;
            return Ok(());
        }
        self.next = piece;
        let grown = self.charge.grow(length.min(self.most), self.most).await;
        if self.more.capacity() < length {
            let room = grown.as_ref().copied().unwrap_or_default();
            let whole = self.announced.unwrap_or((2 * length).min(room));
            let whole = whole.max(length);
            self.more.reserve_exact(whole - self.more.len());
        }
        self.append();
        grown.map(drop)
    }

    fn append(&mut self) {
        for piece in [&mut self.one, &mut self.next] {
            self.more.extend_from_slice(&std::mem::take(piece));
        }
    }

    /// What was collected.
    pub(super) fn finish(mut self) -> Bytes {
        if !self.next.is_empty() {
            self.append();
        }
        if self.more.is_empty() {
            self.one
        } else {
            self.charge.hold(self.more)
        }
    }
}

/// How long a body will be, as far as its head told.
pub(super) fn announced(body: &impl Body) -> Option<usize> {
    usize::try_from(body.size_hint().exact()?).ok()
}
