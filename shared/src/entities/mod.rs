//! One file per entity. [`all`] is the list.
//!
//! To add one: write the struct with `#[derive(Entity)]`, list it here, and say in [`crate::model`] what it means.

mod acl;
mod basic_auth;
mod ca_certificate;
mod certificate;
mod consumer;
mod consumer_group;
mod custom_plugin;
mod draft;
mod entity;
mod hmac_auth;
mod jwt_secret;
mod key;
mod key_auth;
mod key_set;
mod plugin;
mod route;
mod service;
mod sni;
mod target;
mod upstream;
pub mod vault;

use std::sync::LazyLock;

pub use acl::Acl;
pub use basic_auth::BasicAuth;
pub use ca_certificate::CaCertificate;
pub use certificate::Certificate;
pub use consumer::Consumer;
pub use consumer_group::{ConsumerGroup, GroupMember};
pub use custom_plugin::{CustomPlugin, LONGEST_SOURCE};
pub use entity::{
    Computed, Context, Entity, NameList, Reference, Transformation, UniqueKey, Upgrade,
};
pub use hmac_auth::HmacAuth;
pub use jwt_secret::{JwtAlgorithm, JwtSecret};
pub use key::{Key, KeyPem};
pub use key_auth::KeyAuth;
pub use key_set::KeySet;
pub use plugin::Plugin;
pub use route::{Endpoint, Route};
pub use service::Service;
pub use sni::Sni;
pub use target::Target;
pub use upstream::{ActiveChecks, Healthchecks, PassiveChecks, Upstream};
pub use vault::Vault;

use crate::types::Referenced;

/// A struct that declares an entity.
pub trait Declared: Referenced + serde::de::DeserializeOwned + Send + Sync + 'static {
    /// What the derive makes of the struct.
    fn entity() -> Entity;
}

static ALL: LazyLock<Vec<Entity>> = LazyLock::new(|| {
    vec![
        Certificate::entity(),
        Sni::entity(),
        CaCertificate::entity(),
        Vault::entity(),
        KeySet::entity(),
        Key::entity(),
        Service::entity(),
        Route::entity(),
        Consumer::entity(),
        ConsumerGroup::entity(),
        GroupMember::entity(),
        CustomPlugin::entity(),
        Plugin::entity(),
        KeyAuth::entity(),
        BasicAuth::entity(),
        HmacAuth::entity(),
        JwtSecret::entity(),
        Acl::entity(),
        Upstream::entity(),
        Target::entity(),
    ]
});

/// Every entity; one comes after those it may refer to.
pub fn all() -> &'static [Entity] {
    &ALL
}

/// The entity of a kind, `services`.
pub fn find(kind: &str) -> Option<&'static Entity> {
    ALL.iter().find(|entity| entity.kind == kind)
}

#[cfg(test)]
pub(crate) mod tests;
