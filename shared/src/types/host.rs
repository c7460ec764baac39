//! Host names, as services, routes and certificates use them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use super::{Text, text_value};

/// Where a service is: an address, a DNS name, or the name of an upstream. Never a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(String);

/// A host that a route answers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// The name, in lower case.
    pub name: Wildcard,
    /// The port it is limited to.
    pub port: Option<u16>,
}

/// A TLS server name that a route answers to, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sni(pub Wildcard);

/// A name with at most one open end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wildcard {
    /// The whole name.
    Exact(String),
    /// `*.x`: how the name ends, `.x`.
    Suffix(String),
    /// `x.*`: how the name begins, `x.`.
    Prefix(String),
}

impl Host {
    /// The address, if it is one; brackets around IPv6 are optional.
    pub fn address(&self) -> Option<IpAddr> {
        address(&self.0)
    }
}

impl Wildcard {
    fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        if let Some(suffix) = text.strip_prefix('*') {
            Wildcard::Suffix(suffix.to_owned())
        } else if let Some(prefix) = text.strip_suffix('*') {
            Wildcard::Prefix(prefix.to_owned())
        } else {
            Wildcard::Exact(text)
        }
    }

    /// Whether a name in lower case is meant.
    pub fn is_match(&self, name: &str) -> bool {
        match self {
            Wildcard::Exact(text) => name == text,
            Wildcard::Suffix(suffix) => name.ends_with(suffix.as_str()),
            Wildcard::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

/// What a text turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    Address(IpAddr),
    Name(&'a str),
}

/// Why it is no host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Value,
    Port,
}

/// Splits a host from its port. More than one colon is IPv6, digits and dots are IPv4, the rest is a name.
pub(super) fn split(text: &str) -> Result<(Shape<'_>, Option<u16>), Fault> {
    if text.bytes().filter(|b| *b == b':').count() > 1 {
        return split_v6(text);
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let shape = if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        host.parse::<Ipv4Addr>()
            .map(|address| Shape::Address(address.into()))
            .map_err(|_| Fault::Value)?
    } else if is_name(host) {
        Shape::Name(host)
    } else {
        return Err(Fault::Value);
    };
    Ok((shape, port.map(read_port).transpose()?))
}

fn split_v6(text: &str) -> Result<(Shape<'_>, Option<u16>), Fault> {
    let (host, port) = match text
        .strip_prefix('[')
        .map(|rest| rest.split_once(']').ok_or(Fault::Value))
    {
        Some(parts) => parts?,
        None => (text, ""),
    };
    let address: Ipv6Addr = host.parse().map_err(|_| Fault::Value)?;
    let port = match port.strip_prefix(':') {
        Some(port) => Some(read_port(port)?),
        None if port.is_empty() => None,
        None => return Err(Fault::Value),
    };
    Ok((Shape::Address(address.into()), port))
}

fn read_port(text: &str) -> Result<u16, Fault> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Value);
    }
    text.parse().map_err(|_| Fault::Port)
}

/// Letters, digits, `.`, `-`, `_`; only the last label may be empty, and none ends in a dash.
fn is_name(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let labels = text.strip_suffix('.').unwrap_or(text);
    !labels.is_empty()
        && text.bytes().all(known)
        && labels
            .split('.')
            .all(|label| !label.is_empty() && !label.ends_with('-'))
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse().ok()
}

impl Text for Host {
    fn parse(text: &str) -> Result<Self, String> {
        match split(text) {
            Ok((_, None)) => Ok(Host(text.to_owned())),
            Ok((_, Some(_))) | Err(Fault::Port) => Err("must not have a port".to_owned()),
            Err(Fault::Value) => Err(format!("invalid value: {text}")),
        }
    }
}

impl Text for HostPattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text.matches('*').count() > 1 {
            return Err("invalid wildcard: must have at most one wildcard".to_owned());
        }
        let bare = text.rsplit_once(':').map_or(text, |(bare, _)| bare);
        if text.contains('*') && !text.starts_with("*.") && !bare.ends_with(".*") {
            return Err(
                "invalid wildcard: must be placed at leftmost or rightmost label".to_owned(),
            );
        }
        let filled = text.replace('*', "wildcard");
        match split(&filled) {
            Ok((_, None)) => Ok(HostPattern {
                name: Wildcard::new(text),
                port: None,
            }),
            Ok((_, port)) => Ok(HostPattern {
                name: Wildcard::new(bare),
                port,
            }),
            Err(Fault::Port) => Err("invalid port number".to_owned()),
            Err(Fault::Value) => Err(format!("invalid value: {text}")),
        }
    }
}

impl Text for Sni {
    fn parse(text: &str) -> Result<Self, String> {
        let stars = text.matches('*').count();
        if stars > 0 && !text.starts_with('*') && !text.ends_with('*') {
            return Err("wildcard must be leftmost or rightmost character".to_owned());
        }
        if stars > 1 {
            return Err("only one wildcard must be specified".to_owned());
        }
        let filled = text.replace('*', "wildcard");
        match split(&filled) {
            Ok((Shape::Address(_), _)) => Err("must not be an IP".to_owned()),
            Ok((Shape::Name(_), None)) => {
                Ok(Sni(Wildcard::new(text.strip_suffix('.').unwrap_or(text))))
            }
            Ok((Shape::Name(_), Some(_))) | Err(Fault::Port) => {
                Err("must not have a port".to_owned())
            }
            Err(Fault::Value) => Err(format!("invalid value: {text}")),
        }
    }
}

text_value!(Host, HostPattern, Sni);

impl Deref for Host {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
