//! Addresses of others: trusted networks, control planes, name servers, mapped ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::SettingValue;
use super::value::pieces;

/// Networks and addresses, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Whether one of them holds the address; an IPv4 address in IPv6 clothes counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl SettingValue for Networks {
    const HINT: &'static str = "addresses and networks such as `10.0.0.0/8, ::1`";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(pieces(text).map(network).collect::<Result<_, _>>()?))
    }

    fn render(&self) -> String {
        join(&self.0)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    if text == "unix:" {
        return Err("trusting Unix sockets is not built yet".to_owned());
    }
    let parsed = text.parse().ok();
    parsed
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .ok_or_else(|| format!("'{text}' is neither an address nor a network"))
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Where control planes are: `host:port` separated by commas. A port left out is 8005.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints(pub Vec<Endpoint>);

impl SettingValue for Endpoints {
    const HINT: &'static str = "`host:port, …`";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(pieces(text).map(endpoint).collect::<Result<_, _>>()?))
    }

    fn render(&self) -> String {
        join(&self.0)
    }
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    const SYNC_PORT: u16 = 8005;
    if text.contains("://") {
        return Err(format!("'{text}' is a URL; give `host:port` alone"));
    }
    let wrong = || format!("'{text}' is not `host:port`");
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(Endpoint {
            host: address.to_string(),
            port: SYNC_PORT,
        });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
        });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
        None => (text, SYNC_PORT),
    };
    let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_';
    if host.is_empty() || port == 0 || !host.bytes().all(of_a_name) {
        return Err(wrong());
    }
    Ok(Endpoint {
        host: host.to_owned(),
        port,
    })
}

/// Name servers by address, with a port if it is not 53. None: those of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameServers(pub Vec<SocketAddr>);

impl SettingValue for NameServers {
    const HINT: &'static str = "addresses of name servers such as `10.0.0.2, 10.0.0.3:5353`";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(
            pieces(text).map(name_server).collect::<Result<_, _>>()?,
        ))
    }

    fn render(&self) -> String {
        join(&self.0)
    }
}

fn name_server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_matches(['[', ']']).parse::<IpAddr>();
    bare.map(|address| SocketAddr::new(address, 53))
        .or_else(|_| text.parse())
        .map_err(|_| format!("'{text}' is not an address of a name server"))
}

/// The ports that clients see for the ports listened on: `80:8000, 443:8443`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortMaps(BTreeMap<u16, u16>);

impl PortMaps {
    /// The port that clients used to reach the port `listened`.
    pub fn public(&self, listened: u16) -> u16 {
        self.0.get(&listened).copied().unwrap_or(listened)
    }
}

impl SettingValue for PortMaps {
    const HINT: &'static str = "`<public port>:<listening port>, …` such as `80:8000, 443:8443`";

    fn parse(text: &str) -> Result<Self, String> {
        let pair = |piece: &str| {
            let (public, listened) = piece.split_once(':')?;
            let public = public.parse::<u16>().ok().filter(|port| *port > 0)?;
            Some((
                listened.parse::<u16>().ok().filter(|port| *port > 0)?,
                public,
            ))
        };
        let read = |piece| pair(piece).ok_or_else(|| format!("'{piece}' is not a pair of ports"));
        Ok(Self(pieces(text).map(read).collect::<Result<_, _>>()?))
    }

    fn render(&self) -> String {
        let pair = |(listened, public): (&u16, &u16)| format!("{public}:{listened}");
        self.0.iter().map(pair).collect::<Vec<_>>().join(", ")
    }
}

fn join(items: &[impl ToString]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
