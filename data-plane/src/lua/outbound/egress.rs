//! Where plugins may connect to (custom-plugins.md 5.1): judged by the address that a connection is made to, so that no
//! name can lead elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use shared::settings::{EgressRule, SettingValue, Words};

/// Hosts and networks that plugins may connect to in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Network(IpNet),
    /// In small letters.
    Host(String),
    /// What stands behind `*.`.
    Under(String),
}

impl Entry {
    fn parse(text: &str) -> Result<Self, String> {
        let bare = text.trim_matches(['[', ']']);
        if let Ok(network) = bare.parse() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let name = text.to_ascii_lowercase();
        let plain = |name: &str| {
            let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            !name.is_empty() && name.bytes().all(of_a_name)
        };
        match name.strip_prefix("*.") {
            Some(under) if plain(under) => Ok(Self::Under(under.to_owned())),
            None if plain(&name) => Ok(Self::Host(name)),
            _ => Err(format!(
                "'{text}' is neither a host, nor `*.` and a domain, nor an address, nor a network"
            )),
        }
    }

    fn render(&self) -> String {
        match self {
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().to_string()
            }
            Self::Network(network) => network.to_string(),
            Self::Host(name) => name.clone(),
            Self::Under(name) => format!("*.{name}"),
        }
    }

    fn admits(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::Network(network) => network.contains(&address),
            Self::Host(name) => name == host,
            Self::Under(domain) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|front| front.ends_with('.') && front.len() > 1),
        }
    }
}

impl SettingValue for Allowed {
    const HINT: &'static str =
        "hosts and networks such as `api.example.com, *.example.org, 10.1.0.0/16`";

    fn parse(text: &str) -> Result<Self, String> {
        let Words(words) = Words::parse(text)?;
        let entries = words.iter().map(|word| Entry::parse(word));
        Ok(Self(entries.collect::<Result<_, _>>()?))
    }

    fn render(&self) -> String {
        let entries: Vec<_> = self.0.iter().map(Entry::render).collect();
        entries.join(", ")
    }
}

/// `custom_plugins_egress` and `custom_plugins_egress_allow`.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// For all plugins; `None`: everywhere for those of the node's folder, `deny-private` for those that came with the
    /// configuration.
    pub rule: Option<EgressRule>,
    /// Allowed in any case.
    pub allowed: Allowed,
}

impl Egress {
    /// Whether a plugin may connect to this address, which `host` led to.
    ///
    /// # Errors
    /// A text that names the address and the setting.
    pub fn check(&self, trusted: bool, host: &str, address: IpAddr) -> Result<(), String> {
        let rule = self.rule.unwrap_or(match trusted {
            true => EgressRule::Any,
            false => EgressRule::DenyPrivate,
        });
        let real = real(address);
        let admitted = match rule {
            EgressRule::Any => true,
            EgressRule::DenyPrivate => !is_private(real),
            EgressRule::Allowlist => false,
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if admitted || self.allowed.0.iter().any(|entry| entry.admits(&host, real)) {
            return Ok(());
        }
        Err(format!(
            "connection to {address} refused by 'custom_plugins_egress' ({})",
            rule.render()
        ))
    }
}

impl Egress {
    /// Whether a plugin may connect to a local socket at this path.
    ///
    /// # Errors
    /// A text that names the path and why not.
    pub fn check_path(&self, trusted: bool, path: &str) -> Result<(), String> {
        let rule = self.rule.unwrap_or(EgressRule::Any);
        if trusted && rule == EgressRule::Any {
            return Ok(());
        }
        Err(match trusted {
            true => format!(
                "connection to unix:{path} refused by 'custom_plugins_egress' ({})",
                rule.render()
            ),
            false => format!(
                "connection to unix:{path} refused: plugins that came with the configuration have no file system"
            ),
        })
    }
}

/// The IPv4 address that an IPv6 one stands for, if it does.
fn real(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    let [a, b, c, d] = match v6.segments() {
        // NAT64 (RFC 6052), and addresses of the old compatible kind.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => last_four(v6),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => last_four(v6),
        // 6to4 (RFC 3056).
        [0x2002, ..] => {
            let bytes = v6.octets();
            [bytes[2], bytes[3], bytes[4], bytes[5]]
        }
        _ => return address,
    };
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

fn last_four(address: Ipv6Addr) -> [u8; 4] {
    let bytes = address.octets();
    [bytes[12], bytes[13], bytes[14], bytes[15]]
}

/// Networks that are not the internet.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || first & 0xfe00 == 0xfc00 // unique local; clouds tell their machines things at fd00:ec2::254
                || first & 0xffc0 == 0xfe80 // link-local
                || first & 0xffc0 == 0xfec0 // site-local, of old
                || v6.segments()[..2] == [0x64, 0xff9b] // NAT64 of a network's own (RFC 8215)
        }
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local() // 169.254.169.254: what most clouds tell their machines
        || address.is_broadcast()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xc0 == 64) // shared by providers and their customers (RFC 6598); Alibaba's 100.100.100.200
        || [a, b, c] == [192, 0, 0] // Oracle's 192.0.0.192
        || (a == 198 && b & 0xfe == 18) // benchmarks
        || address == Ipv4Addr::new(168, 63, 129, 16) // Azure's
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(rule: &str, allowed: &str) -> Egress {
        Egress {
            rule: SettingValue::parse(rule).expect("a rule"),
            allowed: SettingValue::parse(allowed).expect("entries"),
        }
    }

    #[test]
    fn addresses_that_are_not_the_internet_are_told_apart() {
        let private = [
            "127.0.0.1",
            "127.8.9.10",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
        ];
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "169.253.1.1",
            "192.0.2.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
            "2002:101:101::",
            "::ffff:8.8.8.8",
        ];
        let streamed = egress("", "");
        for (list, passes) in [(&private[..], false), (&public, true)] {
            for text in list {
                let address: IpAddr = text.parse().expect("an address");
                let answer = streamed.check(false, "host", address);
                assert_eq!(answer.is_ok(), passes, "{text}");
                assert_eq!(streamed.check(true, "host", address), Ok(()), "{text}");
            }
        }
    }

    #[test]
    fn the_rule_and_what_is_allowed_say_who_may_go_where() {
        let cases = [
            ("any", "", "h", "127.0.0.1", true),
            ("deny-private", "", "h", "127.0.0.1", false),
            ("deny-private", "127.0.0.0/8", "h", "127.0.0.1", true),
            ("deny-private", "127.0.0.0/8", "h", "::ffff:127.0.0.1", true),
            ("deny-private", "10.0.0.1", "h", "10.0.0.2", false),
            ("deny-private", "inner.test", "inner.test", "10.0.0.2", true),
            (
                "deny-private",
                "inner.test",
                "INNER.test.",
                "10.0.0.2",
                true,
            ),
            (
                "deny-private",
                "inner.test",
                "other.test",
                "10.0.0.2",
                false,
            ),
            ("allowlist", "", "h", "1.1.1.1", false),
            ("allowlist", "1.1.1.0/24", "h", "1.1.1.1", true),
            ("allowlist", "api.test", "api.test", "1.1.1.1", true),
            ("allowlist", "api.test", "an.api.test", "1.1.1.1", false),
            ("allowlist", "*.api.test", "an.api.test", "1.1.1.1", true),
            ("allowlist", "*.api.test", "a.b.api.test", "1.1.1.1", true),
            ("allowlist", "*.api.test", "api.test", "1.1.1.1", false),
            ("allowlist", "*.api.test", ".api.test", "1.1.1.1", false),
            ("allowlist", "*.api.test", "myapi.test", "1.1.1.1", false),
        ];
        for (rule, allowed, host, address, passes) in cases {
            let egress = egress(rule, allowed);
            let address = address.parse().expect("an address");
            for trusted in [false, true] {
                let answer = egress.check(trusted, host, address);
                assert_eq!(answer.is_ok(), passes, "{rule} {allowed} {host} {address}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_address_and_the_setting() {
        let answer = egress("", "").check(false, "h", "10.0.0.1".parse().expect("an address"));
        assert_eq!(
            answer.expect_err("refused"),
            "connection to 10.0.0.1 refused by 'custom_plugins_egress' (deny-private)"
        );
    }

    #[test]
    fn local_sockets_are_for_plugins_of_the_node() {
        for (rule, trusted, expected) in [
            ("", true, Ok(())),
            ("any", true, Ok(())),
            (
                "deny-private",
                true,
                Err("refused by 'custom_plugins_egress' (deny-private)"),
            ),
            (
                "allowlist",
                true,
                Err("refused by 'custom_plugins_egress' (allowlist)"),
            ),
            (
                "any",
                false,
                Err("refused: plugins that came with the configuration have no file system"),
            ),
        ] {
            let answer = egress(rule, "").check_path(trusted, "/s");
            let expected = expected.map_err(|why| format!("connection to unix:/s {why}"));
            assert_eq!(answer, expected, "{rule} {trusted}");
        }
    }

    #[test]
    fn entries_read_back_and_what_is_none_is_named() {
        let text = "api.test, *.x.test, 10.0.0.0/8, 10.0.0.1, ::1, fd00::/8";
        assert_eq!(egress("", text).allowed.render(), text);
        for wrong in ["https://x", "a b", "*", "*.", "x/8", "**.x"] {
            let error = Allowed::parse(wrong).expect_err(wrong);
            assert!(
                error.starts_with(&format!("'{wrong}' is neither a host")),
                "{error}"
            );
        }
    }
}
