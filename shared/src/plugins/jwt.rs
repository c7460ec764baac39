//! What `jwt` may be told.

use derive::{PluginConfig, Word};
use serde::Deserialize;

use crate::schema::{Bound, Check, Rules};

/// Identifies consumers by signed tokens.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "jwt",
    priority = 1450,
    no_consumer,
    protocols("grpc", "grpcs", "http", "https")
)]
#[check(with(a_limit_needs_exp))]
pub struct JwtConfig {
    /// Query parameters that may hold a token.
    #[schema(set, default = ["jwt"])]
    pub uri_param_names: Option<Vec<String>>,
    /// Cookies that may hold a token.
    #[schema(set, default = [])]
    pub cookie_names: Option<Vec<String>>,
    /// The claim, or else the member of the header, that holds the credential's key.
    #[schema(default = "iss")]
    pub key_claim_name: Option<String>,
    /// Whether the secrets of the credentials are written in base64.
    #[schema(default = false)]
    pub secret_is_base64: bool,
    /// Claims that must be there and hold at the time of the request.
    #[schema(set)]
    pub claims_to_verify: Option<Vec<Claim>>,
    /// Id or username of the consumer that stands for clients without a valid token.
    pub anonymous: Option<String>,
    /// Whether OPTIONS requests need a token as well.
    #[schema(default = true)]
    pub run_on_preflight: bool,
    /// How many seconds ahead a token may expire at most; 0 is no limit.
    #[schema(between(0, 31_536_000), default = 0)]
    pub maximum_expiration: Option<f64>,
    /// Headers that may hold a token.
    #[schema(set, default = ["authorization"])]
    pub header_names: Option<Vec<String>>,
    /// Shown in `WWW-Authenticate`.
    pub realm: Option<String>,
}

/// A registered claim that can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Word)]
pub enum Claim {
    /// When the token expires.
    Exp,
    /// Before when it is not valid.
    Nbf,
}

fn a_limit_needs_exp() -> Check {
    Check::Conditional {
        if_field: "maximum_expiration".into(),
        if_match: Box::new(Rules {
            gt: Some(Bound::Whole(0)),
            ..Rules::default()
        }),
        then_field: "claims_to_verify".into(),
        then_match: Box::new(Rules {
            contains: Some("exp".into()),
            ..Rules::default()
        }),
        then_err: None,
    }
}
