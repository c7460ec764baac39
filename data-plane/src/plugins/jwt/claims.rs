//! The claims that say when a token is valid.

use serde_json::{Map, Value};
use shared::plugins::{Claim, JwtConfig};

use super::token::Token;

/// Which claims are verified.
pub(super) struct Claims {
    verified: Vec<Claim>,
    /// How many seconds ahead `exp` may be.
    longest: Option<f64>,
}

impl Claims {
    pub(super) fn new(config: &JwtConfig) -> Self {
        Self {
            verified: config.claims_to_verify.clone().unwrap_or_default(),
            longest: config.maximum_expiration.filter(|longest| *longest > 0.0),
        }
    }

    /// What is wrong, by claim.
    pub(super) fn verify(&self, token: &Token<'_>, now: f64) -> Result<(), Value> {
        let mut wrong = Map::new();
        for claim in &self.verified {
            let (value, fails, text) = match claim {
                Claim::Exp => (&token.exp, is_past as fn(f64, f64) -> bool, "token expired"),
                Claim::Nbf => (&token.nbf, is_ahead as _, "token not valid yet"),
            };
            let text = match number(value) {
                None => "must be a number",
                Some(second) if fails(second, now) => text,
                Some(_) => continue,
            };
            wrong.insert(claim.as_str().to_owned(), text.into());
        }
        let too_far = |longest| number(&token.exp).is_none_or(|exp| exp - now > longest);
        if wrong.is_empty() && self.longest.is_some_and(too_far) {
            let text = "exceeds maximum allowed expiration";
            wrong.insert(Claim::Exp.as_str().to_owned(), text.into());
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Value::Object(wrong)),
        }
    }
}

fn is_past(second: f64, now: f64) -> bool {
    second <= now
}

fn is_ahead(second: f64, now: f64) -> bool {
    second > now
}

fn number(value: &Option<Value>) -> Option<f64> {
    value.as_ref()?.as_f64()
}
