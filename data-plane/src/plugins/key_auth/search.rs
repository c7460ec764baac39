//! Where a key is looked for: per name in the header, then the query, then the body.

use std::borrow::Cow;

use http::HeaderMap;

use super::{Refusal, body};
use crate::plugins::transform::args::{self, Arg};
use crate::plugins::transform::headers::Name;

/// Where to look.
pub(super) struct Search {
    pub(super) names: Vec<Sought>,
    pub(super) header: bool,
    pub(super) query: bool,
    pub(super) body: bool,
}

/// A name a key may have.
pub(super) struct Sought {
    pub(super) text: String,
    pub(super) header: Name,
}

/// What stands under a name in one place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Nothing,
    Text(Cow<'a, [u8]>),
    /// More than one value.
    Several,
    /// A value that is no text. It is no key, but further places are not looked at.
    Other,
}

impl Sought {
    pub(super) fn new(text: &str) -> Option<Self> {
        Some(Self {
            text: text.to_owned(),
            header: Name::lenient(text)?,
        })
    }
}

impl<'a> Found<'a> {
    /// What several values under one name amount to.
    pub(super) fn of(mut values: impl Iterator<Item = Found<'a>>) -> Self {
        match (values.next(), values.next()) {
            (None, _) => Found::Nothing,
            (Some(one), None) => one,
            _ => Found::Several,
        }
    }

    pub(super) fn argument(value: Arg<'a>) -> Self {
        match value {
            Arg::Flag => Found::Other,
            Arg::Text(text) => Found::Text(text),
        }
    }

    fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        if self == Found::Nothing { next() } else { self }
    }
}

impl Search {
    /// The first key, and under which name it was. `body` is given if it was read.
    pub(super) fn run(
        &self,
        headers: &HeaderMap,
        query: &str,
        body: Option<&[u8]>,
    ) -> Result<(&Sought, Vec<u8>), Refusal> {
        for sought in &self.names {
            let found = self
                .in_header(sought, headers)
                .or_else(|| self.in_query(sought, query))
                .or_else(|| match body.filter(|_| self.body) {
                    Some(text) => body::find(headers, text, sought.text.as_bytes()),
                    None => Found::Nothing,
                });
            match found {
                // An empty key is none, and still keeps the later places from being looked at.
                Found::Text(key) if !key.is_empty() => return Ok((sought, key.into_owned())),
                Found::Several => return Err(Refusal::Duplicate),
                _ => {}
            }
        }
        Err(Refusal::NoKey)
    }

    fn in_header<'a>(&self, sought: &Sought, headers: &'a HeaderMap) -> Found<'a> {
        if !self.header {
            return Found::Nothing;
        }
        let values = sought.header.values(headers);
        Found::of(values.map(|value| Found::Text(Cow::Borrowed(value.as_bytes()))))
    }

    fn in_query<'a>(&self, sought: &Sought, query: &'a str) -> Found<'a> {
        if !self.query {
            return Found::Nothing;
        }
        Found::of(args::values(query.as_bytes(), sought.text.as_bytes()).map(Found::argument))
    }
}
