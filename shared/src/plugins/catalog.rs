//! The plugins that a configuration may name.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::{
    AclConfig, BasicAuthConfig, CorrelationId, HmacAuthConfig, JwtConfig, KeyAuthConfig,
    PluginConfig, RequestTermination, RequestTransformer, ResponseTransformer,
    ResponseTransformerAdvanced, Scopes,
};
use crate::entities::{self, Declared};
use crate::schema::{Field, ReadError, Schema, Variant};

/// Every plugin that a configuration may name.
#[derive(Debug, Default)]
pub struct Catalog {
    plugins: BTreeMap<&'static str, PluginSchema>,
}

/// What is declared about a plugin.
#[derive(Debug)]
pub struct PluginSchema {
    /// Its name.
    pub name: &'static str,
    /// Plugins of higher priority run first.
    pub priority: i32,
    /// Its version.
    pub version: &'static str,
    /// What its configurations may be limited to.
    pub scopes: Scopes,
    /// The fields of `config`.
    pub config: Schema,
    /// How documents of the plugins entity that name it differ from the others.
    pub variant: Variant,
    read: fn(&Schema, &[u8]) -> Result<Config, ReadError>,
}

/// The typed configuration of a plugin.
#[derive(Clone)]
pub struct Config(Arc<dyn Any + Send + Sync>);

/// A configuration that a plugin cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config.{field}: {message}")]
pub struct ConfigError {
    /// Where, as a dotted path under `config`.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl Config {
    /// Wraps a typed configuration.
    pub fn new<T: PluginConfig>(config: T) -> Self {
        Config(Arc::new(config))
    }

    /// The configuration, if it is that of `T`.
    pub fn downcast<T: PluginConfig>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.0).downcast().ok()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Config")
    }
}

static BUILTIN: LazyLock<Catalog> = LazyLock::new(|| {
    let mut catalog = Catalog::default();
    catalog.declare::<AclConfig>();
    catalog.declare::<BasicAuthConfig>();
    catalog.declare::<CorrelationId>();
    catalog.declare::<HmacAuthConfig>();
    catalog.declare::<JwtConfig>();
    catalog.declare::<KeyAuthConfig>();
    catalog.declare::<RequestTermination>();
    catalog.declare::<RequestTransformer>();
    catalog.declare::<ResponseTransformer>();
    catalog.declare::<ResponseTransformerAdvanced>();
    catalog
});

impl Catalog {
    /// The plugins that are part of the program.
    pub fn builtin() -> &'static Catalog {
        &BUILTIN
    }

    /// The plugin of that name.
    pub fn plugin(&self, name: &str) -> Option<&PluginSchema> {
        self.plugins.get(name)
    }

    /// Every plugin, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PluginSchema> {
        self.plugins.values()
    }

    fn declare<T: PluginConfig>(&mut self) {
        self.plugins.insert(T::NAME, PluginSchema::of::<T>());
    }
}

impl PluginSchema {
    fn of<T: PluginConfig>() -> Self {
        let mut config = T::schema();
        // Kong states the rules of a plugin for the whole document: `config.allow`, not `allow`.
        let checks = std::mem::take(&mut config.checks)
            .into_iter()
            .map(|check| check.prefixed("config"))
            .collect();
        PluginSchema {
            name: T::NAME,
            priority: T::PRIORITY,
            version: env!("CARGO_PKG_VERSION"),
            scopes: T::SCOPES,
            variant: Variant {
                fields: variant_fields::<T>(&config),
                checks,
            },
            config,
            read: read::<T>,
        }
    }

    /// Reads a stored configuration (the bytes of `config`); what it lacks takes its default.
    pub fn parse(&self, config: &[u8]) -> Result<Config, ConfigError> {
        (self.read)(&self.config, config).map_err(|error| ConfigError {
            field: error.field,
            message: error.message,
        })
    }

    /// What `GET /schemas/plugins/{name}` answers: the fields that are its own, and its checks.
    pub fn render(&self) -> Value {
        let own = Schema::new(self.name, self.variant.fields.clone());
        let checks = Variant {
            fields: Vec::new(),
            checks: self.variant.checks.clone(),
        };
        own.render(Some(&checks))
    }
}

fn read<T: PluginConfig>(schema: &Schema, config: &[u8]) -> Result<Config, ReadError> {
    schema.read::<T>(config).map(Config::new)
}

/// The fields of the plugins entity that this plugin narrows.
fn variant_fields<T: PluginConfig>(config: &Schema) -> Vec<Field> {
    let entity = entities::Plugin::entity();
    let inherited = |name: &str| entity.schema.field(name).cloned();
    let refused = [
        ("consumer", T::SCOPES.consumer),
        ("service", T::SCOPES.service),
        ("route", T::SCOPES.route),
    ];
    let refused = refused
        .into_iter()
        .filter(|(_, allowed)| !allowed)
        .filter_map(|(name, _)| inherited(name));
    let mut fields: Vec<Field> = refused.map(|field| field.eq_value(Value::Null)).collect();
    fields.extend(inherited("protocols").map(|field| match T::PROTOCOLS {
        Some(words) => field.elements(|element| element.one_of(words.iter().copied())),
        None => field,
    }));
    let description = config.description.clone();
    fields.push(
        Field::record(config.clone())
            .named("config")
            .describe(description),
    );
    fields
}
