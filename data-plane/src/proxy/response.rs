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

use super::body::BodyError;
use super::ctx::{Ctx, Head, Maker};
use super::error::{self, Halt};
use super::memory::Overloaded;
use super::upstream::{Answered, Lease};
use super::{headers, upgrade};
use crate::carried::deadline::Guard;
use crate::carried::http1::{AnswerBody, WireError};
use crate::listen::Gate;
use crate::plugins::{self, BodyUse, Chosen, Filter};

mod buffered;
mod chunks;
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
        let Some(mut ctx) = self.ctx.take() else {
            return;
        };
        ctx.conn.end();
        let runtime = ctx.runtime.clone();
        // What was answered is part of what is told.
        ctx.response.status = status;
        ctx.sent = sent;
        for place in 0..ctx.chosen.len() {
            let instance = &runtime.plugins.instances[ctx.chosen[place] as usize];
            if let Some(handler) = instance.handler.as_ref().filter(|_| instance.phases.log) {
                handler.log(&mut ctx);
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
        if !std::thread::panicking() {
            return self.end(status, 0);
        }
        // A second panic, of a log handler's, would end the process.
        let end = std::panic::AssertUnwindSafe(|| self.end(status, 0));
        let _ = std::panic::catch_unwind(end);
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
        rest: Option<AnswerBody>,
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
        let headers = std::mem::take(&mut answered.head.headers);
        let status = answered.head.status;
        let te_sent = ctx.request.headers.contains_key(TE);
        ctx.response = Head {
            status,
            server_named: headers.contains_key(SERVER),
            headers,
            proxied: true,
            maker: Maker::Upstream,
            is_typed: false,
        };
        headers::strip_response(&mut ctx.response.headers, te_sent);
        if ctx.has_phase(|phases| phases.looks_back) {
            let head = (status, ctx.response.headers.clone());
            ctx.upstream_head = Some(Box::new(head));
        }
        ctx.keep_promises();
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
        Self::Upstream {
            front: Bytes::new(),
            rest: Some(answered.body),
            broken: None,
            lease: Some(answered.lease),
            limit: answered.read_timeout,
        }
    }

    /// An answer of the gateway's own.
    pub fn made_here(ctx: &mut Ctx, halt: Halt, gate: &Gate) -> Self {
        if !ctx.accessed {
            ctx.accessed = true;
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
    let Filtered { source, chunks } = loop {
        match filtered(ctx, &gate, source).await {
            Ok(filtered) => break filtered,
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
    *response.headers_mut() = match ctx.has_phase(|phases| phases.looks_back) {
        true => ctx.response.headers.clone(),
        false => std::mem::take(&mut ctx.response.headers),
    };
    let status = ctx.response.status;
    let bodyless = bodyless(ctx);
    response.map(|()| ResponseBody {
        source,
        chunks,
        bodyless,
        live,
        status,
        sent: 0,
        guard: Guard::default(),
        failing: false,
    })
}

/// The head and the body as the filters leave them, with the length that is true then.
async fn filtered(
    ctx: &mut Ctx,
    gate: &Rc<Gate>,
    mut source: Source,
) -> Result<Filtered, Overloaded> {
    if wants_whole_answer(ctx, &source) {
        source = buffered::responded(ctx, gate, source).await?;
    }
    let mut announced = source.announced(ctx);
    if let Some(cookie) = ctx.hash_cookie.take() {
        ctx.response.headers.append(SET_COOKIE, cookie);
    }
    let mut wanting = header_filters(ctx, gate, &mut source);
    // A plugin cannot change the framing: what it says of these is dropped here.
    ctx.response.headers.remove(CONTENT_LENGTH);
    ctx.response.headers.remove(TRANSFER_ENCODING);
    if !matches!(source, Source::Upstream { .. }) {
        announced = None;
    }
    if wanting.iter().any(|(_, usage)| *usage != BodyUse::Chunks) {
        (source, announced) = whole::filtered(ctx, gate, source, announced, &mut wanting).await?;
    }
    wanting.retain(|(_, usage)| *usage == BodyUse::Chunks);
    let chunks = chunks::Chunks::new(wanting);
    if chunks.is_empty() || bodyless(ctx) {
        if let Some(length) = announced {
            ctx.response.headers.insert(CONTENT_LENGTH, length);
        }
        return Ok(Filtered {
            source,
            chunks: chunks::Chunks::default(),
        });
    }
    // Pieces may grow or shrink, so nobody knows the length of what still streams.
    Ok(chunks.begin(ctx, source))
}

/// What goes to the client, and what its pieces go through.
struct Filtered {
    source: Source,
    chunks: chunks::Chunks,
}

/// Whether the upstream's answer is collected before anything is sent (custom-plugins.md 1.3).
fn wants_whole_answer(ctx: &Ctx, source: &Source) -> bool {
    if !matches!(source, Source::Upstream { .. }) {
        return false;
    }
    let wanted = ctx.buffering || ctx.has_phase(|phases| phases.response);
    wanted && !error::is_grpc(ctx.request.version, &ctx.request.headers)
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

/// Runs every header filter; answers who wants the body. A filter that answers takes the place of `source`.
fn header_filters(ctx: &mut Ctx, gate: &Rc<Gate>, source: &mut Source) -> Vec<Wanting> {
    let runtime = ctx.runtime.clone();
    let mut wanting = Vec::new();
    // By place: a filter may look at the list, which is behind the same reference.
    for place in 0..ctx.chosen.len() {
        let chosen = ctx.chosen[place];
        let instance = &runtime.plugins.instances[chosen as usize];
        let Some(handler) = &instance.handler else {
            continue;
        };
        if instance.phases.header_filter {
            let halt = match handler.header_filter(ctx) {
                Filter::Body(BodyUse::Stream) => None,
                Filter::Body(usage) => {
                    wanting.push((chosen, usage));
                    None
                }
                Filter::Respond(answer) => Some(Halt::Answer(answer)),
                Filter::Fail(error) => Some(Halt::Plugin(format!("[{}] {error}", instance.label))),
            };
            if let Some(halt) = halt {
                let made = Source::made_here(ctx, halt, gate);
                whole::discard(std::mem::replace(source, made), gate);
            }
        }
        if instance.phases.chunks {
            wanting.push((chosen, BodyUse::Chunks));
        }
    }
    wanting
}

/// The body of an answer. When it has ended, so has the request.
pub struct ResponseBody {
    source: Source,
    chunks: chunks::Chunks,
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
    Upstream(#[from] WireError),
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
            chunks: chunks::Chunks::default(),
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

    /// What the source gives next.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Polled {
        match &mut self.source {
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
                    self.guard.reset();
                    Poll::Ready(frame.map(|frame| frame.map_err(BrokenBody::Upstream)))
                }
                Poll::Pending => self
                    .guard
                    .poll(*limit, cx)
                    .map(|_| Some(Err(BrokenBody::Timeout(*limit)))),
            },
            Source::Upstream { broken, .. } => Poll::Ready(broken.take().map(Err)),
        }
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
        let polled = loop {
            let polled = this.poll_source(cx);
            match &mut this.live.ctx {
                Some(ctx) if !this.chunks.is_empty() => {
                    let last = this.source.is_end();
                    if let Some(polled) = this.chunks.filter(ctx, polled, last) {
                        break polled;
                    }
                }
                _ => break polled,
            }
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
        self.bodyless || self.source.is_end() && self.chunks.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        if self.bodyless {
            SizeHint::with_exact(0)
        } else if !self.chunks.is_empty() {
            SizeHint::default()
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
