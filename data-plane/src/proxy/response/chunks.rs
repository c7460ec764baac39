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

    /// What is here whole goes through at once, as one piece; the rest will as it comes.
    pub(super) fn begin(mut self, ctx: &mut Ctx, source: Source) -> Filtered {
        let source = match source {
            Source::Bytes(bytes) => Source::Bytes(self.run(ctx, bytes, true)),
            Source::Trailed {
                bytes,
                trailers,
                chunked,
            } => Source::Trailed {
                bytes: self.run(ctx, bytes, true),
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
        self.ended = true;
        let data = self.run(ctx, data, true);
        self.after = after;
        if data.is_empty() {
            return Some(Poll::Ready(self.after.take().map(Ok)));
        }
        Some(ready(data))
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
        // Without filters nothing would ask for what is kept.
        self.ended |= last;
        data
    }
}

fn ready(data: Bytes) -> Polled {
    Poll::Ready(Some(Ok(Frame::data(data))))
}
