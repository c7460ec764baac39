//! The plugins that a configuration may name.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::custom::{self, CustomPlugin, Declaration, LuaConfig, Source};
use super::{
    AclConfig, BasicAuthConfig, CorrelationId, HmacAuthConfig, JwtConfig, KeyAuthConfig,
    PluginConfig, PostFunction, PreFunction, RequestTermination, RequestTransformer,
    ResponseTransformer, ResponseTransformerAdvanced, Scopes,
};
use crate::entities::{self, Declared};
use crate::schema::{Document, Field, ReadError, Schema, Variant};

/// Every plugin that a configuration may name: those of the program, those that lie on the machine, and those of one
/// revision. Copies share what is declared.
#[derive(Clone, Debug)]
pub struct Catalog {
    plugins: BTreeMap<Cow<'static, str>, Arc<PluginSchema>>,
    streaming: bool,
}

/// What is declared about a plugin.
#[derive(Debug)]
pub struct PluginSchema {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Plugins of higher priority run first.
    pub priority: i32,
    /// Its version.
    pub version: Cow<'static, str>,
    /// What its configurations may be limited to.
    pub scopes: Scopes,
    /// The fields of `config`.
    pub config: Schema,
    /// How documents of the plugins entity that name it differ from the others.
    pub variant: Variant,
    /// Its source, if it is not part of the program.
    pub custom: Option<Arc<CustomPlugin>>,
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
    /// Wraps a typed configuration: a [`PluginConfig`], or [`LuaConfig`].
    pub fn new<T: Any + Send + Sync>(config: T) -> Self {
        Config(Arc::new(config))
    }

    /// The configuration, if it is a `T`.
    pub fn downcast<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.0).downcast().ok()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Config")
    }
}

static BUILTIN: LazyLock<Catalog> = LazyLock::new(|| {
    let declared = [
        PluginSchema::of::<AclConfig>(),
        PluginSchema::of::<BasicAuthConfig>(),
        PluginSchema::of::<CorrelationId>(),
        PluginSchema::of::<HmacAuthConfig>(),
        PluginSchema::of::<JwtConfig>(),
        PluginSchema::of::<KeyAuthConfig>(),
        PluginSchema::of::<PostFunction>(),
        PluginSchema::of::<PreFunction>(),
        PluginSchema::of::<RequestTermination>(),
        PluginSchema::of::<RequestTransformer>(),
        PluginSchema::of::<ResponseTransformer>(),
        PluginSchema::of::<ResponseTransformerAdvanced>(),
    ];
    Catalog::empty().with(declared.map(Arc::new))
});

impl Default for Catalog {
    fn default() -> Self {
        Catalog::empty()
    }
}

impl Catalog {
    /// The plugins that are part of the program.
    pub fn builtin() -> &'static Catalog {
        &BUILTIN
    }

    /// No plugins.
    pub fn empty() -> Catalog {
        Catalog {
            plugins: BTreeMap::new(),
            streaming: true,
        }
    }

    /// These and others; of two of one name the later.
    pub fn with(&self, plugins: impl IntoIterator<Item = Arc<PluginSchema>>) -> Catalog {
        let mut catalog = self.clone();
        for plugin in plugins {
            catalog.plugins.insert(plugin.name.clone(), plugin);
        }
        catalog
    }

    /// These and the custom plugins of stored documents, as far as they load; none where they are switched off.
    pub fn with_streamed<'a>(&self, documents: impl IntoIterator<Item = &'a Document>) -> Catalog {
        if !self.streaming {
            return self.clone();
        }
        self.with(documents.into_iter().filter_map(custom::of_document))
    }

    /// The same, with or without custom plugins that travel with the configuration (setting
    /// `custom_plugin_streaming_enabled`). Without, a configuration may have them and not use them.
    pub fn streaming(mut self, streaming: bool) -> Catalog {
        self.streaming = streaming;
        self
    }

    /// Whether custom plugins may travel with the configuration.
    pub fn is_streaming(&self) -> bool {
        self.streaming
    }

    /// The plugin of that name.
    pub fn plugin(&self, name: &str) -> Option<&Arc<PluginSchema>> {
        self.plugins.get(name)
    }

    /// Every plugin, by name, to be shared.
    pub fn all(&self) -> impl Iterator<Item = &Arc<PluginSchema>> {
        self.plugins.values()
    }

    /// Every plugin, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PluginSchema> {
        self.plugins.values().map(|plugin| &**plugin)
    }

    /// Every plugin that arrived as source, by name.
    pub fn custom(&self) -> impl Iterator<Item = &Arc<CustomPlugin>> {
        self.plugins
            .values()
            .filter_map(|plugin| plugin.custom.as_ref())
    }

    /// Whose name it is, if custom plugins may not have it: that of a `built-in` plugin, whether it is enabled or not,
    /// or of a `trusted` one (custom-plugins.md 7.2).
    pub fn owner(&self, name: &str) -> Option<&'static str> {
        if BUILTIN.plugins.contains_key(name) {
            return Some("built-in");
        }
        let custom = self.plugin(name)?.custom.as_ref()?;
        custom.trusted.then_some("trusted")
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
            name: T::NAME.into(),
            priority: T::PRIORITY,
            version: env!("CARGO_PKG_VERSION").into(),
            scopes: T::SCOPES,
            variant: Variant {
                fields: variant_fields(T::SCOPES, T::PROTOCOLS, &config),
                checks,
            },
            config,
            custom: None,
            read: read::<T>,
        }
    }

    /// What the engine found in source.
    pub(super) fn of_source(source: Source<'_>, found: Declaration) -> Self {
        let custom = CustomPlugin::new(source, &found);
        let shape = found.shape;
        PluginSchema {
            name: source.name.to_owned().into(),
            priority: found.priority,
            version: found.version.into(),
            scopes: shape.scopes,
            variant: Variant {
                fields: variant_fields(shape.scopes, shape.protocols.as_deref(), &shape.config),
                checks: shape.checks,
            },
            config: shape.config,
            custom: Some(Arc::new(custom)),
            read: read_lua,
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
        let own = Schema::new(self.name.clone(), self.variant.fields.clone());
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

/// The whole configuration of a plugin that arrived as source, if its schema takes it.
fn read_lua(schema: &Schema, config: &[u8]) -> Result<Config, ReadError> {
    let wrong = |field: &str, message: String| ReadError {
        field: field.to_owned(),
        message,
    };
    let sent = match serde_json::from_slice(config) {
        Ok(Value::Object(sent)) => sent,
        Ok(_) => return Err(wrong(".", "expected a record".to_owned())),
        Err(error) => return Err(wrong(".", error.to_string())),
    };
    let config = schema.complete(None, sent);
    match schema.validate(None, &config, false).first() {
        None => Ok(Config::new(LuaConfig(config))),
        Some((field, message)) if field.is_empty() => Err(wrong(".", message)),
        Some((field, message)) => Err(wrong(&field, message)),
    }
}

/// The fields of the plugins entity that a plugin narrows.
fn variant_fields<W: AsRef<str>>(
    scopes: Scopes,
    protocols: Option<&[W]>,
    config: &Schema,
) -> Vec<Field> {
    let entity = entities::Plugin::entity();
    let inherited = |name: &str| entity.schema.field(name).cloned();
    let refused = [
        ("consumer", scopes.consumer),
        ("service", scopes.service),
        ("route", scopes.route),
    ];
    let refused = refused
        .into_iter()
        .filter(|(_, allowed)| !allowed)
        .filter_map(|(name, _)| inherited(name));
    let mut fields: Vec<Field> = refused.map(|field| field.eq_value(Value::Null)).collect();
    fields.extend(inherited("protocols").map(|field| match protocols {
        Some(words) => only(field, words),
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

/// A list of words that takes only some of them; its default has what is left of the general one, or all that it takes.
fn only<W: AsRef<str>>(mut field: Field, words: &[W]) -> Field {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let general = field.default.take();
    let general = general.iter().filter_map(Value::as_array).flatten();
    let left: Vec<&str> = general
        .filter_map(Value::as_str)
        .filter(|word| words.contains(word))
        .collect();
    let default = if left.is_empty() { &words } else { &left };
    let default = Value::from(default.clone());
    field
        .elements(|element| element.one_of(words))
        .default_value(default)
}
