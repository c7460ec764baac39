//! Versions, digests, frames, and the generated protocol.

/// Generated from `proto/headgate/sync/v1/sync.proto`.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    tonic::include_proto!("headgate.sync.v1");
}
