//! What `key-auth` may be told.

use derive::PluginConfig;
use serde::Deserialize;

use crate::types::HeaderName;

/// Identifies consumers by a key in a header, the query or the body.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "key-auth",
    priority = 1250,
    no_consumer,
    protocols("grpc", "grpcs", "http", "https")
)]
pub struct KeyAuthConfig {
    /// Where a key is looked for, in this order.
    #[schema(default = ["apikey"])]
    pub key_names: Vec<HeaderName>,
    /// Whether the key is kept from the upstream.
    #[schema(default = false)]
    pub hide_credentials: bool,
    /// Id or username of the consumer that stands for clients without a valid key.
    pub anonymous: Option<String>,
    /// Whether headers are looked at.
    #[schema(default = true)]
    pub key_in_header: bool,
    /// Whether the query is looked at.
    #[schema(default = true)]
    pub key_in_query: bool,
    /// Whether form, multipart and JSON bodies are looked at.
    #[schema(default = false)]
    pub key_in_body: bool,
    /// Whether OPTIONS requests need a key as well.
    #[schema(default = true)]
    pub run_on_preflight: bool,
    /// Shown in `WWW-Authenticate`.
    pub realm: Option<String>,
}
