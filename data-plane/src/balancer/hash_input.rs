//! What of a request consistent hashing goes by (proxy-and-routing.md 9.4).

use std::borrow::Cow;

use http::header::COOKIE;
use http::{HeaderName, HeaderValue};
use shared::entities::Upstream;
use shared::types::HashInput;
use uuid::Uuid;

use super::xxhash::xxh32;
use crate::proxy::ctx::Ctx;

/// `hash_on` and `hash_fallback` of an upstream, ready to be read from requests.
#[derive(Debug)]
pub struct Inputs {
    first: Input,
    fallback: Input,
}

/// One thing to go by.
#[derive(Debug)]
enum Input {
    Nothing,
    Consumer,
    Ip,
    Header(HeaderName),
    Cookie { name: Box<str>, path: Box<str> },
    Path,
    QueryArg(Box<str>),
    UriCapture(Box<str>),
}

/// The hash of a request.
#[derive(Debug, Default)]
pub struct Hashed {
    /// The hash.
    pub hash: u32,
    /// The cookie that the client is to bring from now on.
    pub cookie: Option<HeaderValue>,
}

impl Inputs {
    /// What an upstream goes by.
    pub fn of(upstream: &Upstream) -> Self {
        let header = |name: &Option<_>| {
            name.as_deref()
                .and_then(|name: &str| HeaderName::from_bytes(name.as_bytes()).ok())
        };
        let text = |text: &Option<String>| text.as_deref().map(Box::from);
        let input = |on: Option<HashInput>, header, query_arg, uri_capture| {
            let input = match on.unwrap_or_default() {
                HashInput::None => None,
                HashInput::Consumer => Some(Input::Consumer),
                HashInput::Ip => Some(Input::Ip),
                HashInput::Path => Some(Input::Path),
                HashInput::Header => Option::map(header, Input::Header),
                HashInput::QueryArg => Option::map(query_arg, Input::QueryArg),
                HashInput::UriCapture => Option::map(uri_capture, Input::UriCapture),
                HashInput::Cookie => upstream.hash_on_cookie.as_ref().map(|name| Input::Cookie {
                    name: (**name).into(),
                    path: upstream
                        .hash_on_cookie_path
                        .as_ref()
                        .map_or("/", |path| path)
                        .into(),
                }),
            };
            input.unwrap_or(Input::Nothing)
        };
        Self {
            first: input(
                upstream.hash_on,
                header(
                    &upstream
                        .hash_on_header
                        .as_ref()
                        .map(|name| name.to_string()),
                ),
                text(&upstream.hash_on_query_arg),
                text(&upstream.hash_on_uri_capture),
            ),
            fallback: input(
                upstream.hash_fallback,
                header(
                    &upstream
                        .hash_fallback_header
                        .as_ref()
                        .map(|name| name.to_string()),
                ),
                text(&upstream.hash_fallback_query_arg),
                text(&upstream.hash_fallback_uri_capture),
            ),
        }
    }

    /// The hash of a request. One that has nothing to go by gets that of the empty text: always the same target.
    pub fn hash(&self, ctx: &Ctx) -> Hashed {
        for input in [&self.first, &self.fallback] {
            if let Some(value) = input.value(ctx) {
                return Hashed {
                    hash: xxh32(value.as_bytes()),
                    cookie: None,
                };
            }
            if let Input::Cookie { name, path } = input {
                let value = Uuid::new_v4().to_string();
                let cookie = format!("{name}={value}; Path={path}; Same-Site=Lax; HttpOnly");
                return Hashed {
                    hash: xxh32(value.as_bytes()),
                    cookie: HeaderValue::try_from(cookie).ok(),
                };
            }
        }
        Hashed {
            hash: xxh32(b""),
            cookie: None,
        }
    }
}

impl Input {
    fn value<'c>(&self, ctx: &'c Ctx) -> Option<Cow<'c, str>> {
        let request = &ctx.request;
        match self {
            Input::Nothing => None,
            Input::Consumer => {
                let consumer = ctx.consumer.as_ref().map(|consumer| consumer.id.uuid());
                let id =
                    consumer.or_else(|| ctx.credential.as_ref().map(|credential| credential.id));
                id.map(|id| id.to_string().into())
            }
            Input::Ip => Some(ctx.client_ip().to_string().into()),
            Input::Path => Some(request.path.as_str().into()),
            Input::Header(name) => joined(request.headers.get_all(name).iter()),
            Input::Cookie { name, .. } => cookie(request.headers.get_all(COOKIE).iter(), name),
            Input::QueryArg(name) => query_arg(request.query()?, name),
            Input::UriCapture(name) => {
                let captures = ctx.captures.as_ref()?;
                captures.name(name, &request.path).map(Cow::Borrowed)
            }
        }
    }
}

/// Every line of a header, joined.
fn joined<'h>(mut values: impl Iterator<Item = &'h HeaderValue>) -> Option<Cow<'h, str>> {
    let first = String::from_utf8_lossy(values.next()?.as_bytes());
    Some(values.fold(first, |joined, value| {
        joined + String::from_utf8_lossy(value.as_bytes())
    }))
}

fn cookie<'h>(lines: impl Iterator<Item = &'h HeaderValue>, wanted: &str) -> Option<Cow<'h, str>> {
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = named.find(|(name, value)| *name == wanted && !value.is_empty())?;
    Some(value.into())
}

/// The values of an argument, sorted and joined by commas; one without `=` is `true`.
fn query_arg<'q>(query: &'q str, wanted: &str) -> Option<Cow<'q, str>> {
    let values = query.split('&').filter_map(|pair| {
        let (name, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
        match pair.contains('=') {
            true => Some((name, value)),
            false => Some((name, Cow::Borrowed("true"))),
        }
    });
    let mut values: Vec<_> = values
        .filter(|(name, _)| name == wanted)
        .map(|(_, value)| value)
        .collect();
    values.sort_unstable();
    match values.len() {
        0 => None,
        1 => values.pop(),
        _ => Some(values.join(",").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_sorted_and_joined() {
        let cases = [
            ("a=1", Some("1")),
            ("b=1&a=z&a=b%20c&a=a+a", Some("a a,b c,z")),
            ("a", Some("true")),
            ("a=", Some("")),
            ("a&a=1", Some("1,true")),
            ("A=1&aa=2", None),
            ("", None),
            ("%61=1", Some("1")),
        ];
        for (query, expected) in cases {
            assert_eq!(query_arg(query, "a").as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn cookies_are_found_among_others() {
        let lines = ["x=1; ck=one", "ck=two"].map(HeaderValue::from_static);
        assert_eq!(cookie(lines.iter(), "ck").as_deref(), Some("one"));
        assert_eq!(cookie(lines.iter(), "x").as_deref(), Some("1"));
        assert_eq!(cookie(lines.iter(), "c"), None);
        let empty = [HeaderValue::from_static("ck=")];
        assert_eq!(cookie(empty.iter(), "ck"), None, "an empty one is none");
    }

    #[test]
    fn the_lines_of_a_header_are_joined() {
        let lines = ["a", "b"].map(HeaderValue::from_static);
        assert_eq!(joined(lines.iter()).as_deref(), Some("ab"));
        assert_eq!(joined([].iter()), None);
    }
}
