//! Who a certificate speaks for: the SPIFFE name in its URI SAN. Both sides check the role, so a node cannot pose as a
//! control plane.

use std::fmt;
use std::str::FromStr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The trust domain of a cluster that was told no other.
pub const TRUST_DOMAIN: &str = "headgate";

/// Which plane a certificate was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `…/headgate/cp/<name>`
    ControlPlane,
    /// `…/headgate/dp/<node id>`
    DataPlane,
}

impl Role {
    fn segment(self) -> &'static str {
        match self {
            Self::ControlPlane => "cp",
            Self::DataPlane => "dp",
        }
    }
}

/// `spiffe://<trust domain>/headgate/<cp|dp>/<name>`; for a data plane the name is its node id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Names the cluster.
    pub trust_domain: String,
    /// Which plane.
    pub role: Role,
    /// The control plane's name, or the node's id.
    pub name: String,
}

/// A URI that names no peer of a Headgate cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not of the form spiffe://<trust domain>/headgate/<cp|dp>/<name>")]
pub struct NotAPeer(String);

impl Peer {
    /// A data plane of the default trust domain.
    pub fn data_plane(node_id: impl Into<String>) -> Self {
        Self::of(Role::DataPlane, node_id.into())
    }

    /// A control plane of the default trust domain.
    pub fn control_plane(name: impl Into<String>) -> Self {
        Self::of(Role::ControlPlane, name.into())
    }

    /// Whom a certificate (DER) names: the one URI among its alternative names. Two would be ambiguous.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let names = parsed.subject_alternative_name().ok()??;
        let mut uris = names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            });
        let uri = uris.next()?;
        uris.next().is_none().then(|| uri.parse().ok())?
    }

    fn of(role: Role, name: String) -> Self {
        Self {
            trust_domain: TRUST_DOMAIN.to_owned(),
            role,
            name,
        }
    }
}

impl FromStr for Peer {
    type Err = NotAPeer;

    fn from_str(uri: &str) -> Result<Self, NotAPeer> {
        parse(uri).ok_or_else(|| NotAPeer(uri.to_owned()))
    }
}

fn parse(uri: &str) -> Option<Peer> {
    let mut segments = uri.strip_prefix("spiffe://")?.split('/');
    let trust_domain = segments.next().filter(|domain| !domain.is_empty())?;
    if segments.next()? != "headgate" {
        return None;
    }
    let role = match segments.next()? {
        "cp" => Role::ControlPlane,
        "dp" => Role::DataPlane,
        _ => return None,
    };
    let name = segments.next().filter(|name| !name.is_empty())?;
    segments.next().is_none().then(|| Peer {
        trust_domain: trust_domain.to_owned(),
        role,
        name: name.to_owned(),
    })
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "spiffe://{}/headgate/{}/{}",
            self.trust_domain,
            self.role.segment(),
            self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_reads_back_what_it_writes() {
        for peer in [
            Peer::control_plane("cp-1"),
            Peer::data_plane("0190d1c2-7a00-7000-8000-000000000001"),
        ] {
            assert_eq!(peer.to_string().parse(), Ok(peer));
        }
        assert_eq!(
            Peer::data_plane("n").to_string(),
            "spiffe://headgate/headgate/dp/n"
        );
    }

    #[test]
    fn anything_else_is_no_peer() {
        for uri in [
            "",
            "https://headgate/headgate/cp/x",
            "spiffe:///headgate/cp/x",
            "spiffe://headgate/headgate/cp/",
            "spiffe://headgate/headgate/cp",
            "spiffe://headgate/headgate/admin/x",
            "spiffe://headgate/other/cp/x",
            "spiffe://headgate/headgate/cp/x/y",
        ] {
            assert!(uri.parse::<Peer>().is_err(), "{uri}");
        }
    }
}
