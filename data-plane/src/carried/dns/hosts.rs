//! The hosts file.

use super::Kind;
use super::addresses::{Answer, Target};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// The names that need no server.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    names: HashMap<Box<str>, Answer>,
    /// `localhost` and what is under it (RFC 6761 6.3), whatever the file says.
    local: Option<Answer>,
}

impl Hosts {
    /// Reads the file; without one there is `localhost` alone.
    pub(super) fn read(file: &Path, order: &[Kind]) -> Hosts {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| {
            tracing::warn!(file = %file.display(), %error, "cannot read the hosts file");
            String::new()
        });
        Hosts::parse(&text, order)
    }

    fn parse(text: &str, order: &[Kind]) -> Hosts {
        let mut found: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse().ok()) else {
                continue;
            };
            for name in words {
                let addresses = found.entry(name.to_ascii_lowercase()).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        let names = found
            .into_iter()
            .filter_map(|(name, addresses)| Some((name.into(), answer(addresses, order)?)));
        Hosts {
            names: names.collect(),
            local: answer(vec![Ipv4Addr::LOCALHOST.into()], order),
        }
    }

    /// `name` must be in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&Answer> {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.names
            .get(name)
            .or_else(|| self.local.as_ref().filter(|_| is_local(name)))
    }
}

fn is_local(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Addresses of one family: of IPv6 if AAAA comes before A in the order, or if there are no others.
fn answer(addresses: Vec<IpAddr>, order: &[Kind]) -> Option<Answer> {
    let first = order
        .iter()
        .find(|kind| matches!(kind, Kind::A | Kind::Aaaa));
    let (six, four): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let (kind, addresses) = match first {
        _ if four.is_empty() => (Kind::Aaaa, six),
        Some(Kind::Aaaa) if !six.is_empty() => (Kind::Aaaa, six),
        _ => (Kind::A, four),
    };
    Answer::new(
        kind,
        addresses
            .into_iter()
            .map(|ip| Target { ip, port: None })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
        127.0.0.1  localhost   # comment
        # 10.0.0.9 commented
        10.0.0.1 A.test a
        10.0.0.2\ta.test
        10.0.0.2 a.test
        ::1 localhost six.test
        fe80::1 a.test
        nonsense b.test
        10.0.0.3
    ";

    fn addresses(hosts: &Hosts, name: &str) -> Option<Vec<String>> {
        let answer = hosts.get(name)?;
        Some(
            answer
                .targets
                .iter()
                .map(|target| target.ip.to_string())
                .collect(),
        )
    }

    #[test]
    fn names_and_aliases_lead_to_their_addresses() {
        let hosts = Hosts::parse(FILE, &[Kind::A]);
        for (name, expected) in [
            ("localhost", Some(&["127.0.0.1"][..])),
            ("localhost.", Some(&["127.0.0.1"])),
            ("x.localhost", Some(&["127.0.0.1"])),
            ("a.test", Some(&["10.0.0.1", "10.0.0.2"])),
            ("a.test.", Some(&["10.0.0.1", "10.0.0.2"])),
            ("a", Some(&["10.0.0.1"])),
            ("six.test", Some(&["::1"])),
            ("b.test", None),
            ("commented", None),
            ("notlocalhost", None),
        ] {
            let expected =
                expected.map(|addresses| addresses.iter().map(|text| text.to_string()).collect());
            assert_eq!(addresses(&hosts, name), expected, "{name}");
        }
    }

    #[test]
    fn the_order_of_kinds_chooses_the_family() {
        let hosts = Hosts::parse(FILE, &[Kind::Last, Kind::Aaaa, Kind::A]);
        assert_eq!(
            addresses(&hosts, "a.test"),
            Some(vec!["fe80::1".to_string()])
        );
        assert_eq!(
            addresses(&hosts, "localhost"),
            Some(vec!["::1".to_string()])
        );
        assert_eq!(addresses(&hosts, "a"), Some(vec!["10.0.0.1".to_string()]));
    }

    #[test]
    fn without_a_file_there_is_localhost() {
        let hosts = Hosts::read(Path::new("/no/such/file"), &[Kind::A]);
        assert_eq!(
            addresses(&hosts, "localhost"),
            Some(vec!["127.0.0.1".to_string()])
        );
    }
}
