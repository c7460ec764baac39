//! One state as a file: the node's cache and the export have this one format. Pure: bytes in, bytes out.
//!
//! `HGSNAP01` ‖ flags u32 ‖ salt\[16\] ‖ epoch\[16\] ‖ revision u64 ‖ digest\[40\] ‖ state_bytes u64 ‖ raw_bytes u64 ‖
//! data_bytes u64 ‖ data ‖ BLAKE3 of all before it\[32\]. Numbers are big endian; data is what [`frame`] encodes. Flag 1:
//! empty on purpose. The salt is there for encrypted files and zero in these.

#[cfg(test)]
mod tests;

use bytes::{Buf, BufMut};
use uuid::Uuid;

use super::frame::{self, DecodeError, Frame};
use super::{DIGEST_BYTES, Digest, State, Version};

/// What every file begins with.
pub const MAGIC: &[u8; 8] = b"HGSNAP01";

const SALT_BYTES: usize = 16;
const HEADER_BYTES: usize = MAGIC.len() + 4 + SALT_BYTES + 16 + 8 + DIGEST_BYTES + 3 * 8;
const HASH_BYTES: usize = blake3::OUT_LEN;

const EXPLICIT_EMPTY: u32 = 1;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which version it is.
    pub version: Version,
    /// Its documents.
    pub state: State,
    /// Whether having no documents was meant: a node that restarts from this is then ready.
    pub explicit_empty: bool,
}

/// Why a file is not a usable snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Something else, or another version's file.
    #[error("not a snapshot of this version (it does not begin with HGSNAP01)")]
    Magic,
    /// Shorter or longer than its header says.
    #[error("the snapshot is {found} bytes long, not the {expected} it declares")]
    Length {
        /// What the header, or the shortest file, needs.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// Some byte is not what was written.
    #[error("the snapshot is damaged: its checksum does not match")]
    Checksum,
    /// Encrypted, or of a later version.
    #[error("the snapshot has flags that this version does not know ({0:#x})")]
    Flags(u32),
    /// It would not fit.
    #[error("the snapshot holds {bytes} bytes of documents, more than the allowed {limit}")]
    TooLarge {
        /// What the header declares.
        bytes: u64,
        /// What this plane allows.
        limit: u64,
    },
    /// The documents cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The documents are not those that the header names.
    #[error("the snapshot's documents do not have the digest in its header")]
    Digest,
}

/// Writes a file's bytes.
pub fn write(snapshot: &Snapshot) -> Vec<u8> {
    let Snapshot { version, state, .. } = snapshot;
    let Frame { data, raw_bytes } = frame::encode_state(state);
    let mut out = Vec::with_capacity(HEADER_BYTES + data.len() + HASH_BYTES);
    out.put_slice(MAGIC);
    out.put_u32(if snapshot.explicit_empty {
        EXPLICIT_EMPTY
    } else {
        0
    });
    out.put_slice(&[0; SALT_BYTES]);
    out.put_slice(version.epoch.as_bytes());
    out.put_u64(version.revision);
    out.put_slice(&version.digest.to_bytes());
    out.put_u64(state.bytes());
    out.put_u64(raw_bytes);
    out.put_u64(data.len() as u64);
    out.put_slice(&data);
    let hash = blake3::hash(&out);
    out.put_slice(hash.as_bytes());
    out
}

/// Reads a file's bytes. Nothing is believed before the checksum matched, and nothing is allocated for documents before
/// their declared size was compared with `max_state_bytes`.
pub fn read(file: &[u8], max_state_bytes: u64) -> Result<Snapshot, SnapshotError> {
    let (header, data) = open(file)?;
    if header.state_bytes.max(header.raw_bytes) > max_state_bytes {
        return Err(SnapshotError::TooLarge {
            bytes: header.state_bytes.max(header.raw_bytes),
            limit: max_state_bytes,
        });
    }
    let mut state = State::new();
    for change in frame::decode(data, header.raw_bytes)? {
        state.change(&change).map_err(|_| SnapshotError::Digest)?;
    }
    if state.digest() != header.version.digest {
        return Err(SnapshotError::Digest);
    }
    Ok(Snapshot {
        version: header.version,
        state,
        explicit_empty: header.flags & EXPLICIT_EMPTY != 0,
    })
}

struct Header {
    flags: u32,
    version: Version,
    state_bytes: u64,
    raw_bytes: u64,
    data_bytes: u64,
}

fn open(file: &[u8]) -> Result<(Header, &[u8]), SnapshotError> {
    if !file.starts_with(MAGIC) {
        return Err(SnapshotError::Magic);
    }
    let found = file.len() as u64;
    let shortest = (HEADER_BYTES + HASH_BYTES) as u64;
    if found < shortest {
        return Err(SnapshotError::Length {
            expected: shortest,
            found,
        });
    }
    let (content, hash) = file.split_at(file.len() - HASH_BYTES);
    let header = parse_header(&content[MAGIC.len()..HEADER_BYTES]);
    let expected = shortest.saturating_add(header.data_bytes);
    if expected != found {
        return Err(SnapshotError::Length { expected, found });
    }
    if blake3::hash(content) != *<&[u8; HASH_BYTES]>::try_from(hash).expect("split there") {
        return Err(SnapshotError::Checksum);
    }
    if header.flags & !EXPLICIT_EMPTY != 0 {
        return Err(SnapshotError::Flags(header.flags));
    }
    Ok((header, &content[HEADER_BYTES..]))
}

fn parse_header(mut bytes: &[u8]) -> Header {
    let flags = bytes.get_u32();
    bytes.advance(SALT_BYTES);
    let epoch = Uuid::from_u128(bytes.get_u128());
    let revision = bytes.get_u64();
    let digest = Digest::from_bytes(&bytes[..DIGEST_BYTES]).expect("of that length");
    bytes.advance(DIGEST_BYTES);
    Header {
        flags,
        version: Version {
            epoch,
            revision,
            digest,
        },
        state_bytes: bytes.get_u64(),
        raw_bytes: bytes.get_u64(),
        data_bytes: bytes.get_u64(),
    }
}
