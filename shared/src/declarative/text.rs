//! From text to a value: JSON, else YAML.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Options;
use serde_saphyr::options::DuplicateKeyPolicy;

/// What a declarative file is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

/// A text that is neither JSON nor YAML, or not an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong; names line and column if they are known.
    pub message: String,
    /// Line and column, both from 1.
    pub at: Option<(u64, u64)>,
}

/// Reads a declarative text: JSON, else YAML (admin-api.md 12.1). Numbers of JSON keep their text.
///
/// # Errors
/// Where the text stops being YAML, or that it is no object.
pub fn parse(text: &str) -> Result<Map<String, Value>, ParseError> {
    let parsed = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        // What begins as an object is JSON to whoever wrote it, unless YAML's flow style makes sense of it.
        Err(json) => match serde_saphyr::from_str_with_options::<Plain>(text, options()) {
            Ok(Plain(value)) => value,
            Err(_) if text.trim_start().starts_with('{') => return Err(of_json(&json)),
            Err(error) => return Err(of_yaml(&error)),
        },
    };
    match parsed {
        Value::Object(members) => Ok(members),
        _ => Err(ParseError {
            message: "expected an object".to_owned(),
            at: None,
        }),
    }
}

/// Room for a hundred thousand entities, and none for texts that grow when they are read.
pub(super) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 50_000_000,
            max_nodes: 25_000_000,
            max_total_scalar_bytes: 1 << 30,
            max_documents: 1,
        },
        with_snippet: false,
    }
}

/// As [`options`], for a text that was read already: JSON may name a member twice, and the last one counts.
pub(super) fn lenient_options() -> Options {
    let mut options = options();
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    options
}

fn of_json(error: &serde_json::Error) -> ParseError {
    ParseError {
        message: error.to_string(),
        at: Some((error.line() as u64, error.column() as u64)),
    }
}

fn of_yaml(error: &serde_saphyr::Error) -> ParseError {
    let at = error.location().map(|at| (at.line(), at.column()));
    // The first line says what is wrong; an excerpt may hold a secret.
    let rendered = error.without_snippet().to_string();
    let message = rendered
        .lines()
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    ParseError {
        message,
        at: at.filter(|(line, _)| *line > 0),
    }
}

/// A value as YAML gives it. Not `Value`'s own reader, which takes a certain member name for a number.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Plain)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        number(&value.to_string())
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        number(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Plain(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let Plain(value) = members.next_value()?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

/// Digits beyond 64 bits stay digits.
fn number<E: Error>(digits: &str) -> Result<Value, E> {
    serde_json::from_str::<Number>(digits)
        .map(Value::Number)
        .map_err(E::custom)
}
