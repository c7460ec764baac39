//! URLs: the `url` shorthand of a service, and texts that must be one.

use serde_json::{Map, Value};

use super::path::check_path;
use super::{Text, text_value};

/// A URL with scheme and host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

impl Text for Url {
    fn parse(text: &str) -> Result<Self, String> {
        let parts = split(text);
        if parts.host.is_none() {
            return Err("missing host in url".to_owned());
        }
        if parts.scheme.is_none() {
            return Err("missing scheme in url".to_owned());
        }
        check_path(parts.path.unwrap_or_default())?;
        Ok(Url(text.to_owned()))
    }
}

text_value!(Url);

impl std::ops::Deref for Url {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// Splits a URL into `protocol`, `host`, `port` and `path`, all present; what it does not say is null or its default.
///
/// Follows the URL parser of Kong rather than a stricter one: `h.test/p` is a bare path, so that what is missing is
/// reported field by field.
pub fn expand_url(value: &Value) -> Map<String, Value> {
    let parts = split(value.as_str().unwrap_or_default());
    let scheme = parts.scheme.unwrap_or(match parts.port {
        Some("443") => "https",
        _ => "http",
    });
    let port = match parts.port.and_then(|port| port.parse::<u32>().ok()) {
        Some(port) => port,
        None if scheme == "https" => 443,
        None => 80,
    };
    let mut fields = Map::new();
    fields.insert("protocol".to_owned(), scheme.into());
    fields.insert("host".to_owned(), parts.host.into());
    fields.insert("port".to_owned(), port.into());
    fields.insert("path".to_owned(), parts.path.into());
    fields
}

struct Parts<'a> {
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<&'a str>,
    path: Option<&'a str>,
}

fn split(url: &str) -> Parts<'_> {
    let (scheme, rest) = match url.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, url),
    };
    let (authority, rest) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, rest),
    };
    let path = &rest[..rest.find(['#', '?', ';']).unwrap_or(rest.len())];
    let authority = authority.map(|text| text.split_once('@').map_or(text, |(_, host)| host));
    let (host, port) = authority.map_or((None, None), split_port);
    Parts {
        scheme,
        host,
        port,
        path: Some(path).filter(|path| !path.is_empty()),
    }
}

fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn split_port(authority: &str) -> (Option<&str>, Option<&str>) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    (Some(bare).filter(|host| !host.is_empty()), port)
}
