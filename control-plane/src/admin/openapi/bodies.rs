//! What documents look like when they are sent and when they are answered: `components.schemas`.

use super::shape::{component, page};
use super::{about, refusals};
use crate::admin::endpoints::links;
use serde_json::{Map, Value, json};
use shared::entities::{self, Entity};
use shared::plugins::Catalog;
use shared::schema::{Kind, Purpose, Selector};

/// Every shape that has a name.
pub fn schemas(catalog: &Catalog) -> Value {
    let mut out = Map::new();
    for (name, schema) in refusals::schemas() {
        out.insert(name.to_owned(), schema);
    }
    out.insert("Form".to_owned(), about::form());
    for entity in entities::all().iter().filter(|one| !one.no_addresses) {
        of_entity(&mut out, entity, catalog);
    }
    out.into()
}

fn of_entity(out: &mut Map<String, Value>, entity: &'static Entity, catalog: &Catalog) {
    for purpose in [Purpose::Answer, Purpose::Whole, Purpose::Part] {
        // Its parent is always in the address.
        if entity.nested_only && purpose == Purpose::Whole {
            continue;
        }
        let name = name(entity, purpose, None);
        match entity.schema.selector {
            Selector::Plugin => by_plugin(out, entity, catalog, &name, purpose),
            _ => drop(out.insert(name, entity.json_schema(None, purpose))),
        }
    }
    for link in links(entity) {
        if is_forced(entity, link.field) {
            let mut child = entity.json_schema(None, Purpose::Whole);
            if let Some(required) = child["required"].as_array_mut() {
                required.retain(|name| name != link.field);
            }
            out.insert(name(entity, Purpose::Whole, Some(link.field)), child);
        }
    }
    let answer = component(&name(entity, Purpose::Answer, None));
    out.insert(page_name(entity), page(answer));
}

/// What `config` may hold depends on the plugin.
fn by_plugin(
    out: &mut Map<String, Value>,
    entity: &'static Entity,
    catalog: &Catalog,
    whole: &str,
    purpose: Purpose,
) {
    let mut any = Vec::new();
    for plugin in catalog.iter() {
        let name = format!("{whole}.{}", plugin.name);
        let mut schema = entity.json_schema(Some(&plugin.variant), purpose);
        schema["properties"]["name"] = json!({ "const": plugin.name });
        if purpose != Purpose::Answer {
            crate::admin::aliases::describe(&mut schema);
        }
        any.push(component(&name));
        out.insert(name, schema);
    }
    // A change need not name the plugin, and may then fit several.
    out.insert(whole.to_owned(), json!({ "anyOf": any }));
}

/// Whether the address gives a member that every document needs.
fn is_forced(entity: &Entity, field: &str) -> bool {
    entity
        .schema
        .field(field)
        .is_some_and(|field| field.required)
}

fn name(entity: &Entity, purpose: Purpose, owner: Option<&str>) -> String {
    let kind = entity.kind;
    match (purpose, owner) {
        (Purpose::Answer, _) => kind.to_owned(),
        (Purpose::Whole, None) => format!("{kind}.new"),
        (Purpose::Whole, Some(field)) => format!("{kind}.new.of.{field}"),
        (Purpose::Part, _) => format!("{kind}.change"),
    }
}

fn page_name(entity: &Entity) -> String {
    format!("{}.page", entity.kind)
}

/// The answer that shows one document.
pub fn answer(entity: &Entity) -> Value {
    component(&name(entity, Purpose::Answer, None))
}

/// The answer that shows a page of them.
pub fn listed(entity: &Entity) -> Value {
    component(&page_name(entity))
}

/// What creates or replaces one; `owner`: the foreign key that the address gives.
pub fn whole(entity: &Entity, owner: Option<&str>) -> Value {
    let owner = owner.filter(|field| is_forced(entity, field));
    component(&name(entity, Purpose::Whole, owner))
}

/// What changes one.
pub fn part(entity: &Entity) -> Value {
    component(&name(entity, Purpose::Part, None))
}

/// Whether the documents have tags that a list can be narrowed by.
pub fn has_tags(entity: &Entity) -> bool {
    let tags = entity.schema.field("tags");
    tags.is_some_and(|field| matches!(field.kind, Kind::Set(_)))
}
