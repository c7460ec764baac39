//! The words of a session: what may happen, what may be done.

use std::time::Duration;

use bytes::Bytes;
use shared::model::{Issue, Issues};
use shared::sync::Version;
use shared::sync::proto::nack::Code;
use shared::sync::proto::{self, from_node, goodbye, to_node};

/// Something that happened.
pub(in crate::sync) enum Event {
    /// The control plane spoke.
    Message(to_node::M),
    /// A build ended.
    Built(Outcome),
    /// A version is on disk.
    Persisted(Version),
    /// Time passed.
    Tick,
}

/// Something to do.
#[derive(Debug, PartialEq)]
pub(in crate::sync) enum Action {
    /// Say this.
    Send(from_node::M),
    /// Verify and build this.
    Build(Order),
    /// Give up the build of this order; its outcome no longer matters.
    Abandon(u64),
    /// The session stands.
    Welcomed(proto::Welcome),
    /// What is wrong is an operator's business.
    Attention(String),
    /// Hang up.
    End(End),
}

/// An update that was received whole.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sync) struct Order {
    /// Unlike `update`, unique in this process.
    pub(in crate::sync) order: u64,
    /// `None`: a snapshot.
    pub(in crate::sync) base: Option<Version>,
    pub(in crate::sync) target: Version,
    pub(in crate::sync) raw_bytes: u64,
    pub(in crate::sync) explicit_empty: bool,
    pub(in crate::sync) data: Bytes,
}

/// What became of an [`Order`].
#[derive(Debug)]
pub(in crate::sync) struct Outcome {
    pub(in crate::sync) order: u64,
    pub(in crate::sync) result: Result<Built, Failure>,
}

/// A version that serves now.
#[derive(Debug)]
pub(in crate::sync) struct Built {
    pub(in crate::sync) version: Version,
    pub(in crate::sync) took: Duration,
    pub(in crate::sync) warnings: Vec<Issue>,
}

/// A version that does not.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sync) struct Failure {
    pub(in crate::sync) code: Code,
    pub(in crate::sync) issues: Issues,
}

impl Failure {
    pub(in crate::sync) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            issues: Issue::general(message).into(),
        }
    }
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sync) enum End {
    /// The control plane said so.
    Goodbye(goodbye::Reason, Duration, String),
    /// It does not keep to the protocol.
    Protocol(String),
    /// It does not answer.
    Silent(&'static str),
}
