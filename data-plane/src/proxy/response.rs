//! The way back: header filters, the bodies that plugins want whole, framing, and the end of the request.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, SERVER, SET_COOKIE, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::body::BodyError;
use super::ctx::{Ctx, Head};
use super::error::{self, Halt};
use super::memory::Overloaded;
use super::upstream::{Answered, Lease};
use super::{headers, upgrade};
use crate::carried::deadline::Guard;
use crate::listen::Gate;
use crate::plugins::{self, BodyUse, Chosen};

mod whole;

/// How much of a body that is here goes out at once: the next piece follows when the client has taken most of this one, so
/// that a request has not ended, and its connection is not idle, while much of the answer is still to be sent.
const PIECE: usize = 256 * 1024;

/// A request that is being served. When it is dropped early, the client has gone: that is logged as 499.
pub struct Live {
    gate: Rc<Gate>,
    ctx: Option<Box<Ctx>>,
}

impl Live {
    /// Takes charge of a request.
    pub fn new(gate: Rc<Gate>, ctx: Box<Ctx>) -> Self {
        ctx.conn.begin();
        Self {
            gate,
            ctx: Some(ctx),
        }
    }

    /// The request.
    pub fn ctx(&mut self) -> &mut Ctx {
        self.ctx
            .as_mut()
            .expect("a live request keeps its context until it has ended")
    }

    /// Whether the client has to take a piece before there is more. Over HTTP/2 one stream that waits says nothing about
    /// the connection.
    fn hands(&self, waits: bool) {
        if let Some(ctx) = &self.ctx
            && ctx.request.version != Version::HTTP_2
        {
            ctx.conn.hands(waits);
        }
    }

    /// The answer is on its way: what the client still sends is read off.
    fn answered(&mut self) {
        if let Some(ctx) = &mut self.ctx
            && ctx.request.version != Version::HTTP_2
            && !ctx.request.expects
        {
            ctx.request.body.read_off();
        }
    }

    /// The request has ended: log phase, access log, metrics.
    fn end(&mut self, status: StatusCode, sent: u64) {
        let Some(ctx) = self.ctx.take() else { return };
        ctx.conn.end();
        let runtime = ctx.runtime.clone();
        for &chosen in &ctx.chosen {
            let instance = &runtime.plugins.instances[chosen as usize];
            if let Some(handler) = instance.handler.as_ref().filter(|_| instance.phases.log) {
                handler.log(&ctx);
            }
        }
        self.gate.ended(&ctx, status, sent);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let gone = StatusCode::from_u16(499).expect("499 is in range");
        let status = if std::thread::panicking() {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            gone
        };
        self.end(status, 0);
    }
}

/// Where the bytes of an answer come from.
pub enum Source {
    /// They are here.
    Bytes(Bytes),
    /// They are here, with trailers to follow.
    Trailed {
        /// The body.
        bytes: Bytes,
        /// Its trailers.
        trailers: Option<HeaderMap>,
        /// Whether they can only be sent after a body of a length that is not told.
        chunked: bool,
    },
    /// An upstream sends them.
    Upstream {
        /// What was read already.
        front: Bytes,
        /// The rest; `None` once it has failed or ended.
        rest: Option<Incoming>,
        /// Why the rest failed while it was collected.
        broken: Option<BrokenBody>,
        /// Gives the connection back.
        lease: Option<Lease>,
        /// `read_timeout`.
        limit: Duration,
    },
}

impl Source {
    /// An upstream's answer: its head goes into the context.
    pub fn upstream(ctx: &mut Ctx, mut answered: Answered) -> Self {
        let headers = std::mem::take(answered.response.headers_mut());
        let status = answered.response.status();
        let te_sent = ctx.request.headers.contains_key(TE);
        ctx.response = Head {
            status,
            server_named: headers.contains_key(SERVER),
            headers,
            proxied: true,
            is_plain_page: false,
        };
        headers::strip_response(&mut ctx.response.headers, te_sent);
        if ctx.websocket && status == StatusCode::SWITCHING_PROTOCOLS {
            ctx.response
                .headers
                .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            ctx.response
                .headers
                .insert(UPGRADE, HeaderValue::from_static("websocket"));
            upgrade::tunnel(ctx, answered);
            return Self::Bytes(Bytes::new());
        }
        let body = answered.response.into_body();
        Self::Upstream {
            front: Bytes::new(),
            rest: Some(body),
            broken: None,
            lease: Some(answered.lease),
            limit: answered.read_timeout,
        }
    }

    /// An answer of the gateway's own.
    pub fn made_here(ctx: &mut Ctx, halt: Halt, gate: &Gate) -> Self {
        if matches!(halt, Halt::NoRoute | Halt::Refused(_) | Halt::Protocol(_)) {
            plugins::choose_global(ctx);
        }
        gate.metrics.halted(&halt);
        let body = error::respond(ctx, halt);
        // An upstream's Date is its own affair; answers made here have ours.
        ctx.response.headers.insert(DATE, headers::date());
        Self::Bytes(body)
    }

    fn is_end(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Trailed {
                bytes, trailers, ..
            } => bytes.is_empty() && trailers.is_none(),
            Self::Upstream {
                front,
                rest,
                broken,
                ..
            } => {
                front.is_empty()
                    && broken.is_none()
                    && rest.as_ref().is_none_or(Body::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Trailed { chunked: true, .. } => SizeHint::default(),
            Self::Bytes(bytes) | Self::Trailed { bytes, .. } => {
                SizeHint::with_exact(bytes.len() as u64)
            }
            Self::Upstream {
                front,
                rest: Some(rest),
                ..
            } if front.is_empty() => rest.size_hint(),
            Self::Upstream { .. } => SizeHint::default(),
        }
    }

    /// The length that the upstream announced, which stays true while nobody touches the body.
    fn announced(&self, ctx: &Ctx) -> Option<HeaderValue> {
        match self {
            Self::Bytes(_) | Self::Trailed { .. } => None,
            Self::Upstream { .. } => ctx.response.headers.get(CONTENT_LENGTH).cloned(),
        }
    }
}

/// Runs the filters and gives the response to hyper.
pub async fn filter(mut live: Live, mut source: Source) -> Response<ResponseBody> {
    let gate = live.gate.clone();
    let ctx = live.ctx();
    let source = loop {
        match filtered(ctx, &gate, source).await {
            Ok(source) => break source,
            // Not passed on unchanged: a client that fills the memory would get what a filter takes out. What is made
            // here needs no memory, so this happens once.
            Err(overloaded) => {
                let halt = Halt::Body(BodyError::Overloaded(overloaded));
                source = Source::made_here(ctx, halt, &gate);
            }
        }
    };
    headers::finish_response(ctx);
    let mut response = Response::new(());
    *response.status_mut() = ctx.response.status;
    *response.headers_mut() = std::mem::take(&mut ctx.response.headers);
    let status = ctx.response.status;
    let bodyless = bodyless(ctx);
    response.map(|()| ResponseBody {
        source,
        bodyless,
        live,
        status,
        sent: 0,
        guard: Guard::default(),
        failing: false,
    })
}

/// The head and the body as the filters leave them, with the length that is true then.
async fn filtered(ctx: &mut Ctx, gate: &Rc<Gate>, source: Source) -> Result<Source, Overloaded> {
    let announced = source.announced(ctx);
    if let Some(cookie) = ctx.hash_cookie.take() {
        ctx.response.headers.append(SET_COOKIE, cookie);
    }
    let wanting = header_filters(ctx);
    // A plugin cannot change the framing: what it says of these is dropped here.
    ctx.response.headers.remove(CONTENT_LENGTH);
    ctx.response.headers.remove(TRANSFER_ENCODING);
    let (source, announced) = if wanting.is_empty() {
        (source, announced)
    } else {
        whole::filtered(ctx, gate, source, announced, &wanting).await?
    };
    if let Some(length) = announced {
        ctx.response.headers.insert(CONTENT_LENGTH, length);
    }
    Ok(source)
}

/// HEAD, 1xx, 204 and 304 have no body.
fn bodyless(ctx: &Ctx) -> bool {
    let status = ctx.response.status;
    ctx.request.method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

/// A filter that wants the body, and what for.
type Wanting = (Chosen, BodyUse);

/// Runs every header filter; answers who wants the body.
fn header_filters(ctx: &mut Ctx) -> Vec<Wanting> {
    let runtime = ctx.runtime.clone();
    let mut wanting = Vec::new();
    // By place: a filter may look at the list, which is behind the same reference.
    for place in 0..ctx.chosen.len() {
        let chosen = ctx.chosen[place];
        let instance = &runtime.plugins.instances[chosen as usize];
        let Some(handler) = instance
            .handler
            .as_ref()
            .filter(|_| instance.phases.header_filter)
        else {
            continue;
        };
        let usage = handler.header_filter(ctx);
        if usage != BodyUse::Stream {
            wanting.push((chosen, usage));
        }
    }
    wanting
}

/// The body of an answer. When it has ended, so has the request.
pub struct ResponseBody {
    source: Source,
    bodyless: bool,
    live: Live,
    status: StatusCode,
    sent: u64,
    guard: Guard,
    failing: bool,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BrokenBody>>>;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BrokenBody {
    /// The upstream's connection.
    #[error("the upstream broke off its body: {0}")]
    Upstream(#[from] hyper::Error),
    /// Nothing came for `read_timeout`.
    #[error("the upstream sent nothing for {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl ResponseBody {
    /// The answer to a request that panicked; its log phase has run already.
    pub fn panicked(gate: Rc<Gate>) -> Response<Self> {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let source = Source::Bytes(Bytes::from(error::status_text(status)));
        let live = Live { gate, ctx: None };
        let body = Self {
            source,
            bodyless: false,
            live,
            status,
            sent: 0,
            guard: Guard::default(),
            failing: false,
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
    }

    /// An error ends the connection (HTTP/2: the stream) with whatever is not written yet. So it is told one poll late,
    /// when what came before it has had its chance.
    fn flushed(&mut self, polled: Polled, cx: &mut Context<'_>) -> Polled {
        match (polled, &mut self.source) {
            (Poll::Ready(Some(Err(error))), Source::Upstream { rest, broken, .. })
                if !self.failing =>
            {
                self.failing = true;
                (*rest, *broken) = (None, Some(error));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (polled, _) => polled,
        }
    }

    fn finish(&mut self) {
        let ended = self.source.is_end();
        if let Source::Upstream { lease, .. } = &mut self.source
            && let Some(lease) = lease.take()
            && (ended || self.bodyless)
        {
            lease.release(&self.live.gate);
        }
        if ended || self.bodyless {
            self.live.answered();
        }
        self.live.end(self.status, self.sent);
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        let polled = match &mut this.source {
            Source::Bytes(bytes)
            | Source::Trailed { bytes, .. }
            | Source::Upstream { front: bytes, .. }
                if !bytes.is_empty() =>
            {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Source::Bytes(_) => Poll::Ready(None),
            Source::Trailed { trailers, .. } => Poll::Ready(
                trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            ),
            Source::Upstream {
                rest: Some(rest),
                limit,
                ..
            } => match Pin::new(rest).poll_frame(cx) {
                Poll::Ready(frame) => {
                    this.guard.reset();
                    Poll::Ready(frame.map(|frame| frame.map_err(BrokenBody::Upstream)))
                }
                Poll::Pending => this
                    .guard
                    .poll(*limit, cx)
                    .map(|_| Some(Err(BrokenBody::Timeout(*limit)))),
            },
            Source::Upstream { broken, .. } => Poll::Ready(broken.take().map(Err)),
        };
        let polled = this.flushed(polled, cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.sent += frame.data_ref().map_or(0, |data| data.len() as u64)
            }
            Poll::Ready(None) => this.finish(),
            Poll::Ready(Some(Err(error))) => {
                let id = this.live.ctx.as_ref().map(|ctx| ctx.id);
                tracing::warn!(request_id = ?id, %error, "answer cut short");
                if let Source::Upstream { rest, lease, .. } = &mut this.source {
                    (*rest, *lease) = (None, None);
                }
            }
            Poll::Pending => {}
        }
        this.live
            .hands(matches!(polled, Poll::Ready(Some(Ok(_)))) && !this.source.is_end());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.bodyless || self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        if self.bodyless {
            SizeHint::with_exact(0)
        } else {
            self.source.size_hint()
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.finish();
    }
}
