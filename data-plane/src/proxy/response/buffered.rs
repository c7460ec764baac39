//! Answers that plugins want whole, head and body, before anything goes to the client: the response phase
//! (custom-plugins.md 1.3).

use std::rc::Rc;

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_LENGTH;

use super::whole::{End, Received, until_end};
use super::{Source, bodyless};
use crate::listen::Gate;
use crate::plugins;
use crate::proxy::body::{Gather, announced};
use crate::proxy::ctx::Ctx;
use crate::proxy::error::Halt;
use crate::proxy::memory::Overloaded;

/// Collects the upstream's answer and runs the response phase on it.
///
/// # Errors
/// [`Overloaded`] when there was no memory to collect it.
pub(super) async fn responded(
    ctx: &mut Ctx,
    gate: &Rc<Gate>,
    source: Source,
) -> Result<Source, Overloaded> {
    let Source::Upstream {
        rest: Some(mut rest),
        lease,
        limit,
        front,
        broken,
    } = source
    else {
        return Ok(source);
    };
    if bodyless(ctx) {
        ctx.buffered = Some(Bytes::new());
        let as_it_came = Source::Upstream {
            front,
            rest: Some(rest),
            broken,
            lease,
            limit,
        };
        return Ok(answered(ctx, gate, |_| as_it_came).await);
    }
    let most = ctx.runtime.settings().response_buffer_max;
    let length = announced(&rest);
    let mut read = Gather::new(length, most);
    let end = match length.is_some_and(|length| length > most) {
        true => End::TooLong,
        false => until_end(&mut read, &mut rest, limit).await?,
    };
    let trailers = match end {
        End::Reached(trailers) => trailers,
        End::TooLong => {
            tracing::error!(request_id = %ctx.id, limit = most, "the upstream's answer is longer than response_buffer_max");
            return Ok(bad_gateway(ctx, gate));
        }
        End::Broken(error) => {
            tracing::error!(request_id = %ctx.id, %error, "the upstream's answer broke off");
            return Ok(bad_gateway(ctx, gate));
        }
    };
    if let Some(lease) = lease {
        lease.release(gate);
    }
    let bytes = read.finish();
    ctx.buffered = Some(bytes.clone());
    let received = Received { bytes, trailers };
    Ok(answered(ctx, gate, |ctx| {
        ctx.response.headers.remove(CONTENT_LENGTH);
        received.with(ctx, None)
    })
    .await)
}

/// The upstream's answer, unless a plugin gives another.
async fn answered(
    ctx: &mut Ctx,
    gate: &Rc<Gate>,
    unchanged: impl FnOnce(&mut Ctx) -> Source,
) -> Source {
    match plugins::response(ctx).await {
        Ok(()) => unchanged(ctx),
        Err(halt) => Source::made_here(ctx, halt, gate),
    }
}

fn bad_gateway(ctx: &mut Ctx, gate: &Rc<Gate>) -> Source {
    ctx.response.headers.clear();
    Source::made_here(ctx, Halt::Protocol(StatusCode::BAD_GATEWAY), gate)
}
