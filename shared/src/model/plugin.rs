//! A plugin's document and the configuration in it.

use std::sync::Arc;

use crate::entities;
use crate::plugins::custom::CustomPlugin;
use crate::plugins::{Config, PluginSchema};

/// A configured plugin.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The document.
    pub document: Arc<entities::Plugin>,
    /// What is declared about it; `None`: this version does not know the plugin, and since nobody can say whether it
    /// guards the API, what it applies to is closed.
    pub schema: Option<Arc<PluginSchema>>,
    /// What it is told; there exactly if `schema` is.
    pub config: Option<Config>,
}

impl Plugin {
    /// What its turn goes by, greater first. One that nobody knows comes before all others, since it closes.
    pub fn priority(&self) -> i32 {
        let schema = self.schema.as_ref();
        schema.map_or(i32::MAX, |schema| schema.priority)
    }

    /// Its source, if it arrived as such.
    pub fn custom(&self) -> Option<&Arc<CustomPlugin>> {
        self.schema.as_ref()?.custom.as_ref()
    }
}
