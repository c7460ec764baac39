//! The load check of a plugin that arrives as source (custom-plugins.md 7.3).

use std::path::{Path, PathBuf};

use mlua::{Function, MultiValue, Table, Value};

use crate::native::{self, Raise};
use crate::script::Script;
use crate::state::State;

impl State {
    /// What `require` asks for a plugin's other files: `kong.plugins.<name>.<module>` in its folder. It answers true and
    /// the module, which is run once, or false.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn own_modules(&self, folder: Option<&Path>, name: &str) -> mlua::Result<Function> {
        let prefix = format!("kong.plugins.{name}.");
        let folder: Option<PathBuf> = folder.map(Path::to_owned);
        let loaded: Table = self.lua().create_table()?;
        let asked = native::function(
            self.lua(),
            move |lua, (module, environment): (String, Table)| {
                let absent = || (false, Value::Nil);
                let (Some(folder), Some(rest)) = (&folder, module.strip_prefix(&prefix)) else {
                    return Ok(absent());
                };
                let known: Value = loaded.raw_get(module.as_str())?;
                if !known.is_nil() {
                    return Ok((true, known));
                }
                let Some(path) = file(folder, rest) else {
                    return Ok(absent());
                };
                let source = std::fs::read_to_string(&path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                let shown = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                let script = Script::module(&shown.unwrap_or_default(), &source)
                    .map_err(|failure| Raise::Text(failure.to_string()))?;
                let chunk = script.load(lua)?;
                chunk.set_environment(environment)?;
                let mut values: MultiValue = chunk.call(module.as_str())?;
                let value = match values.pop_front() {
                    None | Some(Value::Nil) => Value::Boolean(true),
                    Some(value) => value,
                };
                loaded.raw_set(module, &value)?;
                Ok((true, value))
            },
        )?;
        Ok(asked)
    }
}

/// The file of a module: `a/b.lua` or `a/b/init.lua` for `a.b`.
fn file(folder: &Path, module: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = module.split('.').collect();
    let plain = |part: &&str| !part.is_empty() && !part.contains(['/', '\\', '\0']);
    if !parts.iter().all(plain) {
        return None;
    }
    let path: PathBuf = folder.join(parts.join("/"));
    [path.with_extension("lua"), path.join("init.lua")]
        .into_iter()
        .find(|path| path.is_file())
}
