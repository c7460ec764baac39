//! What `acl` may be told.

use derive::PluginConfig;
use serde::Deserialize;

/// Lets consumers in or keeps them out by their groups.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "acl",
    priority = 950,
    no_consumer,
    protocols("grpc", "grpcs", "http", "https")
)]
#[check(only_one_of("allow", "deny"))]
#[check(at_least_one_of("allow", "deny"))]
pub struct AclConfig {
    /// Only these groups may pass.
    pub allow: Option<Vec<String>>,
    /// These groups may not.
    pub deny: Option<Vec<String>>,
    /// Whether the groups are kept from the upstream.
    #[schema(default = false)]
    pub hide_groups_header: bool,
    /// Whether groups set by an authentication plugin win over the consumer's own.
    #[schema(default = false)]
    pub always_use_authenticated_groups: bool,
}
