//! Bodies that plugins want whole: collected, decoded once, filtered one after the other, encoded once.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, TE, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use http_body::Body;
use http_body_util::BodyExt;

use super::chunks::Chunks;
use super::{BrokenBody, Source, Wanting, bodyless};
use crate::carried::deadline::{Elapsed, within};
use crate::carried::http1::AnswerBody;
use crate::listen::Gate;
use crate::plugins::BodyUse;
use crate::plugins::transform::encoding::{self, Coded, Coding, DecodeError};
use crate::proxy::body::{Gather, announced as length_of};
use crate::proxy::ctx::Ctx;
use crate::proxy::memory::{self, Overloaded};
use crate::proxy::upstream::Lease;

const SKIPPED: HeaderName = HeaderName::from_static("headgate-transform-skipped");

/// The most that is read of a body nobody wants, so that its connection can go on.
const NOT_WANTED: usize = 64 * 1024;
/// How long that may take.
const NOT_WANTED_FOR: Duration = Duration::from_secs(1);

/// What is sent, and its length if that is known.
type Outcome = (Source, Option<HeaderValue>);

/// The body as the filters that want it leave it; one that is too long passes unchanged and says so. Filters that want it
/// piece by piece get it here, decoded and as one piece, in their turn; `wanting` is empty then.
///
/// # Errors
/// [`Overloaded`] when there was no memory to collect it.
pub(super) async fn filtered(
    ctx: &mut Ctx,
    gate: &Rc<Gate>,
    source: Source,
    announced: Option<HeaderValue>,
    wanting: &mut Vec<Wanting>,
) -> Result<Outcome, Overloaded> {
    let coded = encoding::of(&ctx.response.headers);
    let replaces = |(_, usage): &Wanting| *usage == BodyUse::Replace;
    let replacing = wanting.iter().rposition(replaces);
    if coded == Coded::Unknown && replacing.is_none() {
        let coding = ctx.response.headers.get(CONTENT_ENCODING);
        tracing::warn!(request_id = %ctx.id, ?coding, "response body left alone: its coding is not known");
        return Ok((source, announced));
    }
    if bodyless(ctx) {
        return Ok((source, None));
    }
    if let Some(first) = replacing {
        // What came before is not looked at, whoever wanted it.
        discard(source, gate);
        let wanting = std::mem::take(wanting);
        let body = run(ctx, &wanting[first..], &Bytes::new()).unwrap_or_default();
        return Ok(sized(Source::Bytes(coded_again(ctx, coded, body))));
    }
    let received = match collected(ctx, gate, source, announced).await? {
        Ok(received) => received,
        Err(passes) => return Ok(passes),
    };
    let changed = changed(ctx, gate, coded, &received.bytes, &std::mem::take(wanting));
    Ok(sized(received.with(ctx, changed)))
}

/// With its length, which over HTTP/2 an empty body would not have otherwise.
fn sized(source: Source) -> Outcome {
    let length = source.size_hint().exact().map(HeaderValue::from);
    (source, length)
}

/// A body that was received whole.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

impl Received {
    /// What is sent. Trailers go with it where the framing has a place for them: HTTP/2, and chunks for an HTTP/1.1
    /// client that asked, which then learns no length.
    pub(super) fn with(self, ctx: &Ctx, changed: Option<Bytes>) -> Source {
        let bytes = changed.unwrap_or(self.bytes);
        let asked = ctx.request.headers.contains_key(TE);
        let told = ctx.response.headers.contains_key(TRAILER);
        match (self.trailers, ctx.request.version) {
            (trailers @ Some(_), Version::HTTP_2) => Source::Trailed {
                bytes,
                trailers,
                chunked: false,
            },
            (trailers @ Some(_), Version::HTTP_11) if asked && told => Source::Trailed {
                bytes,
                trailers,
                chunked: true,
            },
            _ => Source::Bytes(bytes),
        }
    }
}

/// Reads the whole body, or answers what passes as it is: too much, or less than there should be.
async fn collected(
    ctx: &mut Ctx,
    gate: &Gate,
    source: Source,
    announced: Option<HeaderValue>,
) -> Result<Result<Received, Outcome>, Overloaded> {
    let whole = |bytes, trailers| Ok(Ok(Received { bytes, trailers }));
    let (mut rest, lease, limit) = match source {
        Source::Bytes(bytes) => return whole(bytes, None),
        Source::Upstream {
            rest: Some(rest),
            lease,
            limit,
            ..
        } => (rest, lease, limit),
        other => return Ok(Err((other, announced))),
    };
    let length = length_of(&rest);
    let mut read = Gather::new(length, ctx.transform_limit());
    let end = if length.is_some_and(|length| length > ctx.transform_limit()) {
        End::TooLong
    } else {
        until_end(&mut read, &mut rest, limit).await?
    };
    let (rest, broken, lease) = match end {
        End::Reached(trailers) => {
            if let Some(lease) = lease {
                lease.release(gate);
            }
            return whole(read.finish(), trailers);
        }
        End::TooLong => {
            too_large(ctx, gate);
            (Some(rest), None, lease)
        }
        End::Broken(error) => {
            tracing::warn!(request_id = %ctx.id, %error, "response body left alone: it broke off");
            (None, Some(error), None)
        }
    };
    let front = read.finish();
    let source = Source::Upstream {
        front,
        rest,
        broken,
        lease,
        limit,
    };
    Ok(Err((source, announced)))
}

/// Where the collecting of a body came to its end.
pub(super) enum End {
    Reached(Option<HeaderMap>),
    TooLong,
    Broken(BrokenBody),
}

pub(super) async fn until_end(
    read: &mut Gather,
    rest: &mut AnswerBody,
    limit: Duration,
) -> Result<End, Overloaded> {
    let mut trailers = None;
    while !read.is_too_long() {
        let frame = match within(limit, rest.frame()).await {
            Ok(None) => return Ok(End::Reached(trailers)),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Ok(End::Broken(error.into())),
            Err(Elapsed) => return Ok(End::Broken(BrokenBody::Timeout(limit))),
        };
        match frame.into_data() {
            Ok(data) => read.push(data).await?,
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok(End::TooLong)
}

fn too_large(ctx: &mut Ctx, gate: &Gate) {
    gate.metrics.transform_skipped();
    tracing::warn!(request_id = %ctx.id, limit = ctx.transform_limit(), "response body left alone: it is too large");
    let reason = HeaderValue::from_static("body-too-large");
    ctx.response.headers.insert(SKIPPED, reason);
}

/// What takes the place of `received`; `None` if it stays, to the byte.
fn changed(
    ctx: &mut Ctx,
    gate: &Gate,
    coded: Coded,
    received: &Bytes,
    wanting: &[Wanting],
) -> Option<Bytes> {
    let Coded::By(coding) = coded else {
        return run(ctx, wanting, received).map(memory::hold);
    };
    match encoding::decode(coding, received, ctx.transform_limit()) {
        Ok((plain, coding)) => {
            let changed = run(ctx, wanting, &Bytes::from(plain))?;
            Some(coded_again(ctx, Coded::By(coding), changed))
        }
        Err(DecodeError::TooLarge) => {
            too_large(ctx, gate);
            None
        }
        Err(error @ DecodeError::Malformed) => {
            tracing::warn!(request_id = %ctx.id, ?coding, "response body left alone: {error}");
            None
        }
    }
}

/// Runs the filters one after the other; `None` if none of them changed anything.
fn run(ctx: &mut Ctx, wanting: &[Wanting], body: &Bytes) -> Option<Bytes> {
    let runtime = ctx.runtime.clone();
    let mut changed = None;
    for (chosen, usage) in wanting {
        let instance = &runtime.plugins.instances[*chosen as usize];
        let Some(handler) = &instance.handler else {
            continue;
        };
        let now = changed.as_ref().unwrap_or(body);
        let filtered = match usage {
            BodyUse::Chunks => {
                let filtered = Chunks::new(vec![(*chosen, *usage)]).end(ctx, now.clone());
                Some(filtered).filter(|filtered| filtered != now)
            }
            _ => handler.body_filter(ctx, now),
        };
        changed = filtered.or(changed);
    }
    changed
}

/// A changed body in the coding of the head. Nothing needs none, and one that is not known goes away with the body that
/// was in it.
fn coded_again(ctx: &mut Ctx, coded: Coded, body: Bytes) -> Bytes {
    match coded {
        Coded::Plain => memory::hold(body),
        Coded::By(coding) if !body.is_empty() => encoded(coding, &body),
        Coded::By(_) | Coded::Unknown => {
            ctx.response.headers.remove(CONTENT_ENCODING);
            memory::hold(body)
        }
    }
}

fn encoded(coding: Coding, body: &[u8]) -> Bytes {
    memory::hold(Bytes::from(encoding::encode(coding, body)))
}

/// Lets go of a body. If little of it is left, its connection is used again.
pub(super) fn discard(source: Source, gate: &Rc<Gate>) {
    let Source::Upstream {
        rest: Some(rest),
        lease: Some(lease),
        ..
    } = source
    else {
        return;
    };
    if rest.is_end_stream() {
        lease.release(gate);
    } else if length_of(&rest).is_none_or(|length| length <= NOT_WANTED) {
        tokio::task::spawn_local(read_off(rest, lease, gate.clone()));
    }
}

async fn read_off(mut rest: AnswerBody, lease: Lease, gate: Rc<Gate>) {
    let reading = async {
        let mut left = NOT_WANTED;
        while let Some(frame) = rest.frame().await {
            let length = frame.ok()?.into_data().map_or(0, |data| data.len());
            left = left.checked_sub(length)?;
        }
        Some(())
    };
    if let Ok(Some(())) = within(NOT_WANTED_FOR, reading).await {
        lease.release(&gate);
    }
}
