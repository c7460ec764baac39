//! A request body without its coding: a step that removes a field must not be evaded by compressing the body.

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use tracing::warn;

use crate::plugins::Ctx;
use crate::plugins::transform::encoding::{self, Coded, Coding, DecodeError};
use crate::proxy::body::BodyError;
use crate::proxy::memory;

/// A body that was read whole.
pub(super) struct Opened {
    /// What is in it.
    pub(super) plain: Bytes,
    /// What it was in.
    coding: Option<Coding>,
}

/// Reads the body and takes off the coding that the head names now; `None` for a body that passes as it is, because its
/// coding is not known or it is not in it.
///
/// # Errors
/// Those of [`Ctx::read_body`]; `TooLarge` also if it is too long once it is decoded.
pub(super) async fn opened(ctx: &mut Ctx) -> Result<Option<Opened>, BodyError> {
    let coding = match encoding::of(&ctx.request.headers) {
        Coded::Plain => None,
        Coded::By(coding) => Some(coding),
        Coded::Unknown => {
            let coding = ctx.request.headers.get(CONTENT_ENCODING);
            warn!(request_id = %ctx.id, ?coding, "request body left alone: its coding is not known");
            return Ok(None);
        }
    };
    let limit = ctx.transform_limit();
    let body = ctx.read_body(limit).await?;
    let Some(coding) = coding.filter(|_| !body.is_empty()) else {
        return Ok(Some(Opened {
            plain: body,
            coding,
        }));
    };
    match encoding::decode(coding, &body, limit) {
        Ok((plain, coding)) => Ok(Some(Opened {
            plain: Bytes::from(plain),
            coding: Some(coding),
        })),
        Err(DecodeError::TooLarge) => Err(BodyError::TooLarge { limit }),
        Err(error @ DecodeError::Malformed) => {
            warn!(request_id = %ctx.id, ?coding, "request body left alone: {error}");
            Ok(None)
        }
    }
}

impl Opened {
    /// Puts another body in its place, in the same coding; nothing needs none.
    pub(super) fn replace(self, ctx: &mut Ctx, body: Vec<u8>) {
        let body = match self.coding {
            Some(coding) if !body.is_empty() => encoding::encode(coding, &body),
            Some(_) => {
                ctx.request.headers.remove(CONTENT_ENCODING);
                body
            }
            None => body,
        };
        ctx.set_body(memory::hold(Bytes::from(body)));
    }
}
