//! Bodies that plugins want piece by piece: each piece goes through them as it streams.

use bytes::Bytes;
use http_body::Frame;
use smallvec::SmallVec;

use super::{Filtered, Polled, Source, Wanting};
use crate::plugins::Chosen;
use crate::proxy::ctx::Ctx;
use std::task::Poll;

/// The filters of one body, in order.
#[derive(Default)]
pub(super) struct Chunks {
    filters: SmallVec<[Chosen; 2]>,
    /// They have had the last piece.
    ended: bool,
    /// Trailers that wait until the last piece is out.
    after: Option<Frame<Bytes>>,
}

impl Chunks {
    pub(super) fn new(wanting: Vec<Wanting>) -> Self {
        Self {
            filters: wanting.into_iter().map(|(chosen, _)| chosen).collect(),
            ..Self::default()
        }
    }

    /// Whether pieces may pass it by.
    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.after.is_none()
    }

    /// Whether nothing more comes of them once the source has ended.
    pub(super) fn is_done(&self) -> bool {
        self.is_empty() || self.ended && self.after.is_none()
    }

    /// What is here whole goes through at once; the rest will as it comes.
    pub(super) fn begin(mut self, ctx: &mut Ctx, source: Source) -> Filtered {
        let source = match source {
            Source::Bytes(bytes) => Source::Bytes(self.end(ctx, bytes)),
            Source::Trailed {
                bytes,
                trailers,
                chunked,
            } => Source::Trailed {
                bytes: self.end(ctx, bytes),
                trailers,
                chunked,
            },
            streaming @ Source::Upstream { .. } => {
                return Filtered {
                    source: streaming,
                    chunks: self,
                };
            }
        };
        Filtered {
            source,
            chunks: Self::default(),
        }
    }

    /// What becomes of what the source gave; `None` if nothing of it is left to send. `last` is whether the source has
    /// ended with it.
    pub(super) fn filter(&mut self, ctx: &mut Ctx, polled: Polled, last: bool) -> Option<Polled> {
        let (data, after) = match polled {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if last => (data, None),
                Ok(data) => {
                    let data = self.run(ctx, data, false);
                    return (!data.is_empty()).then(|| ready(data));
                }
                Err(trailers) => (Bytes::new(), Some(trailers)),
            },
            Poll::Ready(None) if !self.ended => (Bytes::new(), None),
            Poll::Ready(None) => return Some(Poll::Ready(self.after.take().map(Ok))),
            other => return Some(other),
        };
        let data = self.end(ctx, data);
        self.after = after;
        if data.is_empty() {
            return Some(Poll::Ready(self.after.take().map(Ok)));
        }
        Some(ready(data))
    }

    /// The last of a body. Filters get its end by itself, behind all that is in it, as they do in Kong: many keep every piece
    /// that is not the end, and give out what they have kept in place of the end.
    pub(super) fn end(&mut self, ctx: &mut Ctx, data: Bytes) -> Bytes {
        let before = match data.is_empty() {
            true => data,
            false => self.run(ctx, data, false),
        };
        let rest = self.run(ctx, Bytes::new(), true);
        // Without filters nothing would ask for what is kept.
        self.ended = true;
        joined(before, rest)
    }

    /// One piece through all filters. One that fails is not asked again for this body.
    fn run(&mut self, ctx: &mut Ctx, mut data: Bytes, last: bool) -> Bytes {
        let runtime = ctx.runtime.clone();
        self.filters.retain(|chosen| {
            let instance = &runtime.plugins.instances[*chosen as usize];
            let Some(handler) = &instance.handler else {
                return false;
            };
            match handler.chunk(ctx, data.clone(), last) {
                Ok(changed) => {
                    data = changed;
                    true
                }
                Err(error) => {
                    tracing::error!(request_id = %ctx.id, "[{}] {error}", instance.label);
                    false
                }
            }
        });
        data
    }
}

/// One text of two; mostly one of them is empty.
fn joined(before: Bytes, rest: Bytes) -> Bytes {
    match (before.is_empty(), rest.is_empty()) {
        (_, true) => before,
        (true, false) => rest,
        (false, false) => [before, rest].concat().into(),
    }
}

fn ready(data: Bytes) -> Polled {
    Poll::Ready(Some(Ok(Frame::data(data))))
}
