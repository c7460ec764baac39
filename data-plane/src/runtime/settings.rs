//! The settings that requests read, in the form they are read in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use serde_json::Value;
use shared::schema::Document;
use shared::settings::{ErrorType, HeaderTokens, Networks, PortMaps, UntrustedLua};

use crate::carried::pool;
use crate::carried::trust::Trust;
use crate::config::Config;
use crate::lua::outbound;
use crate::proxy::error::BodyType;
use crate::proxy::memory;

/// How long a client's connection may wait for its next request.
const CLIENT_IDLE: Duration = Duration::from_secs(65);

/// Everything a request reads of the node's settings.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// `transform_max_body_size`, bytes.
    pub transform_max_body_size: usize,
    /// `response_buffer_max`, bytes.
    pub response_buffer_max: usize,
    /// `client_body_buffer_size`, bytes.
    pub client_body_buffer_size: usize,
    /// `transform_memory*` of one worker.
    pub transform_memory: memory::Limits,
    /// `untrusted_lua`: whether templates are rendered.
    pub templates: bool,
    /// `trusted_ips`.
    pub trusted_ips: Networks,
    /// How many workers there are.
    pub workers: usize,
    /// `real_ip_header`.
    pub real_ip_header: HeaderName,
    /// `real_ip_recursive`.
    pub real_ip_recursive: bool,
    /// `port_maps`.
    pub port_maps: PortMaps,
    /// `headers`.
    pub headers: HeaderTokens,
    /// `headers_upstream`: whether the upstream gets `X-Kong-Request-Id`.
    pub upstream_request_id: bool,
    /// `allow_debug_header`.
    pub allow_debug_header: bool,
    /// `error_default_type`.
    pub error_default_type: BodyType,
    /// `upstream_keepalive_*`.
    pub keepalive: pool::Limits,
    /// How long a client's connection may wait for its next request.
    pub client_idle: Duration,
    /// `lua_ssl_trusted_certificate`, read.
    pub trust: Trust,
    /// Every setting as it is shown to people, for plugins: secrets are left out.
    pub shown: Arc<Document>,
    /// `custom_plugins_egress*` and `custom_plugins_requests`.
    pub outbound: outbound::Settings,
}

impl ProxySettings {
    /// The port to tell upstreams for a listening port.
    pub fn mapped_port(&self, port: u16) -> u16 {
        self.port_maps.public(port)
    }

    /// Whether an address is in `trusted_ips`.
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_ips.contains(address)
    }

    /// What `real_ip_header` says (proxy-and-routing.md 6.1): of a list the last element, or with
    /// `real_ip_recursive` the last that is not trusted.
    pub fn real_ip(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut lines = headers
            .get_all(&self.real_ip_header)
            .iter()
            .filter_map(|line| line.to_str().ok());
        if self.real_ip_header != "x-forwarded-for" {
            return parse_address(lines.next()?);
        }
        let addresses: Vec<IpAddr> = lines
            .flat_map(|line| line.split(','))
            .map_while(parse_address)
            .collect();
        if !self.real_ip_recursive {
            return addresses.last().copied();
        }
        addresses
            .iter()
            .rev()
            .find(|ip| !self.is_trusted(**ip))
            .or(addresses.first())
            .copied()
    }
}

/// An address, with or without a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|a| a.ip()))
        .ok()
}

impl ProxySettings {
    /// Takes what requests read out of a node's settings; the files that they name are read apart.
    pub fn new(config: &Config) -> Self {
        let idle = config.upstream_keepalive_idle_timeout.0;
        Self {
            transform_max_body_size: config.transform_max_body_size.bytes(),
            response_buffer_max: config.response_buffer_max.bytes(),
            client_body_buffer_size: config.client_body_buffer_size.bytes(),
            transform_memory: memory::Limits {
                total: config.transform_memory.bytes() / config.workers.count(),
                body: config.transform_max_body_size.bytes(),
                wait: config.transform_memory_wait.0,
            },
            templates: config.untrusted_lua != UntrustedLua::Off,
            trusted_ips: config.trusted_ips.clone(),
            workers: config.workers.count(),
            real_ip_header: config.real_ip_header.clone(),
            real_ip_recursive: config.real_ip_recursive,
            port_maps: config.port_maps.clone(),
            headers: config.headers,
            upstream_request_id: config.headers_upstream.request_id,
            allow_debug_header: config.allow_debug_header,
            error_default_type: match config.error_default_type {
                ErrorType::Plain => BodyType::Plain,
                ErrorType::Html => BodyType::Html,
                ErrorType::Json => BodyType::Json,
                ErrorType::Xml => BodyType::Xml,
            },
            keepalive: pool::Limits {
                size: config.upstream_keepalive_pool_size as usize,
                max_requests: match config.upstream_keepalive_max_requests {
                    0 => u64::MAX,
                    count => count.into(),
                },
                idle_timeout: (!idle.is_zero()).then_some(idle),
            },
            client_idle: CLIENT_IDLE,
            trust: Trust::nobody(),
            shown: Arc::new(shown(config)),
            outbound: config.outbound(),
        }
    }
}

/// The settings that Kong has as lists, which are written with commas.
const LISTS: [&str; 10] = [
    "proxy_listen",
    "status_listen",
    "trusted_ips",
    "headers",
    "headers_upstream",
    "port_maps",
    "dns_resolver",
    "lua_ssl_trusted_certificate",
    "untrusted_lua_sandbox_requires",
    "untrusted_lua_sandbox_environment",
];

/// The settings, but for the word that joins.
fn shown(config: &Config) -> Document {
    let mut shown = config.shown();
    shown.remove("join");
    for name in LISTS {
        if let Some(Value::String(text)) = shown.get(name) {
            let items = text.split(',').map(str::trim);
            let items = items.filter(|item| !item.is_empty()).map(Value::from);
            let list = items.collect();
            shown.insert(name.to_owned(), Value::Array(list));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(recursive: bool) -> ProxySettings {
        ProxySettings {
            trusted_ips: Networks(vec!["10.0.0.0/8".parse().expect("a net")]),
            real_ip_header: HeaderName::from_static("x-forwarded-for"),
            real_ip_recursive: recursive,
            ..ProxySettings::new(&Config::default())
        }
    }

    #[test]
    fn the_real_address_is_the_last_or_the_last_untrusted_one() {
        let cases = [
            ("1.1.1.1, 2.2.2.2", false, Some("2.2.2.2")),
            ("1.1.1.1, 10.0.0.9", false, Some("10.0.0.9")),
            ("1.1.1.1, 10.0.0.9", true, Some("1.1.1.1")),
            ("10.0.0.8, 10.0.0.9", true, Some("10.0.0.8")),
            ("not an address", true, None),
            ("1.1.1.1:80", false, Some("1.1.1.1")),
        ];
        for (line, recursive, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", line.parse().expect("a value"));
            let expected = expected.map(|e| e.parse().expect("an address"));
            assert_eq!(
                settings(recursive).real_ip(&headers),
                expected,
                "{line} recursive={recursive}"
            );
        }
    }
}
