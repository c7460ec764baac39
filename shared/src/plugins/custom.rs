//! Plugins that arrive as source (custom-plugins.md 2.2, 7.2). What source says is found by an engine that `shared` does
//! not know: each plane passes it in.

use std::sync::OnceLock;

use super::Scopes;
use crate::schema::{Check, Schema};

/// The source of a plugin.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The name that its schema must say.
    pub name: &'a str,
    /// `schema.lua`.
    pub schema: &'a str,
    /// `handler.lua`.
    pub handler: &'a str,
    /// Whether it lies on the machine, put there by who runs it: nothing is kept from it (6.1).
    pub trusted: bool,
}

/// What the engine found in source.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// `PRIORITY`.
    pub priority: i32,
    /// `VERSION`.
    pub version: String,
    /// The phases that its handler has methods for, in the order in which they run.
    pub phases: Vec<&'static str>,
    /// What it says of its configurations.
    pub shape: Shape,
}

/// What `schema.lua` says.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What configurations may be limited to.
    pub scopes: Scopes,
    /// The protocols it can work with; `None` is all.
    pub protocols: Option<Vec<String>>,
    /// The fields of `config`, with the rules of that record.
    pub config: Schema,
    /// Rules of the whole document, whose fields are named from its root (`config.minute`).
    pub checks: Vec<Check>,
}

/// Why source is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct SourceError {
    /// `schema` or `handler`.
    pub field: &'static str,
    /// What is wrong, in Lua's words where they are Lua's: `handler.lua:12: …`.
    pub message: String,
}

/// Reads source: runs it, within limits, and says what it declares or all that is wrong.
pub type Loader = Box<dyn Fn(Source<'_>) -> Result<Declaration, Vec<SourceError>> + Send + Sync>;

static LOADER: OnceLock<Loader> = OnceLock::new();

/// Passes in what reads source. The first one stays: a process has one engine.
pub fn load_with(loader: Loader) {
    let _ = LOADER.set(loader);
}

/// Reads source.
///
/// # Errors
/// Everything that is wrong; also when no engine was passed in.
pub fn load(source: Source<'_>) -> Result<Declaration, Vec<SourceError>> {
    let Some(loader) = LOADER.get() else {
        return Err(vec![SourceError {
            field: "handler",
            message: "this program has no engine for Lua".to_owned(),
        }]);
    };
    loader(source)
}
