//! Custom plugins of a version, and the plugins that name them.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::read::{Reader, Wrong};
use super::{Plugin, Table};
use crate::entities;
use crate::plugins::custom::{self, LuaConfig, Source};
use crate::plugins::{Catalog, Config, PluginSchema};
use crate::schema::Document;
use crate::sync::{Change, State};
use crate::types::Referenced;

/// A plugin that came with the configuration.
#[derive(Clone, Debug)]
pub struct Custom {
    /// The document.
    pub document: Arc<entities::CustomPlugin>,
    /// What its source declares; `None`: it was not read, since custom plugins are switched off.
    pub schema: Option<Arc<PluginSchema>>,
}

impl Reader {
    /// The custom plugins after the changes; from here on the catalog has them. One that does not load is an issue of
    /// its own, whether anything uses it or not.
    pub(super) fn custom_plugins(
        &mut self,
        table: Table<Custom>,
        changes: &[Change],
    ) -> Table<Custom> {
        let catalog = self.catalog.clone();
        let table = self.apply(table, changes, |_, document: entities::CustomPlugin| {
            if !catalog.is_streaming() {
                let document = Arc::new(document);
                return Ok(Custom {
                    document,
                    schema: None,
                });
            }
            if let Some(owner) = catalog.owner(&document.name) {
                return Err(vec![Wrong {
                    field: "name".to_owned(),
                    message: format!("'{}' is the name of a {owner} plugin", document.name),
                }]);
            }
            let source = Source::streamed(&document.name, &document.schema, &document.handler)
                .on_error(document.on_error);
            match custom::read(source) {
                Ok(schema) => Ok(Custom {
                    document: Arc::new(document),
                    schema: Some(schema),
                }),
                Err(errors) => Err(errors.into_iter().map(Wrong::from).collect()),
            }
        });
        let streamed = table.values().filter_map(|custom| custom.schema.clone());
        self.catalog = self.catalog.with(streamed);
        table
    }

    /// The plugins after the changes: those that changed, and those whose custom plugin did.
    pub(super) fn plugins(
        &mut self,
        table: Table<Plugin>,
        custom_plugins: &Table<Custom>,
        state: &State,
        changes: &[Change],
    ) -> Table<Plugin> {
        let catalog = self.catalog.clone();
        let again = again(&table, &catalog, state, changes);
        let unread = custom_plugins
            .values()
            .filter(|custom| custom.schema.is_none());
        let unread: BTreeSet<&str> = unread.map(|custom| custom.document.name.as_str()).collect();
        let read = |payload: &Bytes, document: entities::Plugin| match document.enabled
            && unread.contains(document.name.as_str())
        {
            true => Err(vec![Wrong {
                field: "name".to_owned(),
                message: custom::OFF.to_owned(),
            }]),
            false => plugin(payload, document, &catalog),
        };
        let table = self.apply(table, &again, read);
        self.apply(table, changes, read)
    }
}

/// Plugins that did not change themselves and are to be read again, since what they name did.
fn again(
    table: &Table<Plugin>,
    catalog: &Catalog,
    state: &State,
    changes: &[Change],
) -> Vec<Change> {
    let of_kind = |kind: &'static str| changes.iter().filter(move |change| *change.kind == *kind);
    if of_kind(entities::CustomPlugin::KIND).next().is_none() {
        return Vec::new();
    }
    let kind: Arc<str> = entities::Plugin::KIND.into();
    let changed: BTreeSet<Uuid> = of_kind(entities::Plugin::KIND)
        .map(|change| change.id)
        .collect();
    let means_another =
        |plugin: &Plugin| match (catalog.plugin(&plugin.document.name), &plugin.schema) {
            (Some(now), Some(before)) => !Arc::ptr_eq(now, before),
            (None, None) => !catalog.is_streaming(),
            _ => true,
        };
    let again = table
        .iter()
        .filter(|(id, plugin)| !changed.contains(*id) && means_another(plugin));
    again
        .map(|(id, _)| Change {
            kind: kind.clone(),
            id: *id,
            payload: state.get(&kind, id).cloned(),
        })
        .collect()
}

/// A plugin with what it is told.
fn plugin(
    payload: &Bytes,
    document: entities::Plugin,
    catalog: &Catalog,
) -> Result<Plugin, Vec<Wrong>> {
    let schema = catalog.plugin(&document.name).cloned();
    let config = match &schema {
        Some(schema) if schema.custom.is_some() => Some(lua_config(payload, catalog)?),
        Some(schema) => {
            let config = schema.parse(document.config.get().as_bytes());
            Some(config.map_err(|error| Wrong {
                field: format!("config.{}", error.field),
                message: error.message,
            })?)
        }
        None => None,
    };
    Ok(Plugin {
        document: Arc::new(document),
        schema,
        config,
    })
}

/// The configuration of a plugin that arrived as source, if everything that its schema says of the document holds.
fn lua_config(payload: &Bytes, catalog: &Catalog) -> Result<Config, Wrong> {
    let wrong = |field: String, message: String| Wrong { field, message };
    let document: Document =
        serde_json::from_slice(payload).map_err(|error| wrong(String::new(), error.to_string()))?;
    let entity = entities::find(entities::Plugin::KIND).expect("a declared entity is listed");
    let mut document = entity.completed(document, catalog);
    let found = entity.validate(&document, catalog);
    if let Some((field, message)) = found.first() {
        return Err(wrong(field, message));
    }
    match document.shift_remove("config") {
        Some(serde_json::Value::Object(config)) => Ok(Config::new(LuaConfig(config))),
        _ => Err(wrong("config".to_owned(), "expected a record".to_owned())),
    }
}

impl From<custom::SourceError> for Wrong {
    fn from(error: custom::SourceError) -> Self {
        Wrong {
            field: error.field.to_owned(),
            message: error.message,
        }
    }
}
