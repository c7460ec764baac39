//! Vaults: where nodes find secrets that configurations only refer to.

use derive::{Entity, Record};
use serde::Deserialize;

use super::Entity;
use crate::schema::{Described, Field, Selector};
use crate::types::{Id, Tag, Timestamp};

/// The types of vaults that nodes can read.
pub const TYPES: [&str; 1] = ["env"];

/// A vault under a prefix of one's own (admin-api.md 8.10).
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "vaults", lookup = "prefix", identity("prefix"), with = by_type)]
pub struct Vault {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Vault>,
    /// What references name it by.
    #[schema(unique, not_one_of("env"), matching = "^[a-z][a-z0-9-]*[a-z0-9]$")]
    pub prefix: String,
    /// Which type of vault.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What the type is told.
    pub config: EnvironmentVault,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}

/// Secrets in the environment of the node.
#[derive(Clone, Debug, Default, Deserialize, Record)]
#[serde(default)]
pub struct EnvironmentVault {
    /// Put before the name of every secret.
    #[schema(matching = "^[A-Za-z_][A-Za-z0-9_-]*$")]
    pub prefix: Option<String>,
}

fn by_type(mut entity: Entity) -> Entity {
    entity.schema.selector = Selector::Named {
        names: &TYPES,
        unknown: |name| format!("vault '{name}' is not installed"),
    };
    entity
}

/// What `GET /schemas/vaults/{name}` shows of a type; `None`: there is no such type.
pub fn type_schema(name: &str) -> Option<crate::schema::Schema> {
    let field: Field = EnvironmentVault::field();
    let known = TYPES.contains(&name);
    known.then(|| crate::schema::Schema::new(name.to_owned(), vec![field.named("config")]))
}
