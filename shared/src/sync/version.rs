//! Which state of which history.

use std::cmp::Ordering;
use std::fmt;

use uuid::Uuid;

use super::{Digest, proto};

/// One state of the configuration: which history, which commit of it, and the proof of its content.
///
/// Versions order by (epoch, revision), see [`Version::order`]; the digest takes no part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Names one history of one store: a UUIDv7, so that epochs order by their bytes.
    pub epoch: Uuid,
    /// Counts the commits of that history, without gaps.
    pub revision: u64,
    /// Proves the content.
    pub digest: Digest,
}

impl Version {
    /// Compares by (epoch, revision), the order in which a node never goes down.
    pub fn order(&self, other: &Self) -> Ordering {
        (self.epoch, self.revision).cmp(&(other.epoch, other.revision))
    }
}

/// `revision 42 of epoch 0190…`
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revision {} of epoch {}", self.revision, self.epoch)
    }
}

/// A version on the wire whose epoch or digest has the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed version: the {0} has a wrong length")]
pub struct MalformedVersion(pub &'static str);

impl TryFrom<&proto::Version> for Version {
    type Error = MalformedVersion;

    fn try_from(wire: &proto::Version) -> Result<Self, MalformedVersion> {
        Ok(Self {
            epoch: Uuid::from_slice(&wire.epoch).map_err(|_| MalformedVersion("epoch"))?,
            revision: wire.revision,
            digest: Digest::from_bytes(&wire.digest).ok_or(MalformedVersion("digest"))?,
        })
    }
}

impl From<&Version> for proto::Version {
    fn from(version: &Version) -> Self {
        Self {
            epoch: version.epoch.as_bytes().to_vec(),
            revision: version.revision,
            digest: version.digest.to_bytes().to_vec(),
        }
    }
}

impl From<Version> for proto::Version {
    fn from(version: Version) -> Self {
        Self::from(&version)
    }
}
