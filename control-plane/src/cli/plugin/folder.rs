//! The folder of a plugin: two files.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shared::plugins::installed::{HANDLER, SCHEMA, foreign};

/// The source in a folder.
pub(super) struct Folder {
    pub(super) schema: String,
    pub(super) handler: String,
    /// Other files of Lua that lie there.
    pub(super) unsent: Vec<PathBuf>,
}

/// Why a folder is no plugin, or cannot become one.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    #[error("cannot read '{}': {source} (a plugin's folder has {SCHEMA} and {HANDLER})", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write '{}': {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("'{}' is there, and {what} are not supported", path.display())]
    Foreign { path: PathBuf, what: &'static str },
    #[error("'{}' says no name for a plugin (give one with --name)", path.display())]
    Nameless { path: PathBuf },
    #[error("'{}' says something else; nothing is written (--force writes over it)", path.display())]
    Differs { path: PathBuf },
}

impl Folder {
    pub(super) fn read(dir: &Path) -> Result<Folder, FolderError> {
        if let Some((path, what)) = foreign(dir) {
            return Err(FolderError::Foreign { path, what });
        }
        let text = |file: &str| {
            let path = dir.join(file);
            std::fs::read_to_string(&path).map_err(|source| FolderError::Read { path, source })
        };
        Ok(Folder {
            schema: text(SCHEMA)?,
            handler: text(HANDLER)?,
            unsent: unsent(dir),
        })
    }

    /// Whether a stored plugin is of this source.
    pub(super) fn is_in(&self, plugin: &Value) -> bool {
        plugin["schema"] == self.schema.as_str() && plugin["handler"] == self.handler.as_str()
    }
}

/// The other files of Lua in a folder, by name. A folder that cannot be listed has none: what matters was read.
fn unsent(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_ours = |path: &Path| path.ends_with(SCHEMA) || path.ends_with(HANDLER);
    let is_lua = |path: &Path| path.extension().is_some_and(|extension| extension == "lua");
    let mut found: Vec<PathBuf> = paths
        .filter(|path| is_lua(path) && !is_ours(path))
        .collect();
    found.sort();
    found
}

/// What a folder is called; `.` is called as where one is.
pub(super) fn name_of(dir: &Path) -> Result<String, FolderError> {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = whole.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| FolderError::Nameless {
            path: dir.to_owned(),
        })
}

/// Writes both files; those that were written.
pub(super) fn write(dir: &Path, plugin: &Value, force: bool) -> Result<Vec<PathBuf>, FolderError> {
    let files = [(SCHEMA, &plugin["schema"]), (HANDLER, &plugin["handler"])];
    let files = files.map(|(file, text)| (dir.join(file), text.as_str().unwrap_or_default()));
    let differs =
        |path: &Path, text: &str| std::fs::read(path).is_ok_and(|there| there != text.as_bytes());
    if !force && let Some((path, _)) = files.iter().find(|(path, text)| differs(path, text)) {
        return Err(FolderError::Differs { path: path.clone() });
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| FolderError::Write { path, source }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    for (path, text) in &files {
        std::fs::write(path, text).map_err(failed(path))?;
    }
    Ok(files.map(|(path, _)| path).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        folder
    }

    #[test]
    fn a_folder_is_its_two_files_and_says_what_it_leaves_out() {
        let files = [
            (SCHEMA, "s"),
            (HANDLER, "h"),
            ("access.lua", ""),
            ("README.md", ""),
        ];
        let given = folder(&files);
        let read = Folder::read(given.path()).expect("both files are there");
        assert_eq!((read.schema.as_str(), read.handler.as_str()), ("s", "h"));
        assert_eq!(read.unsent, [given.path().join("access.lua")]);
        assert!(read.is_in(&json!({ "schema": "s", "handler": "h" })));
        assert!(!read.is_in(&json!({ "schema": "s", "handler": "other" })));
    }

    #[test]
    fn a_folder_that_is_no_plugin_is_said_with_the_file() {
        for (files, said) in [
            (
                &[(SCHEMA, "s")][..],
                "handler.lua': No such file or directory",
            ),
            (
                &[(HANDLER, "h")][..],
                "schema.lua': No such file or directory",
            ),
            (
                &[(SCHEMA, "s"), (HANDLER, "h"), ("daos.lua", "")][..],
                "daos.lua' is there, and plugins with entities of their own are not supported",
            ),
        ] {
            let given = folder(files);
            let error = Folder::read(given.path()).err().expect(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_says_something_else_is_kept_unless_it_is_meant() {
        let plugin = json!({ "schema": "s", "handler": "h" });
        let given = folder(&[(SCHEMA, "s"), (HANDLER, "edited")]);
        let error = write(given.path(), &plugin, false).expect_err("it was edited");
        assert!(
            error
                .to_string()
                .contains("handler.lua' says something else"),
            "{error}"
        );
        write(given.path(), &plugin, true).expect("it is meant");
        let again = write(given.path(), &plugin, false).expect("it says the same");
        assert_eq!(again.len(), 2);
        let new = given.path().join("deep/new");
        write(&new, &plugin, false).expect("a new folder");
        assert_eq!(
            std::fs::read_to_string(new.join(HANDLER)).expect("written"),
            "h"
        );
    }
}
