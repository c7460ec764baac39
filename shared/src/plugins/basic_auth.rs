//! What `basic-auth` may be told.

use derive::PluginConfig;
use serde::Deserialize;

/// Identifies consumers by user name and password.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "basic-auth",
    priority = 1100,
    no_consumer,
    protocols("grpc", "grpcs", "http", "https")
)]
pub struct BasicAuthConfig {
    /// Id or username of the consumer that stands for clients without valid credentials.
    pub anonymous: Option<String>,
    /// Whether the credentials are kept from the upstream.
    #[schema(default = false)]
    pub hide_credentials: bool,
    /// Shown in `WWW-Authenticate`.
    #[schema(default = "service")]
    pub realm: String,
}
