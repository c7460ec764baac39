//! What `correlation-id` may be told.

use derive::{PluginConfig, Word};
use serde::Deserialize;

/// Gives each request an id that the upstream and the client can see.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "correlation-id",
    priority = 100_001,
    protocols("grpc", "grpcs", "http", "https")
)]
pub struct CorrelationId {
    /// The header that carries it.
    #[schema(default = "Kong-Request-ID")]
    pub header_name: Option<String>,
    /// How it is made.
    #[schema(default = "uuid#counter")]
    pub generator: Generator,
    /// Whether the client sees it as well.
    #[schema(default = false)]
    pub echo_downstream: bool,
}

/// How an id is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Word)]
pub enum Generator {
    /// A random UUID.
    #[word("uuid")]
    Uuid,
    /// A UUID of the worker and a counter.
    #[word("uuid#counter")]
    Counter,
    /// Server address, port, process, connection, request and time.
    #[word("tracker")]
    Tracker,
}
