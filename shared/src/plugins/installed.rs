//! The plugins that a process has by its settings: those that are built in, and trusted ones that lie on the machine
//! (custom-plugins.md 6.1).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::custom::{self, Source, SourceError};
use super::{Catalog, PluginSchema};

/// The word for all plugins that are built in.
const BUNDLED: &str = "bundled";
/// The word for none.
const NONE: &str = "off";

/// What a plugin written for Kong may have and this program has no place for (custom-plugins.md 9).
const FOREIGN: &[(&str, &str)] = &[
    ("daos.lua", "plugins with entities of their own"),
    ("daos", "plugins with entities of their own"),
    (
        "api.lua",
        "plugins with addresses of their own in the Admin API",
    ),
    ("migrations", "plugins with migrations of a database"),
];

/// What the settings say about plugins.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `plugins`: `bundled`, `off`, names.
    pub names: &'a [String],
    /// `lua_plugins`: where trusted plugins lie.
    pub folder: Option<&'a Path>,
    /// `custom_plugin_streaming_enabled`.
    pub streaming: bool,
}

/// Why a plugin that the settings name cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It is nowhere.
    #[error(
        "the plugin '{name}' is enabled (setting 'plugins') but not installed: it is not built in, and {looked}"
    )]
    Missing {
        /// Its name.
        name: String,
        /// Where it was looked for.
        looked: String,
    },
    /// A file of it cannot be read.
    #[error("the plugin '{name}' cannot be loaded: cannot read '{path}': {source}")]
    Unreadable {
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It needs more than this program has.
    #[error(
        "the plugin '{name}' cannot be loaded: '{path}' is there, and {what} are not supported"
    )]
    Foreign {
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is not supported.
        what: &'static str,
    },
    /// Its source is wrong.
    #[error(
        "the plugin '{name}' in '{folder}' cannot be loaded: {}",
        lines(errors)
    )]
    Wrong {
        /// Its name.
        name: String,
        /// Where it lies.
        folder: PathBuf,
        /// Everything that is wrong.
        errors: Vec<SourceError>,
    },
}

fn lines(errors: &[SourceError]) -> String {
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    messages.join("; ")
}

/// The plugins that the settings ask for. What reads source must have been passed in ([`custom::load_with`]).
///
/// # Errors
/// The first plugin that cannot be had, and why.
pub fn installed(wanted: Wanted<'_>) -> Result<Catalog, InstallError> {
    let mut plugins: Vec<Arc<PluginSchema>> = Vec::new();
    for name in wanted.names {
        match (name.as_str(), Catalog::builtin().plugin(name)) {
            (NONE, _) => {}
            (BUNDLED, _) => plugins.extend(Catalog::builtin().all().cloned()),
            (_, Some(builtin)) => plugins.push(builtin.clone()),
            (_, None) => plugins.push(trusted(name, wanted.folder)?),
        }
    }
    Ok(Catalog::empty().with(plugins).streaming(wanted.streaming))
}

/// Reads a plugin that lies in `<folder>/<name>` or in `<folder>/kong/plugins/<name>`.
fn trusted(name: &str, folder: Option<&Path>) -> Result<Arc<PluginSchema>, InstallError> {
    let missing = |looked: String| InstallError::Missing {
        name: name.to_owned(),
        looked,
    };
    let Some(folder) = folder else {
        return Err(missing(
            "the setting 'lua_plugins' names no folder".to_owned(),
        ));
    };
    // A name is not a way out of the folder.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        return Err(missing("no folder can be called that".to_owned()));
    }
    let places = [folder.join(name), folder.join("kong/plugins").join(name)];
    let Some(place) = places.iter().find(|place| place.join(HANDLER).exists()) else {
        let [one, other] = places.map(|place| place.join(HANDLER));
        let (one, other) = (one.display(), other.display());
        return Err(missing(format!("there is neither '{one}' nor '{other}'")));
    };
    if let Some((path, what)) = foreign(place) {
        return Err(InstallError::Foreign {
            name: name.to_owned(),
            path,
            what,
        });
    }
    let text = |file: &str| {
        let path = place.join(file);
        std::fs::read_to_string(&path).map_err(|source| InstallError::Unreadable {
            name: name.to_owned(),
            path,
            source,
        })
    };
    let (schema, handler) = (text(SCHEMA)?, text(HANDLER)?);
    let source = Source {
        name,
        schema: &schema,
        handler: &handler,
        trusted: true,
        on_error: custom::OnError::Fail,
        folder: Some(place),
    };
    custom::read(source).map_err(|errors| InstallError::Wrong {
        name: name.to_owned(),
        folder: place.clone(),
        errors,
    })
}

/// The file that says what a plugin may be told.
pub const SCHEMA: &str = "schema.lua";
/// The file that says what a plugin does.
pub const HANDLER: &str = "handler.lua";

/// What lies in a plugin's folder that this program has no place for, and what that would be; of several the first.
pub fn foreign(folder: &Path) -> Option<(PathBuf, &'static str)> {
    let mut there = FOREIGN
        .iter()
        .map(|(file, what)| (folder.join(file), *what));
    there.find(|(path, _)| path.exists())
}
