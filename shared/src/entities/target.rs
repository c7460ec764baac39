//! Targets: where the requests of an upstream go.

use derive::Entity;
use serde::Deserialize;
use serde_json::Value;

use super::{Entity, Transformation, Upstream};
use crate::schema::Document;
use crate::types::{Foreign, Id, Moment, Tag, TargetAddress, Text};

/// One of the places that an upstream stands for.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(kind = "targets", composite("upstream", "target"), nested_only, with = spelled_once)]
pub struct Target {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<Target>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Moment>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Moment>,
    /// Whose target it is.
    #[schema(cascade)]
    pub upstream: Foreign<Upstream>,
    /// A name or an address, and a port; 8000 unless given.
    pub target: TargetAddress,
    /// Its share of the requests; 0 gives it none.
    #[schema(between(0, 65535), default = 100)]
    pub weight: Option<u16>,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}

impl Target {
    /// Its share of the requests.
    pub fn weight(&self) -> u16 {
        self.weight.unwrap_or(100)
    }
}

/// Two spellings of one place must meet in the same unique key.
fn spelled_once(mut entity: Entity) -> Entity {
    entity.transformations.push(Transformation {
        input: &["target"],
        needs: &[],
        apply: spell,
    });
    entity
}

fn spell(document: &mut Document) {
    if let Some(Value::String(text)) = document.get_mut("target")
        && let Ok(target) = TargetAddress::parse(text)
    {
        *text = target.to_string();
    }
}
