//! What `hmac-auth` may be told.

use derive::{PluginConfig, Word};
use serde::Deserialize;

/// Identifies consumers by a signature over headers of the request.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "hmac-auth",
    priority = 1030,
    no_consumer,
    protocols("grpc", "grpcs", "http", "https")
)]
pub struct HmacAuthConfig {
    /// Whether the signature is kept from the upstream.
    #[schema(default = false)]
    pub hide_credentials: bool,
    /// How many seconds the date of a request may be off, so that it cannot be sent again later.
    #[schema(gt = 0, default = 300)]
    pub clock_skew: Option<f64>,
    /// Id or username of the consumer that stands for clients without a valid signature.
    pub anonymous: Option<String>,
    /// Whether the body must be what the `Digest` header says.
    #[schema(default = false)]
    pub validate_request_body: bool,
    /// Headers that every signature must include.
    #[schema(default = [])]
    pub enforce_headers: Option<Vec<String>>,
    /// The algorithms that signatures may use.
    #[schema(default = ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"])]
    pub algorithms: Option<Vec<HmacAlgorithm>>,
    /// Shown in `WWW-Authenticate`.
    pub realm: Option<String>,
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Word)]
pub enum HmacAlgorithm {
    /// HMAC with SHA-1.
    #[word("hmac-sha1")]
    Sha1,
    /// HMAC with SHA-256.
    #[word("hmac-sha256")]
    Sha256,
    /// HMAC with SHA-384.
    #[word("hmac-sha384")]
    Sha384,
    /// HMAC with SHA-512.
    #[word("hmac-sha512")]
    Sha512,
}
