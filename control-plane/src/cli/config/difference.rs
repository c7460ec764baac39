//! What a file would change.

use std::collections::HashSet;

use serde_json::Value;
use shared::declarative::{Change, Mode};
use shared::entities::{self, CustomPlugin, Entity};
use shared::plugins::Catalog;
use shared::schema::{Document, Kind, Schema};
use shared::sync::State;
use shared::types::Referenced;
use uuid::Uuid;

use super::Failure;
use super::file::{File, state_of};

/// A document that is not the same afterwards.
pub(super) struct Difference {
    pub(super) kind: &'static str,
    pub(super) id: Uuid,
    /// What a person calls it, if it has a name.
    pub(super) name: Option<String>,
    pub(super) what: What,
}

pub(super) enum What {
    Created,
    Deleted,
    Changed(Vec<FieldChange>),
}

/// A value that is not the same afterwards.
pub(super) struct FieldChange {
    /// Dotted: `config.add.headers`.
    pub(super) path: String,
    pub(super) before: Value,
    pub(super) after: Value,
    /// Neither may be shown.
    pub(super) secret: bool,
}

/// Compares what runs with what a file asks for; `running` is an export.
pub(super) fn compare(
    catalog: &Catalog,
    running: &str,
    file: &File,
    mode: Mode,
) -> Result<Vec<Difference>, Failure> {
    let exported = File {
        name: "the export".to_owned(),
        text: running.to_owned(),
    };
    let exported = exported.load(catalog, &State::new(), Mode::Replace);
    let exported = exported.map_err(|error| Failure::Strange(error.to_string()))?;
    let state = state_of(&exported);
    let loaded = file.load(catalog, &state, mode)?;
    let both = exported.iter().chain(&loaded);
    let custom = both.filter(|one| one.entity.kind == CustomPlugin::KIND);
    let catalog = catalog.with_streamed(custom.map(|one| &one.document));
    let mut found = Vec::new();
    for one in &loaded {
        let what = match one.change {
            Change::Same => continue,
            Change::New => What::Created,
            Change::Changed => {
                let before = state.get(one.entity.kind, &one.id);
                let before = before.map(|bytes| serde_json::from_slice(bytes).unwrap_or_default());
                What::Changed(fields(
                    &catalog,
                    one.entity,
                    &before.unwrap_or_default(),
                    &one.document,
                ))
            }
        };
        found.push(Difference {
            kind: one.entity.kind,
            id: one.id,
            name: name(one.entity, &one.document),
            what,
        });
    }
    if mode == Mode::Prune {
        let kept: HashSet<(&str, Uuid)> =
            loaded.iter().map(|one| (one.entity.kind, one.id)).collect();
        let gone = exported
            .iter()
            .filter(|one| !kept.contains(&(one.entity.kind, one.id)));
        found.extend(gone.map(|one| Difference {
            kind: one.entity.kind,
            id: one.id,
            name: name(one.entity, &one.document),
            what: What::Deleted,
        }));
    }
    let order = |difference: &Difference| {
        entities::all()
            .iter()
            .position(|entity| entity.kind == difference.kind)
    };
    found.sort_by_key(order);
    Ok(found)
}

/// The name that it is looked up by, else the one that it has; no secret.
fn name(entity: &Entity, document: &Document) -> Option<String> {
    let candidates = entity.lookup.into_iter().chain(["name", "group", "target"]);
    let mut named = candidates.filter(|field| !entity.is_secret(field));
    named.find_map(|field| document.get(field)?.as_str().map(str::to_owned))
}

/// The values that differ, at the deepest place where both sides are records.
fn fields(
    catalog: &Catalog,
    entity: &Entity,
    before: &Document,
    after: &Document,
) -> Vec<FieldChange> {
    let plugin = after.get("name").and_then(Value::as_str);
    let config = plugin.and_then(|name| catalog.plugin(name));
    let mut found = Vec::new();
    let mut walk = Walk {
        config: config.map(|plugin| &plugin.config),
        found: &mut found,
    };
    walk.members(Some(&entity.schema), "", before, after);
    found.retain(|change| change.path != "updated_at");
    found
}

struct Walk<'a> {
    /// What the plugin of the document may be told.
    config: Option<&'a Schema>,
    found: &'a mut Vec<FieldChange>,
}

impl Walk<'_> {
    fn members(
        &mut self,
        schema: Option<&Schema>,
        path: &str,
        before: &Document,
        after: &Document,
    ) {
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        for name in after.keys().chain(gone) {
            let value = |side: &Document| side.get(name).cloned().unwrap_or_default();
            let (before, after) = (value(before), value(after));
            if before == after {
                continue;
            }
            let field = schema.and_then(|schema| schema.field(name));
            let inner = field.and_then(|field| match &field.kind {
                Kind::Record(inner) => Some(inner),
                Kind::PluginConfig => self.config,
                _ => None,
            });
            let path = match path {
                "" => name.clone(),
                path => format!("{path}.{name}"),
            };
            match (inner, &before, &after) {
                (Some(inner), Value::Object(before), Value::Object(after)) => {
                    self.members(Some(inner), &path, before, after);
                }
                _ => self.found.push(FieldChange {
                    secret: field.is_some_and(|field| field.secret),
                    path,
                    before,
                    after,
                }),
            }
        }
    }
}
