//! What `request-termination` may be told.

use derive::PluginConfig;
use serde::Deserialize;
use serde_json::Value;

use crate::schema::{Check, Document, Violations};
use crate::types::HeaderName;

/// Answers requests without an upstream.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "request-termination",
    priority = 2,
    protocols("grpc", "grpcs", "http", "https")
)]
#[check(with(one_way_to_answer))]
pub struct RequestTermination {
    /// The status.
    #[schema(between(100, 599), default = 503)]
    pub status_code: u16,
    /// The `message` of the answer.
    pub message: Option<String>,
    /// The content type of `body`.
    pub content_type: Option<String>,
    /// The whole body.
    pub body: Option<String>,
    /// Whether the answer shows the request.
    #[schema(default = false)]
    pub echo: bool,
    /// Only requests with this header or query parameter are answered.
    pub trigger: Option<HeaderName>,
}

fn one_way_to_answer() -> Check {
    Check::custom(["message", "content_type", "body", "echo"], answers)
}

fn answers(config: &Document, violations: &mut Violations) {
    let present =
        |name: &str| matches!(config.get(name), Some(Value::String(text)) if !text.is_empty());
    let (content_type, body) = (present("content_type"), present("body"));
    if present("message") && (content_type || body) {
        violations.entity_check("message cannot be used with content_type or body");
    } else if content_type && !body {
        violations.entity_check("content_type requires a body");
    } else if config.get("echo") == Some(&Value::Bool(true)) && (content_type || body) {
        violations.entity_check("echo cannot be used with content_type and body");
    }
}
