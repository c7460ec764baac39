//! `key-auth`: identifies consumers by a key in a header, the query or the body (proxy-and-routing.md 10.4).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Method, StatusCode};
use shared::entities::KeyAuth;
use shared::plugins::KeyAuthConfig;
use tracing::warn;

use super::identity::{self, Anonymous, Proof};
use super::transform::{args, content_type, headers};
use super::{Answer, Ctx, Flow, PhaseSet, Phases, Plugin};
use crate::proxy::body::BodyError;
use search::{Search, Sought};

mod body;
mod search;
#[cfg(test)]
mod tests;

/// The handler.
pub struct Handler {
    search: Search,
    hide: bool,
    run_on_preflight: bool,
    anonymous: Option<Anonymous>,
    challenge: HeaderValue,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoKey,
    Duplicate,
    Unknown,
}

impl Plugin for Handler {
    type Config = KeyAuthConfig;

    fn new(config: &KeyAuthConfig) -> Self {
        Self {
            search: Search {
                names: config
                    .key_names
                    .iter()
                    .filter_map(|name| Sought::new(name))
                    .collect(),
                header: config.key_in_header,
                query: config.key_in_query,
                body: config.key_in_body,
            },
            hide: config.hide_credentials,
            run_on_preflight: config.run_on_preflight,
            anonymous: config.anonymous.as_deref().map(Anonymous::new),
            challenge: identity::challenge("Key", config.realm.as_deref()),
        }
    }
}

impl Phases for Handler {
    fn phases(&self) -> PhaseSet {
        PhaseSet {
            access: true,
            ..PhaseSet::default()
        }
    }

    fn access(&self, ctx: &mut Ctx) -> Flow {
        if self.is_excused(ctx) {
            return Flow::Continue;
        }
        if self.search.body && content_type::of_request(&ctx.request.headers).is_some() {
            return Flow::Wait;
        }
        let found = self.authenticate(ctx, None);
        self.conclude(ctx, found)
    }

    fn access_wait<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(async {
            let found = match ctx.read_body(ctx.transform_limit()).await {
                Ok(body) => self.authenticate(ctx, Some(body)),
                // Not passed on: the key may be in it, or it was the only proof that the client has.
                Err(error @ BodyError::TooLarge { .. }) if self.hide => return Flow::Unread(error),
                Err(error @ BodyError::Overloaded(_)) => return Flow::Unread(error),
                Err(error) => {
                    warn!(%error, "key-auth: no key is looked for in the body");
                    self.authenticate(ctx, None)
                }
            };
            self.conclude(ctx, found)
        })
    }
}

impl Handler {
    /// Preflight requests if configured; with `anonymous`, whoever another plugin has identified already.
    fn is_excused(&self, ctx: &Ctx) -> bool {
        (!self.run_on_preflight && ctx.request.method == Method::OPTIONS)
            || identity::is_settled(&self.anonymous, ctx)
    }

    fn authenticate(&self, ctx: &mut Ctx, body: Option<Bytes>) -> Result<Arc<KeyAuth>, Refusal> {
        let query = ctx.upstream_query().unwrap_or_default();
        let (sought, key) = self
            .search
            .run(&ctx.request.headers, query, body.as_deref())?;
        if self.hide {
            hide(ctx, sought, body);
        }
        let key = std::str::from_utf8(&key).map_err(|_| Refusal::Unknown)?;
        ctx.runtime.key_auth(key).cloned().ok_or(Refusal::Unknown)
    }

    fn conclude(&self, ctx: &mut Ctx, found: Result<Arc<KeyAuth>, Refusal>) -> Flow {
        let found = found.map(|credential| Proof {
            credential: credential.id.uuid(),
            consumer: credential.consumer.uuid(),
            identifier: credential.id.to_string(),
        });
        identity::conclude(&self.anonymous, ctx, found, |refusal| self.refuse(refusal))
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        let message = match refusal {
            Refusal::NoKey => "No API key found in request",
            Refusal::Duplicate => "Duplicate API key found",
            Refusal::Unknown => "Unauthorized",
        };
        Answer::message(StatusCode::UNAUTHORIZED, message)
            .with(WWW_AUTHENTICATE, self.challenge.clone())
    }
}

/// Takes the key away from where the upstream would see it.
fn hide(ctx: &mut Ctx, sought: &Sought, body: Option<Bytes>) {
    let name = sought.text.as_bytes();
    if let Some(query) = ctx
        .upstream_query()
        .and_then(|query| args::without(query, name))
    {
        ctx.upstream.query = Some(if query.is_empty() { None } else { Some(query) });
    }
    headers::remove(&mut ctx.request.headers, &sought.header);
    let without = body.and_then(|body| body::without(&ctx.request.headers, &body, name));
    if let Some(body) = without {
        ctx.set_body(Bytes::from(body));
    }
}
