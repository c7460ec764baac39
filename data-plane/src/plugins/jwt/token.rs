//! A token taken apart. Only the members that matter are read; the others are skipped, not kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use shared::entities::JwtAlgorithm;

use crate::plugins::base64;

/// What a token says.
#[derive(Debug)]
pub(super) struct Token<'t> {
    /// What its signature is of.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
    pub(super) algorithm: JwtAlgorithm,
    /// What names the credential: a claim, or else a member of the header.
    pub(super) key: Option<Value>,
    pub(super) exp: Option<Value>,
    pub(super) nbf: Option<Value>,
}

/// Why it cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadToken {
    #[error("invalid JSON")]
    Json,
    #[error("invalid typ")]
    Type,
    #[error("invalid alg")]
    Algorithm,
    #[error("invalid signature")]
    Signature,
}

impl<'t> Token<'t> {
    pub(super) fn read(text: &'t [u8], key_claim: &str) -> Result<Self, BadToken> {
        let dot = |from: usize| {
            let rest = text.get(from..)?;
            Some(from + rest.iter().position(|byte| *byte == b'.')?)
        };
        let first = dot(0).ok_or(BadToken::Json)?;
        let second = dot(first + 1).ok_or(BadToken::Json)?;
        let [kind, algorithm, named] = members(&text[..first], ["typ", "alg", key_claim])?;
        let [key, exp, nbf] = members(&text[first + 1..second], [key_claim, "exp", "nbf"])?;
        if kind.is_some_and(|kind| !is_jwt(&kind)) {
            return Err(BadToken::Type);
        }
        let algorithm = algorithm.as_ref().and_then(Value::as_str);
        let algorithm = algorithm.and_then(|name| name.parse().ok());
        Ok(Self {
            signed: &text[..second],
            algorithm: algorithm.ok_or(BadToken::Algorithm)?,
            signature: base64::decode_url(&text[second + 1..]).ok_or(BadToken::Signature)?,
            key: key.or(named),
            exp,
            nbf,
        })
    }
}

fn is_jwt(kind: &Value) -> bool {
    kind.as_str()
        .is_some_and(|text| text.eq_ignore_ascii_case("JWT"))
}

/// Members of a part of the token by their names; null and false are as good as absent.
fn members<const N: usize>(part: &[u8], names: [&str; N]) -> Result<[Option<Value>; N], BadToken> {
    let json = base64::decode_url(part).ok_or(BadToken::Json)?;
    let mut reader = serde_json::Deserializer::from_slice(&json);
    let read = Members(names).deserialize(&mut reader);
    let found = read.and_then(|found| reader.end().map(|()| found));
    let there = |value: Value| (!value.is_null() && value != false).then_some(value);
    found
        .map(|found| found.map(|value| value.and_then(there)))
        .map_err(|_| BadToken::Json)
}

struct Members<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Members<'_, N> {
    type Value = [Option<Value>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<Value>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [const { None }; N];
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let mut wanted = (0..N).filter(|at| self.0[*at] == name);
            let Some(place) = wanted.next() else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: Value = map.next_value()?;
            // `exp` may be the claim that names the credential, too.
            for also in wanted {
                found[also] = Some(value.clone());
            }
            found[place] = Some(value);
        }
        Ok(found)
    }
}
