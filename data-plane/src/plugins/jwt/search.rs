//! Where a token is looked for: in query parameters, cookies and headers, all of them.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::COOKIE;
use shared::plugins::JwtConfig;

use crate::plugins::identity;
use crate::plugins::transform::args::{self, Arg};
use crate::plugins::transform::headers::Name;

/// Where to look.
pub(super) struct Search {
    parameters: Vec<String>,
    cookies: Vec<String>,
    headers: Vec<Name>,
}

/// What a client showed. The same token in several places is one token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    Nothing,
    /// A token; none if it is a parameter without a value.
    One(Option<Cow<'a, [u8]>>),
    Several,
}

impl<'a> Shown<'a> {
    fn add(&mut self, token: Option<Cow<'a, [u8]>>) {
        *self = match std::mem::replace(self, Shown::Several) {
            Shown::Nothing => Shown::One(token),
            Shown::One(other) if other == token => Shown::One(other),
            _ => Shown::Several,
        };
    }

    /// Empty texts are no tokens.
    fn add_text(&mut self, text: Cow<'a, [u8]>) {
        if !text.is_empty() {
            self.add(Some(text));
        }
    }
}

impl Search {
    pub(super) fn new(config: &JwtConfig) -> Self {
        let texts = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let headers = config.header_names.iter().flatten();
        Self {
            parameters: texts(&config.uri_param_names),
            cookies: texts(&config.cookie_names),
            headers: headers.filter_map(|name| Name::lenient(name)).collect(),
        }
    }

    pub(super) fn run<'a>(&self, headers: &'a HeaderMap, query: &'a str) -> Shown<'a> {
        let mut shown = Shown::Nothing;
        for name in &self.parameters {
            for value in args::values(query.as_bytes(), name.as_bytes()) {
                match value {
                    Arg::Flag => shown.add(None),
                    Arg::Text(text) => shown.add_text(text),
                }
            }
        }
        for name in &self.cookies {
            if let Some(value) = cookie(headers, name) {
                shown.add_text(Cow::Borrowed(value));
            }
        }
        for name in &self.headers {
            let first = name.values(headers).next();
            if let Some(token) = first.and_then(|value| bearer(value.as_bytes())) {
                shown.add_text(Cow::Borrowed(token));
            }
        }
        shown
    }
}

/// What stands behind `Bearer` and at least one blank.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    identity::after_scheme(header, "Bearer").find_map(|rest| {
        let token = rest.trim_ascii_start();
        (token.len() < rest.len() && !token.is_empty()).then_some(token)
    })
}

/// The first cookie of a name, in any case.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = headers.get_all(COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs
        .filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (found, value) = (&pair[..equals], &pair[equals + 1..]);
            let same = found.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            same.then_some(value.trim_ascii())
        })
        .next()
}
