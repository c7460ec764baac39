//! Names of upstreams, and where their targets are (admin-api.md 8.8).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Deref;

use super::host::{Fault, Shape, split};
use super::{Text, text_value};

/// The port of a target that gives none.
const DEFAULT_PORT: u16 = 8000;

/// What services call an upstream: a host name without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamName(String);

/// What upstreams are told is asked for: a host that may have a port, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostHeader(String);

/// Where a target is. [`fmt::Display`] gives the one spelling in which it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetAddress {
    /// The machine.
    pub host: TargetHost,
    /// The port; 8000 unless given.
    pub port: u16,
}

/// The machine of a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetHost {
    /// To be resolved.
    Name(String),
    /// As it is.
    Address(IpAddr),
}

impl Text for UpstreamName {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = match split(text) {
            Ok((Shape::Name(_), None)) => return Ok(UpstreamName(text.to_owned())),
            Ok((Shape::Name(_), Some(_))) => "no port allowed",
            Ok((Shape::Address(_), _)) => "no ip addresses allowed",
            Err(_) => "must be a valid hostname",
        };
        Err(format!("Invalid name ('{text}'); {wrong}"))
    }
}

impl Text for HostHeader {
    fn parse(text: &str) -> Result<Self, String> {
        match split(text) {
            Ok(_) => Ok(HostHeader(text.to_owned())),
            Err(Fault::Port) => Err("invalid port number".to_owned()),
            Err(Fault::Value) => Err(format!("invalid value: {text}")),
        }
    }
}

impl Text for TargetAddress {
    fn parse(text: &str) -> Result<Self, String> {
        let (shape, port) = split(text).map_err(|_| {
            format!("Invalid target ('{text}'); not a valid hostname or ip address")
        })?;
        Ok(TargetAddress {
            host: match shape {
                Shape::Name(name) => TargetHost::Name(name.to_owned()),
                Shape::Address(address) => TargetHost::Address(address),
            },
            port: port.unwrap_or(DEFAULT_PORT),
        })
    }
}

text_value!(UpstreamName, HostHeader, TargetAddress);

impl fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            TargetHost::Name(name) => write!(f, "{name}:{}", self.port),
            TargetHost::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            TargetHost::Address(IpAddr::V6(address)) => {
                write!(f, "[{}]:{}", in_full(address), self.port)
            }
        }
    }
}

impl fmt::Display for TargetHost {
    /// As Kong names the machine: an IPv6 address in brackets and in full.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetHost::Name(name) => f.write_str(name),
            TargetHost::Address(IpAddr::V4(address)) => address.fmt(f),
            TargetHost::Address(IpAddr::V6(address)) => write!(f, "[{}]", in_full(address)),
        }
    }
}

/// All eight groups of four digits: two spellings of one address are one target.
fn in_full(address: &Ipv6Addr) -> String {
    let groups = address.segments().map(|group| format!("{group:04x}"));
    groups.join(":")
}

impl Deref for UpstreamName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for HostHeader {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_one_spelling() {
        let cases = [
            ("10.0.0.1", "10.0.0.1:8000"),
            ("10.0.0.1:81", "10.0.0.1:81"),
            ("api.test", "api.test:8000"),
            ("api.test:0", "api.test:0"),
            ("api_1.test.:65535", "api_1.test.:65535"),
            ("::1", "[0000:0000:0000:0000:0000:0000:0000:0001]:8000"),
            (
                "[2001:DB8::5]:81",
                "[2001:0db8:0000:0000:0000:0000:0000:0005]:81",
            ),
        ];
        for (text, stored) in cases {
            let target = TargetAddress::parse(text).expect(text);
            assert_eq!(target.to_string(), stored);
            assert_eq!(TargetAddress::parse(stored).expect(stored), target);
        }
        for text in [
            "x y",
            "",
            "api.test:",
            "api.test:65536",
            "1.2.3",
            "[::1",
            "a..b",
            "a-.b",
        ] {
            let said = TargetAddress::parse(text).expect_err(text);
            let expected = format!("Invalid target ('{text}'); not a valid hostname or ip address");
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn an_upstream_is_named_as_a_host_without_a_port() {
        assert_eq!(
            &*UpstreamName::parse("v1.Api_x.test").expect("a name"),
            "v1.Api_x.test"
        );
        let cases = [
            ("a b", "must be a valid hostname"),
            ("10.0.0.1", "no ip addresses allowed"),
            ("::1", "no ip addresses allowed"),
            ("api.test:80", "no port allowed"),
            ("api.test:99999", "must be a valid hostname"),
        ];
        for (text, why) in cases {
            let said = UpstreamName::parse(text).expect_err(text);
            assert_eq!(said, format!("Invalid name ('{text}'); {why}"));
        }
    }

    #[test]
    fn a_host_header_may_have_a_port() {
        for text in ["api.test", "api.test:8080", "10.0.0.1:1", "[::1]:80"] {
            assert_eq!(&*HostHeader::parse(text).expect(text), text);
        }
        let cases = [
            ("a b", "invalid value: a b"),
            ("api.test:70000", "invalid port number"),
        ];
        for (text, said) in cases {
            assert_eq!(HostHeader::parse(text).expect_err(text), said);
        }
    }
}
