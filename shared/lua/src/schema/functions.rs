//! Functions of a schema: where they are, and how they are called.
//!
//! A schema is used on any thread and outlives every machine, so a rule keeps the script and the way to its function
//! through the table that the script returns. Each thread runs the script once, when it first calls one of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use mlua::{Function, Lua, Table, Value};
use serde_json::Value as Json;
use shared::plugins::custom::Source;
use shared::schema::{Custom, Document, Run, Violations, notation};

use super::{json, typedefs, worded};
use crate::error::Failure;
use crate::limits::Limits;
use crate::native::{self, Raise};
use crate::script::{Compiled, Script};
use crate::state::{Options, State, said};
use crate::stored::Stored;

/// What running a schema, or one of its functions, may use (custom-plugins.md 2.2).
const LIMITS: Limits = Limits {
    cpu: Duration::from_millis(50),
    memory: 16 << 20,
};

/// A `schema.lua` that compiles.
#[derive(Clone, Debug)]
pub struct Program {
    script: Script,
    plugin: Arc<Plugin>,
}

/// Whose schema it is.
#[derive(Debug)]
struct Plugin {
    name: String,
    trusted: bool,
    folder: Option<PathBuf>,
}

/// One step of the way through tables.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// A machine for schemas, and what those that have been run here returned.
struct Scratch {
    state: State,
    /// Calls a function and puts its results into a table.
    gathered: Function,
    roots: HashMap<u64, (Weak<Compiled>, Stored)>,
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

impl Program {
    /// A compiled schema, and whose it is: from a trusted plugin nothing is kept (custom-plugins.md 6.1).
    pub fn new(script: Script, source: &Source<'_>) -> Self {
        let plugin = Arc::new(Plugin {
            name: source.name.to_owned(),
            trusted: source.trusted,
            folder: source.folder.map(Into::into),
        });
        Self { script, plugin }
    }

    /// Runs it, if this thread has not yet, and hands over the table that it returns.
    pub(super) fn with_table<T>(
        &self,
        take: impl FnOnce(&Table) -> Result<T, String>,
    ) -> Result<T, String> {
        let taken = Scratch::with(|scratch| Ok(take(&scratch.root(self)?)));
        taken.map_err(worded)?
    }

    /// Calls the function at the end of a way; `take` reads its results.
    fn call<T>(
        &self,
        way: &[Step],
        arguments: impl FnOnce(&Lua) -> mlua::Result<Value>,
        take: impl FnOnce(&Table) -> T,
    ) -> Result<T, Failure> {
        Scratch::with(|scratch| {
            let root = scratch.root(self)?;
            let function = found(&root, way).ok_or_else(|| {
                Failure::Raised("schema.lua does not return the same table every time".to_owned())
            })?;
            let argument = arguments(scratch.state.lua()).map_err(|error| said(&error))?;
            let arguments = (function, argument);
            let results = scratch.state.invoke(&scratch.gathered, arguments, LIMITS)?;
            match results {
                Value::Table(results) => Ok(take(&results)),
                _ => Err(Failure::Raised("no results".to_owned())),
            }
        })
    }

    /// A `custom_validator`: false or nil refuses the value, and what comes with it says why.
    pub(super) fn validator(&self, way: Vec<Step>) -> Custom {
        let program = self.clone();
        Custom::new(move |value| {
            let argument = |lua: &Lua| json::to_lua(lua, value);
            match program.call(&way, argument, accepted) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(text)) => Err(text.unwrap_or_else(|| failed(&shown(value)))),
                Err(failure) => Err(failed(&failure.to_string())),
            }
        })
    }

    /// A `custom_entity_check`: it sees the fields that it names and no others. A third result blames single fields.
    /// Without any of the fields it is run only if it wants to be.
    pub(super) fn entity_check(&self, way: Vec<Step>, sources: Vec<String>, missing: bool) -> Run {
        let program = self.clone();
        Run::new(move |document, violations| {
            let seen = part(document, &sources);
            if seen.is_empty() && !missing {
                return;
            }
            let argument = |lua: &Lua| json::to_lua(lua, &Json::Object(seen));
            let results = |results: &Table| (accepted(results), blamed(results));
            match program.call(&way, argument, results) {
                Ok((Ok(()), _)) => {}
                Ok((Err(text), fields)) => {
                    violations.entity_check(text.unwrap_or_else(|| unexplained(&sources)));
                    violations.extend(fields);
                }
                Err(failure) => violations.entity_check(failed(&failure.to_string())),
            }
        })
    }
}

impl Scratch {
    fn with<T>(run: impl FnOnce(&mut Scratch) -> Result<T, Failure>) -> Result<T, Failure> {
        SCRATCH.with_borrow_mut(|kept| {
            if kept.as_ref().is_none_or(|scratch| scratch.state.is_worn()) {
                *kept = None;
                *kept = Some(Scratch::new().map_err(|error| said(&error))?);
            }
            run(kept.as_mut().expect("it was made above"))
        })
    }

    fn new() -> mlua::Result<Self> {
        let state = State::new(&Options::default())?;
        let gathered = state
            .lua()
            .load("local f = ... return { f(select(2, ...)) }");
        Ok(Self {
            gathered: gathered.set_name("=engine").into_function()?,
            state,
            roots: HashMap::new(),
        })
    }

    /// The table that a schema returned here; it is run if it has not been.
    fn root(&mut self, program: &Program) -> Result<Table, Failure> {
        let script = &program.script;
        let lua = self.state.lua().clone();
        let known = self.roots.get(&script.number());
        if let Some(root) = known.and_then(|(_, root)| root.get(&lua)) {
            return Ok(root);
        }
        let environment =
            environment(&self.state, &program.plugin).map_err(|error| said(&error))?;
        let root = match self.state.run_module(script, environment, false, LIMITS)? {
            Value::Table(root) => root,
            other => {
                let got = crate::engine::kind(&other);
                return Err(Failure::Raised(format!(
                    "expected a table to be returned, got {got}"
                )));
            }
        };
        if self.roots.len() == self.roots.capacity() {
            self.roots
                .retain(|_, (script, _)| script.strong_count() > 0);
        }
        let kept = Stored::new(&lua, &root).map_err(|error| said(&error))?;
        let kept = (Arc::downgrade(script.compiled()), kept);
        self.roots.insert(script.number(), kept);
        Ok(root)
    }
}

/// What a schema sees: the sandbox, and typedefs of its own, since it may change them.
fn environment(state: &State, plugin: &Plugin) -> mlua::Result<Table> {
    let own = state.own_modules(plugin.folder.as_deref(), &plugin.name)?;
    let environment = state.plugin_environment(plugin.trusted, own)?;
    let others: Function = environment.raw_get("require")?;
    type Asked = (Value, Option<Table>);
    let own = native::function(state.lua(), |lua, (name, opened): Asked| {
        if name.as_string().is_none_or(|name| name != typedefs::NAME) {
            return Ok(None);
        }
        let opened = opened.map_or_else(|| typedefs::open(lua), Ok);
        Ok::<_, Raise>(Some(opened?))
    })?;
    let require = state.lua().load(
        "local own, others = ...
         local opened
         return function(name)
           local module = own(name, opened)
           if module then
             opened = module
             return module
           end
           return others(name) -- in its own place: it blames its caller
         end",
    );
    let require: Function = require.set_name("=engine").call((own, others))?;
    environment.raw_set("require", require)?;
    Ok(environment)
}

/// The function at the end of a way.
fn found(root: &Table, way: &[Step]) -> Option<Function> {
    let mut value = Value::Table(root.clone());
    for step in way {
        let Value::Table(table) = &value else {
            return None;
        };
        value = match step {
            Step::Name(name) => table.raw_get(name.as_str()),
            Step::Index(index) => table.raw_get(*index),
        }
        .ok()?;
    }
    match value {
        Value::Function(function) => Some(function),
        _ => None,
    }
}

/// What a function of a schema answers: whether it takes the value, and perhaps why not.
fn accepted(results: &Table) -> Result<(), Option<String>> {
    let result = |place: usize| results.raw_get(place).unwrap_or(Value::Nil);
    match result(1) {
        Value::Nil | Value::Boolean(false) => Err(match result(2) {
            Value::Nil => None,
            Value::String(text) => Some(text.to_string_lossy()),
            other => json::Reader::default()
                .value(&other)
                .ok()
                .map(|value| shown(&value)),
        }),
        _ => Ok(()),
    }
}

/// The errors of single fields in the third result.
fn blamed(results: &Table) -> Violations {
    let mut violations = Violations::default();
    let fields = results.raw_get(3).unwrap_or(Value::Nil);
    if let Ok(Json::Object(fields)) = json::Reader::default().value(&fields) {
        blame(&fields, &mut Vec::new(), &mut violations);
    }
    violations
}

fn blame<'f>(fields: &'f Document, path: &mut Vec<&'f str>, violations: &mut Violations) {
    for (name, wrong) in fields {
        let parts = path.len();
        path.extend(name.split('.'));
        match wrong {
            Json::Object(inner) => blame(inner, path, violations),
            other => violations.insert(path, shown(other)),
        }
        path.truncate(parts);
    }
}

/// The fields of these names, and nothing else of the document.
fn part(document: &Document, names: &[String]) -> Document {
    let mut part = Document::new();
    for name in names {
        let mut steps = name.split('.');
        let first = steps.next().and_then(|name| document.get(name));
        if let Some(value) = steps
            .try_fold(first, |value, name| Some(value?.get(name)))
            .flatten()
        {
            put(&mut part, name, value.clone());
        }
    }
    part
}

fn put(into: &mut Document, path: &str, value: Json) {
    match path.split_once('.') {
        None => drop(into.insert(path.to_owned(), value)),
        Some((name, rest)) => {
            let record = into.entry(name).or_insert_with(|| Document::new().into());
            if let Json::Object(record) = record {
                put(record, rest, value);
            }
        }
    }
}

fn failed(why: &str) -> String {
    format!("failed validating: {why}")
}

fn unexplained(sources: &[String]) -> String {
    let names: Vec<_> = sources.iter().map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    format!("failed entity check: custom_entity_check({names})")
}

/// A value within a message.
fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => notation::inline(other),
    }
}
