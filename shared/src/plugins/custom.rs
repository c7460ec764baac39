//! Plugins that arrive as source (custom-plugins.md 2.2, 7.2). What source says is found by an engine that `shared` does
//! not know: each plane passes it in ([`load_with`]). What was read once is not read again while somebody has it
//! ([`read`]).

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use aws_lc_rs::digest::{Context, SHA256};
use derive::Word;

use super::{PluginSchema, Scopes};
use crate::schema::{Check, Document, Schema};

/// Said of custom plugins where they are switched off.
pub const OFF: &str = "custom plugins are switched off (setting 'custom_plugin_streaming_enabled')";

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
    /// What an error in a handler does to the request.
    pub on_error: OnError,
    /// The folder that a trusted plugin lies in, where `require "kong.plugins.<name>.<module>"` finds its other files.
    pub folder: Option<&'a Path>,
}

/// What an error in a handler does to the request (6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Word)]
pub enum OnError {
    /// It ends the request, as Kong has it: a plugin that decides who may pass must not be skipped.
    #[default]
    Fail,
    /// It is logged and counted, and the request goes on as if the handler had returned.
    Skip,
}

/// A plugin that arrived as source and was read: what a node needs to run it.
#[derive(Clone, Debug)]
pub struct CustomPlugin {
    /// Its name.
    pub name: Arc<str>,
    /// `PRIORITY`: greater runs first.
    pub priority: i32,
    /// `VERSION`.
    pub version: String,
    /// The phases that its handler has methods for, in the order in which they run.
    pub phases: Vec<&'static str>,
    /// SHA-256 of both texts, `schema` first, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The source of `schema.lua`.
    pub schema: Arc<str>,
    /// The source of `handler.lua`.
    pub handler: Arc<str>,
    /// Whether it lies on the machine rather than in the configuration (6.1).
    pub trusted: bool,
    /// What an error in a handler does to the request.
    pub on_error: OnError,
    /// The folder of a trusted plugin.
    pub folder: Option<PathBuf>,
}

/// The configuration of a plugin that arrived as source: `config`, complete, with the spelling of its numbers kept.
#[derive(Clone, Debug, PartialEq)]
pub struct LuaConfig(pub Document);

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

/// Has the engine read source, whether it was read before or not.
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

/// What was read and is in use somewhere, by the digest of everything that was given.
#[derive(Default)]
struct InUse {
    plugins: HashMap<[u8; 32], Weak<PluginSchema>>,
    /// The newest: a write reads its source several times before anybody keeps it.
    newest: Option<Arc<PluginSchema>>,
}

static IN_USE: LazyLock<Mutex<InUse>> = LazyLock::new(Mutex::default);

impl InUse {
    fn find(&self, key: &[u8; 32]) -> Option<Arc<PluginSchema>> {
        self.plugins.get(key)?.upgrade()
    }

    fn add(&mut self, key: [u8; 32], plugin: &Arc<PluginSchema>) {
        self.plugins.retain(|_, plugin| plugin.strong_count() > 0);
        self.plugins.insert(key, Arc::downgrade(plugin));
        self.newest = Some(plugin.clone());
    }
}

fn in_use() -> MutexGuard<'static, InUse> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads source, or finds what was made of the same source while somebody still has it: the same [`Arc`] then, so that
/// whoever compares two revisions sees at once that nothing changed.
///
/// # Errors
/// As [`load`].
pub fn read(source: Source<'_>) -> Result<Arc<PluginSchema>, Vec<SourceError>> {
    let key = source.key();
    if let Some(plugin) = in_use().find(&key) {
        return Ok(plugin);
    }
    // Not under the lock: source may run for a while.
    let plugin = Arc::new(PluginSchema::of_source(source, load(source)?));
    let mut in_use = in_use();
    if let Some(other) = in_use.find(&key) {
        return Ok(other); // somebody was faster
    }
    in_use.add(key, &plugin);
    Ok(plugin)
}

/// What a stored custom plugin declares; none if its source does not load.
pub fn of_document(document: &Document) -> Option<Arc<PluginSchema>> {
    let text = |name: &str| document.get(name)?.as_str();
    let source = Source::streamed(text("name")?, text("schema")?, text("handler")?);
    let on_error = text("on_error").and_then(|word| word.parse().ok());
    read(source.on_error(on_error.unwrap_or_default())).ok()
}

impl<'a> Source<'a> {
    /// Source that came with the configuration.
    pub fn streamed(name: &'a str, schema: &'a str, handler: &'a str) -> Self {
        Source {
            name,
            schema,
            handler,
            trusted: false,
            on_error: OnError::Fail,
            folder: None,
        }
    }

    /// The same with another answer to errors.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// SHA-256 of `schema` followed by `handler`, in lower-case hexadecimal digits: what
    /// `cat schema.lua handler.lua | sha256sum` prints.
    pub fn sha256(&self) -> String {
        let mut context = Context::new(&SHA256);
        context.update(self.schema.as_bytes());
        context.update(self.handler.as_bytes());
        let mut text = String::with_capacity(64);
        for byte in context.finish().as_ref() {
            let _ = write!(text, "{byte:02x}"); // writing to a text cannot fail
        }
        text
    }

    /// The digest of everything that decides what reading gives.
    pub(super) fn key(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let folder = self
            .folder
            .map(|folder| folder.as_os_str().as_encoded_bytes());
        let parts = [
            self.name.as_bytes(),
            self.schema.as_bytes(),
            self.handler.as_bytes(),
            folder.unwrap_or_default(),
        ];
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let skips = self.on_error == OnError::Skip;
        context.update(&[self.trusted, self.folder.is_some(), skips].map(u8::from));
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }
}

impl CustomPlugin {
    pub(super) fn new(source: Source<'_>, declaration: &Declaration) -> Self {
        CustomPlugin {
            name: source.name.into(),
            priority: declaration.priority,
            version: declaration.version.clone(),
            phases: declaration.phases.clone(),
            sha256: source.sha256(),
            schema: source.schema.into(),
            handler: source.handler.into(),
            trusted: source.trusted,
            on_error: source.on_error,
            folder: source.folder.map(Path::to_owned),
        }
    }
}
