//! `key-auth`: identifies consumers by a key in a header, the query or the body (proxy-and-routing.md 10.4).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use shared::entities::{Consumer, KeyAuth};
use shared::plugins::KeyAuthConfig;
use tracing::{error, warn};
use uuid::Uuid;

use super::transform::args;
use super::transform::content_type;
use super::transform::headers::{self, value as header_value};
use super::{Answer, Ctx, Flow, PhaseSet, Phases, Plugin};
use crate::proxy::body::BodyError;
use crate::proxy::ctx::Credential;
use search::{Search, Sought};

mod body;
mod search;
#[cfg(test)]
mod tests;

const CONSUMER_ID: HeaderName = HeaderName::from_static("x-consumer-id");
const CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
const CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
const CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");
const ANONYMOUS: HeaderName = HeaderName::from_static("x-anonymous-consumer");

/// The handler.
pub struct Handler {
    search: Search,
    hide: bool,
    run_on_preflight: bool,
    anonymous: Option<Anonymous>,
    challenge: HeaderValue,
}

/// Who stands for clients without a valid key: an id or a username.
struct Anonymous {
    text: String,
    id: Option<Uuid>,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoKey,
    Duplicate,
    Unknown,
    /// The body is too long to hide a key in it.
    TooLarge,
}

impl Plugin for Handler {
    type Config = KeyAuthConfig;

    fn new(config: &KeyAuthConfig) -> Self {
        let challenge = match &config.realm {
            Some(realm) => format!("Key realm=\"{realm}\""),
            None => "Key".to_owned(),
        };
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
            anonymous: config.anonymous.as_ref().map(|text| Anonymous {
                text: text.clone(),
                id: text.parse().ok(),
            }),
            challenge: headers::value(challenge.as_bytes()),
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
                Err(BodyError::TooLarge { .. }) if self.hide => Err(Refusal::TooLarge),
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
            || (self.anonymous.is_some() && ctx.credential.is_some())
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
        match (found, &self.anonymous) {
            (Ok(credential), _) => admit(ctx, &credential),
            (Err(Refusal::TooLarge), _) => {
                Answer::message(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large").into()
            }
            (Err(_), Some(anonymous)) => anonymous.admit(ctx),
            (Err(refusal), None) => self.refuse(refusal).into(),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        let message = match refusal {
            Refusal::NoKey => "No API key found in request",
            Refusal::Duplicate => "Duplicate API key found",
            Refusal::Unknown | Refusal::TooLarge => "Unauthorized",
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

fn admit(ctx: &mut Ctx, credential: &KeyAuth) -> Flow {
    let Some(consumer) = ctx.runtime.consumer(&credential.consumer.uuid()).cloned() else {
        return Flow::Fail(format!(
            "credential {} has no consumer",
            credential.id.uuid()
        ));
    };
    let id = credential.id.uuid();
    identify(&mut ctx.request.headers, &consumer, Some(id));
    ctx.consumer = Some(consumer);
    ctx.credential = Some(Credential {
        id,
        identifier: id.to_string(),
    });
    Flow::Continue
}

impl Anonymous {
    fn admit(&self, ctx: &mut Ctx) -> Flow {
        let by_id = self.id.and_then(|id| ctx.runtime.consumer(&id));
        let found = by_id
            .or_else(|| ctx.runtime.consumer_by_username(&self.text))
            .cloned();
        let Some(consumer) = found else {
            let message = format!(
                "anonymous consumer {} is configured but doesn't exist",
                self.text
            );
            error!("key-auth: {message}");
            return Answer::message(StatusCode::INTERNAL_SERVER_ERROR, message).into();
        };
        identify(&mut ctx.request.headers, &consumer, None);
        ctx.consumer = Some(consumer);
        ctx.credential = None;
        Flow::Continue
    }
}

/// Tells the upstream who the client is; what a client claims about itself goes.
fn identify(headers: &mut HeaderMap, consumer: &Consumer, credential: Option<Uuid>) {
    for claimed in [
        CONSUMER_ID,
        CONSUMER_CUSTOM_ID,
        CONSUMER_USERNAME,
        CREDENTIAL_IDENTIFIER,
        ANONYMOUS,
    ] {
        headers.remove(claimed);
    }
    // Only now: a removal moves the last header into the gap, and these keep their order.
    let mut set = |name: HeaderName, value: Option<String>| {
        if let Some(value) = value {
            let _ = headers.try_insert(name, header_value(value.as_bytes()));
        }
    };
    set(CONSUMER_ID, Some(consumer.id.uuid().to_string()));
    set(CONSUMER_CUSTOM_ID, consumer.custom_id.clone());
    set(CONSUMER_USERNAME, consumer.username.clone());
    set(CREDENTIAL_IDENTIFIER, credential.map(|id| id.to_string()));
    set(ANONYMOUS, credential.is_none().then(|| "true".to_owned()));
}
