//! A plugin that arrives as source: what its handler must be, on both planes (custom-plugins.md 7.3), and how its files
//! reach each other.

use std::path::{Path, PathBuf};

use mlua::{Function, Lua, MultiValue, Table, Value};
use shared::plugins::custom::{Declaration, Source, SourceError};
use shared::settings::UntrustedLua;

use crate::error::Failure;
use crate::limits::Limits;
use crate::native::{self, Raise};
use crate::pdk::Phase;
use crate::requires;
use crate::script::Script;
use crate::state::{Options, State, said};
use crate::stored::Stored;

/// The file of a handler, as errors call it.
pub const HANDLER: &str = "handler.lua";

/// The phases that a handler may have methods for, in the order in which they run.
const METHODS: [Phase; 10] = [
    Phase::InitWorker,
    Phase::Configure,
    Phase::Certificate,
    Phase::Rewrite,
    Phase::Access,
    Phase::Response,
    Phase::HeaderFilter,
    Phase::BodyFilter,
    Phase::Log,
    Phase::Preread,
];

/// A handler in one machine.
pub struct Handler {
    table: Stored,
    /// In the order of [`METHODS`].
    methods: [Option<Stored>; METHODS.len()],
}

impl Handler {
    /// The method of a phase, and what it is called with first: the table that the handler's file returned.
    pub fn method(&self, phase: Phase) -> Option<(&Stored, &Stored)> {
        let place = METHODS.iter().position(|of| *of == phase)?;
        Some((self.methods[place].as_ref()?, &self.table))
    }

    /// What its file returned.
    pub(crate) fn root(&self, lua: &Lua) -> Option<Table> {
        self.table.get(lua)
    }

    /// Whether there is a method of a phase.
    pub fn has(&self, phase: Phase) -> bool {
        let place = METHODS.iter().position(|of| *of == phase);
        place.is_some_and(|place| self.methods[place].is_some())
    }
}

/// What the file of a handler returned.
struct Returned {
    table: Table,
    priority: Value,
    version: Value,
    /// In the order of [`METHODS`].
    methods: [Value; METHODS.len()],
}

/// Reads source: what it declares, or all that is wrong with it.
///
/// # Errors
/// Of the schema, of the handler, or of both.
pub(crate) fn declare(
    options: &Options,
    state: &State,
    source: Source<'_>,
) -> Result<Declaration, Vec<SourceError>> {
    let wrong = |field| move |message| SourceError { field, message };
    // Not even a schema is run then.
    if options.trust == UntrustedLua::Off && !source.trusted {
        return Err(vec![wrong("handler")(Failure::Off.to_string())]);
    }
    let shape = crate::schema::read(&source).map_err(wrong("schema"));
    let handler = checked(options, state, source).map_err(wrong("handler"));
    match (shape, handler) {
        (Ok(shape), Ok((priority, version, phases))) => Ok(Declaration {
            priority,
            version,
            phases,
            shape,
        }),
        (shape, handler) => Err([shape.err(), handler.err()].into_iter().flatten().collect()),
    }
}

type Found = (i32, String, Vec<&'static str>);

fn checked(options: &Options, state: &State, source: Source<'_>) -> Result<Found, String> {
    let script = Script::module(HANDLER, source.handler).map_err(|error| error.to_string())?;
    if !source.trusted && options.trust == UntrustedLua::Sandbox {
        requires::check(HANDLER, source.handler)?;
    }
    let handler = state
        .run_handler(&script, source.name, source.trusted, source.folder)
        .map_err(|failure| match failure {
            Failure::TooLong => format!("{HANDLER}: {failure} while its body ran"),
            other => other.to_string(),
        })?;
    handler.declared(source.name, source.trusted)
}

impl Returned {
    fn declared(&self, name: &str, trusted: bool) -> Result<Found, String> {
        let number = match self.priority {
            Value::Integer(number) => i32::try_from(number).ok(),
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 2e9 => {
                Some(number as i32)
            }
            _ => None,
        };
        let priority = number.ok_or_else(|| {
            let got = shown(&self.priority);
            format!("Plugin \"{name}\" cannot be loaded because its PRIORITY field is not a valid integer number. Got: \"{got}\".")
        })?;
        let version = match &self.version {
            Value::String(text) => Some(text.to_string_lossy()).filter(|text| is_version(text)),
            _ => None,
        };
        let version = version.ok_or_else(|| {
            let got = shown(&self.version);
            format!("Plugin \"{name}\" cannot be loaded because its VERSION field does not follow the \"x.y.z\" format. Got: \"{got}\".")
        })?;
        let mut phases = Vec::new();
        for (phase, method) in METHODS.into_iter().zip(&self.methods) {
            match method {
                Value::Nil => {}
                Value::Function(_) => phases.push(phase.name()),
                other => {
                    let (method, got) = (phase.name(), other.type_name());
                    return Err(format!(
                        "Plugin \"{name}\" can't be loaded because its `{method}` is no function but a {got}"
                    ));
                }
            }
        }
        let has = |phase: Phase| phases.contains(&phase.name());
        if has(Phase::Response) && (has(Phase::HeaderFilter) || has(Phase::BodyFilter)) {
            return Err(format!(
                "Plugin \"{name}\" can't be loaded because it implements both `response` and `header_filter` or `body_filter` methods."
            ));
        }
        if has(Phase::InitWorker) && !trusted {
            return Err(format!("Plugin \"{name}\" can't implement init_worker"));
        }
        Ok((priority, version, phases))
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.to_string_lossy().chars().take(100).collect(),
        other => format!("a {}", other.type_name()),
    }
}

/// `x.y.z`, all of them numbers.
fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && text.len() < 64 && parts.iter().all(digits)
}

impl State {
    /// Runs the body of a handler's file in an environment of its own, and says what it returned. `folder` is where the
    /// other files of the plugin are, if it may have any.
    ///
    /// # Errors
    /// [`Failure`], in the words of Lua; also when it returned no table.
    pub fn load_handler(
        &self,
        script: &Script,
        name: &str,
        trusted: bool,
        folder: Option<&Path>,
    ) -> Result<Handler, Failure> {
        let returned = self.run_handler(script, name, trusted, folder)?;
        let keep = |value| Stored::new(self.lua(), value).map_err(|error| said(&error));
        let mut methods = [const { None }; METHODS.len()];
        for (kept, method) in methods.iter_mut().zip(returned.methods) {
            if method.is_function() {
                *kept = Some(keep(method)?);
            }
        }
        Ok(Handler {
            table: keep(Value::Table(returned.table))?,
            methods,
        })
    }

    fn run_handler(
        &self,
        script: &Script,
        name: &str,
        trusted: bool,
        folder: Option<&Path>,
    ) -> Result<Returned, Failure> {
        let environment = self
            .own_modules(folder, name)
            .and_then(|own| self.plugin_environment(trusted, own))
            .map_err(|error| said(&error))?;
        let table = match self.run_module(script, environment, trusted, Limits::module())? {
            Value::Table(table) => table,
            other => {
                return Err(Failure::Raised(format!(
                    "{HANDLER} must return a table with PRIORITY, VERSION and methods, got {}",
                    crate::engine::kind(&other)
                )));
            }
        };
        let names = ["PRIORITY", "VERSION"].into_iter();
        let names = names.chain(METHODS.map(Phase::name));
        let found = self.members(&table, names)?;
        let mut found = found.into_iter();
        let mut next = || found.next().unwrap_or(Value::Nil);
        Ok(Returned {
            priority: next(),
            version: next(),
            methods: METHODS.map(|_| next()),
            table,
        })
    }

    /// What `require` asks for a plugin's other files: `kong.plugins.<name>.<module>` in its folder. It answers true and
    /// the module, which is run once, or false.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn own_modules(&self, folder: Option<&Path>, name: &str) -> mlua::Result<Function> {
        let prefix = format!("kong.plugins.{name}.");
        let folder: Option<PathBuf> = folder.map(Path::to_owned);
        type Asked = (String, Table, Table);
        native::function(
            self.lua(),
            move |lua, (module, environment, loaded): Asked| {
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
                let shown = path.file_name().unwrap_or_default().to_string_lossy();
                let script = Script::module(&shown, &source)
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
        )
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
