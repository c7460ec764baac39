//! `hmac-auth`: identifies consumers by a signature over headers of the request (proxy-and-routing.md 10.4).
//!
//! Read [`signature`] (what a client sends, and what it signs), then [`date`] (the forms of a date that Kong takes).

use std::sync::Arc;

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::LocalBoxFuture;
use http::header::{AUTHORIZATION, DATE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use shared::entities::HmacAuth;
use shared::plugins::{HmacAlgorithm, HmacAuthConfig};

use super::identity::{self, Anonymous, Proof};
use super::{Answer, Ctx, Flow, PhaseSet, Phases, Plugin};
use crate::runtime::now;
use signature::Signature;

mod date;
mod signature;
#[cfg(test)]
mod tests;

const X_DATE: HeaderName = HeaderName::from_static("x-date");
const DIGEST: HeaderName = HeaderName::from_static("digest");
/// Kong's defaults, for a configuration that says null.
const SKEW: f64 = 300.0;
const ALL: [HmacAlgorithm; 4] = [
    HmacAlgorithm::Sha1,
    HmacAlgorithm::Sha256,
    HmacAlgorithm::Sha384,
    HmacAlgorithm::Sha512,
];

/// The handler.
pub struct Handler {
    hide: bool,
    skew: f64,
    validates_body: bool,
    enforced: Vec<String>,
    algorithms: Vec<HmacAlgorithm>,
    anonymous: Option<Anonymous>,
    challenge: HeaderValue,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NothingShown,
    NoDate,
    /// There is no signature that could be compared.
    Unverifiable,
    Different,
}

impl Plugin for Handler {
    type Config = HmacAuthConfig;

    fn new(config: &HmacAuthConfig) -> Self {
        Self {
            hide: config.hide_credentials,
            skew: config.clock_skew.unwrap_or(SKEW),
            validates_body: config.validate_request_body,
            enforced: config.enforce_headers.clone().unwrap_or_default(),
            algorithms: config.algorithms.clone().unwrap_or(ALL.to_vec()),
            anonymous: config.anonymous.as_deref().map(Anonymous::new),
            challenge: identity::challenge("hmac", config.realm.as_deref()),
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
        if identity::is_settled(&self.anonymous, ctx) {
            return Flow::Continue;
        }
        if self.validates_body && !ctx.request.body.is_empty() {
            return Flow::Wait;
        }
        let found = self.authenticate(ctx).and_then(|credential| {
            let whole = !self.validates_body || has_digest(&ctx.request.headers, b"");
            whole.then_some(credential).ok_or(Refusal::Different)
        });
        self.conclude(ctx, found)
    }

    fn access_wait<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(async {
            let mut found = self.authenticate(ctx);
            if found.is_ok() {
                match ctx.read_body(ctx.transform_limit()).await {
                    Ok(body) if has_digest(&ctx.request.headers, &body) => {}
                    Ok(_) => found = Err(Refusal::Different),
                    Err(error) => return Flow::Unread(error),
                }
            }
            self.conclude(ctx, found)
        })
    }
}

impl Handler {
    fn authenticate(&self, ctx: &mut Ctx) -> Result<Arc<HmacAuth>, Refusal> {
        let headers = &ctx.request.headers;
        if !headers.contains_key(AUTHORIZATION) && !headers.contains_key(PROXY_AUTHORIZATION) {
            return Err(Refusal::NothingShown);
        }
        if ![X_DATE, DATE]
            .iter()
            .any(|name| self.is_current(headers, name))
        {
            return Err(Refusal::NoDate);
        }
        let shown = |name: &HeaderName| headers.get(name).and_then(Signature::read);
        let (signature, place) = match shown(&PROXY_AUTHORIZATION) {
            Some(signature) => (Some(signature), PROXY_AUTHORIZATION),
            None => (shown(&AUTHORIZATION), AUTHORIZATION),
        };
        let found = signature
            .ok_or(Refusal::Unverifiable)
            .and_then(|signature| self.verify(ctx, &signature));
        if self.hide {
            ctx.request.headers.remove(place);
        }
        found
    }

    fn is_current(&self, headers: &HeaderMap, name: &HeaderName) -> bool {
        let date = headers
            .get(name)
            .and_then(|text| date::parse(text.as_bytes()));
        date.is_some_and(|date| (now() - date).abs() as f64 <= self.skew)
    }

    fn verify(&self, ctx: &Ctx, signature: &Signature<'_>) -> Result<Arc<HmacAuth>, Refusal> {
        let named = |header: &String| signature.headers().any(|name| name == header.as_bytes());
        let algorithm = signature
            .algorithm()
            .filter(|it| self.algorithms.contains(it));
        let (Some(algorithm), true) = (algorithm, self.enforced.iter().all(named)) else {
            return Err(Refusal::Unverifiable);
        };
        let credential = signature
            .username()
            .and_then(|name| ctx.runtime.hmac_auth(name));
        let credential = credential.ok_or(Refusal::Unverifiable)?;
        let secret = credential.secret.as_ref().ok_or(Refusal::Unverifiable)?;
        if signature.is_of(&ctx.request, algorithm, secret.expose().as_bytes()) {
            Ok(credential.clone())
        } else {
            Err(Refusal::Different)
        }
    }

    fn conclude(&self, ctx: &mut Ctx, found: Result<Arc<HmacAuth>, Refusal>) -> Flow {
        let found = found.map(|credential| Proof {
            credential: credential.id.uuid(),
            consumer: credential.consumer.uuid(),
            identifier: credential.username.clone(),
        });
        identity::conclude(&self.anonymous, ctx, found, |refusal| self.refuse(refusal))
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        let message = match refusal {
            Refusal::NothingShown => "Unauthorized",
            Refusal::NoDate => {
                "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"
            }
            Refusal::Unverifiable => "HMAC signature cannot be verified",
            Refusal::Different => "HMAC signature does not match",
        };
        Answer::message(StatusCode::UNAUTHORIZED, message)
            .with(WWW_AUTHENTICATE, self.challenge.clone())
    }
}

/// Whether the `Digest` header is that of the body; an empty body needs none.
fn has_digest(headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(given) = headers.get(DIGEST) else {
        return body.is_empty();
    };
    let computed = STANDARD.encode(digest(&SHA256, body));
    given.as_bytes().strip_prefix(b"SHA-256=") == Some(computed.as_bytes())
}
