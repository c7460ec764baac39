//! One file per plugin: what it may be told. [`Catalog::builtin`] is the list.
//!
//! The other half, what a plugin does, is in the data plane under the same name.

mod acl;
mod basic_auth;
mod catalog;
mod correlation_id;
pub mod custom;
mod functions;
mod hmac_auth;
pub mod installed;
mod jwt;
mod key_auth;
mod request_termination;
mod request_transformer;
mod response_transformer;
mod response_transformer_advanced;

pub use acl::AclConfig;
pub use basic_auth::BasicAuthConfig;
pub use catalog::{Catalog, Config, ConfigError, PluginSchema};
pub use correlation_id::{CorrelationId, Generator};
pub use functions::{Functions, PostFunction, PreFunction};
pub use hmac_auth::{HmacAlgorithm, HmacAuthConfig};
pub use jwt::{Claim, JwtConfig};
pub use key_auth::KeyAuthConfig;
pub use request_termination::RequestTermination;
pub use request_transformer::RequestTransformer;
pub use response_transformer::ResponseTransformer;
pub use response_transformer_advanced::ResponseTransformerAdvanced;

/// The parts of [`RequestTransformer`].
pub mod request {
    pub use super::request_transformer::{Remove, Renames, Replace, Set};
}

/// The parts of [`ResponseTransformer`].
pub mod response {
    pub use super::response_transformer::{Remove, Renames, Set};
}

/// The parts of [`ResponseTransformerAdvanced`].
pub mod advanced {
    pub use super::response_transformer_advanced::{
        Allow, Remove, Renames, Replace, Set, Transform,
    };
}

use serde::de::DeserializeOwned;

use crate::schema::Schema;

/// A struct that declares what a plugin may be told.
pub trait PluginConfig: DeserializeOwned + Send + Sync + 'static {
    /// The plugin.
    const NAME: &'static str;
    /// Plugins of higher priority run first.
    const PRIORITY: i32;
    /// What its configurations may be limited to.
    const SCOPES: Scopes;
    /// The protocols it can work with; `None` is all.
    const PROTOCOLS: Option<&'static [&'static str]>;

    /// The fields of `config`, and checks on them.
    fn schema() -> Schema;
}

/// What the configurations of a plugin may be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes {
    /// One consumer.
    pub consumer: bool,
    /// One service.
    pub service: bool,
    /// One route.
    pub route: bool,
}

#[cfg(test)]
pub(crate) mod tests;
