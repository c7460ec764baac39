//! Header names, and what a route asks of a header.

use std::ops::Deref;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer};

use super::{Text, text_value};
use crate::schema::{Described, Field};

/// A header's name as it was written: letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderName(String);

/// What one value of a header must be, regardless of case.
#[derive(Clone, Debug)]
pub enum HeaderMatch {
    /// The whole value, in lower case.
    Exact(String),
    /// Written `~*…`: occurs somewhere in the value.
    Regex(Regex),
}

impl HeaderMatch {
    /// Whether a value is what is asked for.
    pub fn is_match(&self, value: &str) -> bool {
        match self {
            HeaderMatch::Exact(text) => value.to_lowercase() == *text,
            HeaderMatch::Regex(regex) => regex.is_match(value),
        }
    }
}

pub(super) fn is_header_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Text for HeaderName {
    fn parse(text: &str) -> Result<Self, String> {
        if is_header_name(text) {
            Ok(HeaderName(text.to_owned()))
        } else {
            Err(format!(
                "bad header name '{text}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
            ))
        }
    }
}

/// A cookie's name: letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieName(String);

impl Text for CookieName {
    fn parse(text: &str) -> Result<Self, String> {
        if is_header_name(text) {
            Ok(CookieName(text.to_owned()))
        } else {
            Err(format!(
                "bad cookie name '{text}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
            ))
        }
    }
}

text_value!(HeaderName, CookieName);

impl Deref for CookieName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for HeaderName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl HeaderMatch {
    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("~*") {
            // The flag, not lower-cased source: `\S` must not become `\s`.
            Some(source) => RegexBuilder::new(source)
                .case_insensitive(true)
                .build()
                .map(HeaderMatch::Regex)
                .map_err(|error| super::path::invalid_regex(source, &error)),
            None => Ok(HeaderMatch::Exact(text.to_lowercase())),
        }
    }
}

impl<'de> Deserialize<'de> for HeaderMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        HeaderMatch::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Described for HeaderMatch {
    fn field() -> Field {
        Field::string()
            .custom(|value| HeaderMatch::parse(value.as_str().unwrap_or_default()).map(drop))
    }
}
