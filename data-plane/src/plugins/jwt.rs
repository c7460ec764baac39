//! `jwt`: identifies consumers by signed tokens (proxy-and-routing.md 10.4).
//!
//! Read [`search`] (where tokens are looked for), [`token`] (what is in one), [`verify`] (signatures), [`claims`].

use std::borrow::Cow;
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use shared::plugins::JwtConfig;

use super::identity::{self, Anonymous, Proof};
use super::{Answer, Ctx, Flow, PhaseSet, Phases, Plugin};
use crate::runtime::now;
use claims::Claims;
use search::{Search, Shown};
use token::{BadToken, Token};
use verify::Unverified;
pub use verify::Verifier;

mod claims;
mod search;
#[cfg(test)]
mod tests;
mod token;
mod verify;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// Kong's default, for a configuration that says null.
const KEY_CLAIM: &str = "iss";

/// The handler.
pub struct Handler {
    search: Search,
    key_claim: String,
    base64: bool,
    claims: Claims,
    run_on_preflight: bool,
    anonymous: Option<Anonymous>,
    /// What is asked of a client that showed no token, and of one that showed a wrong one.
    challenge: HeaderValue,
    challenge_for_another: HeaderValue,
}

/// Why a client is not let in.
#[derive(Debug, PartialEq)]
enum Refusal {
    NoToken,
    Several,
    Unrecognizable,
    Bad(BadToken),
    /// The claim that names the credential is missing.
    NoKey,
    EmptyKey,
    Unknown,
    Unverified(Unverified),
    /// What is wrong with each claim.
    Claims(Value),
}

impl Plugin for Handler {
    type Config = JwtConfig;

    fn new(config: &JwtConfig) -> Self {
        let challenge = identity::challenge("Bearer", config.realm.as_deref());
        let mut another = challenge.as_bytes().to_vec();
        another.extend_from_slice(b" error=\"invalid_token\"");
        let key_claim = config.key_claim_name.as_deref().unwrap_or(KEY_CLAIM);
        Self {
            search: Search::new(config),
            key_claim: key_claim.to_owned(),
            base64: config.secret_is_base64,
            claims: Claims::new(config),
            run_on_preflight: config.run_on_preflight,
            anonymous: config.anonymous.as_deref().map(Anonymous::new),
            challenge,
            challenge_for_another: super::transform::headers::value(&another),
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
        let preflight = !self.run_on_preflight && ctx.request.method == Method::OPTIONS;
        if preflight || identity::is_settled(&self.anonymous, ctx) {
            return Flow::Continue;
        }
        let found = self.authenticate(ctx).map(|(verifier, key)| Proof {
            credential: verifier.secret().id.uuid(),
            consumer: verifier.secret().consumer.uuid(),
            identifier: key,
        });
        identity::conclude(&self.anonymous, ctx, found, |refusal| self.refuse(refusal))
    }
}

impl Handler {
    /// The credential, and the key that the token names it by.
    fn authenticate(&self, ctx: &Ctx) -> Result<(Arc<Verifier>, String), Refusal> {
        let query = ctx.upstream_query().unwrap_or_default();
        let text = match self.search.run(&ctx.request.headers, query) {
            Shown::Nothing => return Err(Refusal::NoToken),
            Shown::Several => return Err(Refusal::Several),
            Shown::One(None) => return Err(Refusal::Unrecognizable),
            Shown::One(Some(text)) => text,
        };
        self.examine(&text, |key| ctx.runtime.jwt(key).cloned(), now())
    }

    fn examine(
        &self,
        text: &[u8],
        find: impl FnOnce(&str) -> Option<Arc<Verifier>>,
        now: i64,
    ) -> Result<(Arc<Verifier>, String), Refusal> {
        let mut token = Token::read(text, &self.key_claim).map_err(Refusal::Bad)?;
        let key = match token.key.take() {
            Some(Value::String(key)) if key.is_empty() => return Err(Refusal::EmptyKey),
            Some(Value::String(key)) => key,
            // Kong looks these up as well, and fails at it.
            Some(_) => return Err(Refusal::Unknown),
            None => return Err(Refusal::NoKey),
        };
        let verifier = find(&key).ok_or(Refusal::Unknown)?;
        let verified = verifier.verify(&token, self.base64);
        verified.map_err(Refusal::Unverified)?;
        let verified = self.claims.verify(&token, now as f64);
        verified.map_err(Refusal::Claims)?;
        Ok((verifier, key))
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        let challenge = match refusal {
            Refusal::NoToken => &self.challenge,
            _ => &self.challenge_for_another,
        };
        let claim = &self.key_claim;
        let message: Cow<str> = match refusal {
            Refusal::NoToken => "Unauthorized".into(),
            Refusal::Several => "Multiple tokens provided".into(),
            Refusal::Unrecognizable => "Unrecognizable token".into(),
            Refusal::Bad(error) => format!("Bad token; {error}").into(),
            Refusal::NoKey => format!("No mandatory '{claim}' in claims").into(),
            Refusal::EmptyKey => format!("Invalid '{claim}' in claims").into(),
            Refusal::Unknown => format!("No credentials found for given '{claim}'").into(),
            Refusal::Unverified(error) => error.to_string().into(),
            Refusal::Claims(wrong) => return unauthorized(wrong, challenge),
        };
        unauthorized(json!({ "message": message }), challenge)
    }
}

/// JSON whatever the client accepts, and without the request's id.
fn unauthorized(body: Value, challenge: &HeaderValue) -> Answer {
    Answer::exact(StatusCode::UNAUTHORIZED, JSON, body.to_string())
        .with(WWW_AUTHENTICATE, challenge.clone())
}
