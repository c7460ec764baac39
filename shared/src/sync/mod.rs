//! Versions, digests, frames, and the generated protocol: everything the two planes say to each other, as values.
//!
//! Read in this order: [`Version`] names one state of the configuration and [`Digest`] proves its content; [`State`]
//! holds its documents; [`frame`] carries [`Change`]s over the wire in parts; [`snapshot_file`] is the same on disk;
//! [`token`] and [`peer`] are how a node is let in and known afterwards. The rules are those of the design's sync
//! protocol; nothing here opens a socket or a file or reads a clock.

pub mod backoff;
mod canonical;
mod digest;
pub mod frame;
pub mod peer;
pub mod snapshot_file;
mod state;
pub mod token;
mod version;

pub use canonical::canonical;
pub use digest::{DIGEST_BYTES, Digest, Leaf, leaf};
pub use state::{ApplyError, Change, State};
pub use version::{MalformedVersion, Version};

/// The protocol number that both Hello and Welcome carry.
pub const PROTOCOL: u32 = 1;
/// The most a single document may weigh.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;
/// The most documents that one state may hold.
pub const MAX_DOCUMENTS: u64 = 1_000_000;
/// The longest name that a kind may have; longer ones are damage.
pub const MAX_KIND_BYTES: usize = 32;
/// The most issues that one Nack lists; the rest are counted.
pub const MAX_ISSUES: usize = 100;
/// How many refused digests a node remembers and lists in Hello.
pub const MAX_REFUSALS: usize = 8;

/// Generated from `proto/headgate/sync/v1/sync.proto`.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    tonic::include_proto!("headgate.sync.v1");
}

#[cfg(test)]
mod tests;
