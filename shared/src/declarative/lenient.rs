//! How documentation in circulation writes plugin configurations: dotted names, and lists as text (admin-api.md 12.6).

use serde_json::{Map, Value};

use crate::entities::Entity;
use crate::plugins::Catalog;
use crate::schema::{Document, Kind, Schema, Violations};

/// Writes the plugin configuration of a document the way its schema wants it, or says which names contradict.
pub(super) fn expand(entity: &Entity, input: &mut Document, catalog: &Catalog) -> Violations {
    let mut found = Violations::default();
    let mut fields = entity.schema.fields.iter();
    let Some(config) = fields.find(|field| matches!(field.kind, Kind::PluginConfig)) else {
        return found;
    };
    let plugin = input.get("name").and_then(Value::as_str);
    let Some(plugin) = plugin.and_then(|name| catalog.plugin(name)) else {
        return found;
    };
    if let Some(Value::Object(members)) = input.get_mut(config.name.as_ref()) {
        record(
            &plugin.config,
            members,
            &mut vec![config.name.to_string()],
            &mut found,
        );
    }
    found
}

fn record(
    schema: &Schema,
    members: &mut Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut Violations,
) {
    undot(schema, members, path, found);
    for (name, value) in members.iter_mut() {
        let Some(field) = schema.field(name) else {
            continue;
        };
        if let (Kind::Record(inner), Value::Object(members)) = (&field.kind, &mut *value) {
            path.push(name.clone());
            record(inner, members, path, found);
            path.pop();
        } else if value.is_string() {
            *value = field.split_text(value.take());
        }
    }
}

/// Moves `remove.headers` into `remove`, for the record inside to read on.
fn undot(
    schema: &Schema,
    members: &mut Map<String, Value>,
    path: &[String],
    found: &mut Violations,
) {
    let is_record = |name: &str| {
        let field = schema.field(name);
        field.is_some_and(|field| matches!(field.kind, Kind::Record(_)))
    };
    let dotted: Vec<(String, String, String)> = members
        .keys()
        .filter(|key| schema.field(key).is_none())
        .filter_map(|key| {
            let (first, rest) = key.split_once('.')?;
            (is_record(first) && !rest.is_empty())
                .then(|| (key.clone(), first.to_owned(), rest.to_owned()))
        })
        .collect();
    for (key, first, rest) in dotted {
        let Some(value) = members.shift_remove(&key) else {
            continue;
        };
        let inner = members.entry(first).or_insert(Value::Null);
        if inner.is_null() {
            *inner = Value::Object(Map::new());
        }
        let Value::Object(inner) = inner else {
            continue; // the wrong type is told by the schema
        };
        if inner.contains_key(&rest) {
            let mut at: Vec<&str> = path.iter().map(String::as_str).collect();
            at.push(&key);
            found.insert(&at, "conflicts with nested value");
        } else {
            inner.insert(rest, value);
        }
    }
}
