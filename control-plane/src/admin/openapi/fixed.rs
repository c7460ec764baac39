//! The addresses that no entity makes, each described beside the code that answers it.

use super::About;
use crate::admin::endpoints::Fixed;
use crate::admin::{
    access, batch, custom_plugins, debug, declarative, groups, nodes, openapi, schemas, status,
    tags, targets,
};
use http::Method;
use serde_json::json;

/// What a method of such an address takes and answers.
pub fn about(fixed: Fixed, method: &Method) -> About {
    match fixed {
        Fixed::Root => status::about_root(),
        Fixed::Status => status::about_status(),
        Fixed::Endpoints => status::about_endpoints(),
        Fixed::OpenApi => openapi::about(),
        Fixed::Robots => About::new("Keeps crawlers out").answers_as(
            200,
            "text/plain",
            json!({ "type": "string" }),
        ),
        Fixed::EnabledPlugins => schemas::about_enabled_plugins(),
        Fixed::EntitySchema | Fixed::PluginSchema | Fixed::VaultSchema => schemas::about_schema(),
        Fixed::PluginConfigSchema => schemas::about_plugin_config(),
        Fixed::ValidateEntity => schemas::about_validate().refuses(404),
        Fixed::ValidatePlugin | Fixed::ValidateVault => schemas::about_validate(),
        Fixed::Declarative => declarative::about(method),
        Fixed::Tags | Fixed::Tag => tags::about(),
        // Always refused with 400, which every operation has.
        Fixed::FilterChains => About::new("Refused: there is no WebAssembly here"),
        Fixed::ClusterNodes => nodes::about_kong_list(),
        Fixed::ClusterStatus => nodes::about_kong_status(),
        Fixed::Nodes => nodes::about_list(),
        Fixed::Tokens => nodes::about_create_token(),
        Fixed::Batch => batch::about(),
        Fixed::ValidateCustomPlugin => custom_plugins::about_validate(),
        Fixed::CustomPluginStatus => custom_plugins::about_status(),
        Fixed::AdminTokens => access::about_tokens(method),
        Fixed::AdminToken => access::about_token(method),
        Fixed::Audit => access::about_audit(),
        // An old spelling, which the document leaves out as `/endpoints` does.
        Fixed::Apis | Fixed::Api => About::new("A service and its route, as one API"),
        Fixed::Cache => debug::about_clear(),
        Fixed::CacheKey => debug::about_cached(method),
        Fixed::LogLevel => debug::about_log_level(),
        Fixed::SetLogLevel => debug::about_set_log_level(),
        Fixed::AllTargets => targets::about_all(),
        Fixed::UpstreamHealth => targets::about_health(),
        Fixed::GroupConsumers => groups::about_members(groups::GROUPS, method),
        Fixed::ConsumerGroups => groups::about_members(groups::CONSUMERS, method),
        Fixed::GroupConsumer | Fixed::ConsumerGroup => groups::about_leave(),
    }
}
