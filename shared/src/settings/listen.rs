//! Addresses to listen on, in Kong's syntax.

use std::net::SocketAddr;

use super::SettingValue;
use super::value::pieces;

/// One listener: an address and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where; port 0 lets the system choose.
    pub address: SocketAddr,
    /// TLS (`ssl`).
    pub tls: bool,
    /// HTTP/2 beside HTTP/1.1 (`http2`).
    pub http2: bool,
    /// How many connections may wait to be accepted (`backlog=16384`).
    pub backlog: Option<u32>,
    /// Whether an IPv6 listener leaves IPv4 alone (`ipv6only=off`); `None` is Kong's default, on.
    pub ipv6only: Option<bool>,
}

/// Listeners separated by commas, or `off`: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners(pub Vec<Listen>);

impl SettingValue for Listeners {
    const HINT: &'static str =
        "`off`, or `<ip>:<port> [ssl] [http2] [reuseport] [backlog=<n>] [ipv6only=on|off], …`";

    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::default());
        }
        let listeners = pieces(text)
            .map(Listen::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if listeners.is_empty() {
            return Err(String::new());
        }
        Ok(Self(listeners))
    }

    fn render(&self) -> String {
        if self.0.is_empty() {
            return "off".to_owned();
        }
        self.0
            .iter()
            .map(Listen::render)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Listen {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_ascii_whitespace();
        let address = address(words.next().unwrap_or_default())?;
        let mut listen = Self {
            address,
            tls: false,
            http2: false,
            backlog: None,
            ipv6only: None,
        };
        for word in words {
            listen.option(word)?;
        }
        Ok(listen)
    }

    fn option(&mut self, word: &str) -> Result<(), String> {
        match word.split_once('=').unwrap_or((word, "")) {
            ("ssl", "") => self.tls = true,
            ("http2", "") => self.http2 = true,
            // Every worker has a listener of its own, and every listener is bound: both are always so.
            ("reuseport" | "bind", "") => {}
            ("backlog", count) => {
                let count = count
                    .parse()
                    .map_err(|_| format!("'{word}' needs a whole number"))?;
                self.backlog = Some(count);
            }
            ("ipv6only", value) => self.ipv6only = Some(bool::parse(value)?),
            ("proxy_protocol" | "deferred" | "so_keepalive", _) => {
                return Err(format!("the listener option '{word}' is not built yet"));
            }
            _ => return Err(format!("'{word}' is no option of a listener")),
        }
        Ok(())
    }

    fn render(&self) -> String {
        let mut text = self.address.to_string();
        let mut add = |on: bool, word: &str| {
            if on {
                text.push(' ');
                text.push_str(word);
            }
        };
        add(self.http2, "http2");
        add(self.tls, "ssl");
        if let Some(count) = self.backlog {
            add(true, &format!("backlog={count}"));
        }
        if let Some(only) = self.ipv6only {
            add(true, &format!("ipv6only={}", only.render()));
        }
        text
    }
}

/// Addresses without options, separated by commas, or `off`: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(pub Vec<SocketAddr>);

impl SettingValue for Addresses {
    const HINT: &'static str = "`off`, or `<ip>:<port>, …`";

    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::default());
        }
        let addresses = pieces(text).map(address).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(String::new());
        }
        Ok(Self(addresses))
    }

    fn render(&self) -> String {
        if self.0.is_empty() {
            return "off".to_owned();
        }
        let texts: Vec<_> = self.0.iter().map(SocketAddr::to_string).collect();
        texts.join(", ")
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if text.starts_with("unix:") {
        return Err("listening on a Unix socket is not built yet".to_owned());
    }
    text.parse()
        .map_err(|_| format!("'{text}' is not an address and port"))
}
