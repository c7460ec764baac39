//! One Lua virtual machine: what may run in it, and how it is called.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use mlua::{Function, IntoLua, IntoLuaMulti, Lua, LuaOptions, MultiValue, StdLib, Table, Value};

use shared::settings::{LuaJit, UntrustedLua, Words};

use crate::coroutine::{Coroutine, Idle};
use crate::engine::{self, TRACEBACK};
use crate::error::Failure;
use crate::json::{self, Original, Unwritable};
use crate::limits::{Interruptible, Limits, Watch, prepare};
use crate::modules;
use crate::native;
use crate::pdk::{self, Bind, Phase};
use crate::running::Running;
use crate::script::{Compiled, Kind, Script};
use crate::stored::Stored;

/// Memory of one state, if nothing else is said (custom-plugins.md 6.3).
const MEMORY: usize = 256 << 20;

/// The longest text that the engine's own functions put together.
pub(crate) const LONGEST_TEXT: usize = MEMORY / 4;

/// How long a result may take to be written: far longer than what is no trick, such as a table that holds the same one
/// twice, which holds the same one twice, forty times over.
const WRITING: Duration = Duration::from_secs(1);

/// Where what makes tables of headers is kept.
const HEADERS: &str = "headgate.headers";

/// What Kong says of code that it may not run.
pub(crate) const OFF: &str =
    "loading of untrusted Lua code disabled because 'untrusted_lua' config option is set to 'off'";

/// How states are made.
#[derive(Clone, Debug)]
pub struct Options {
    /// `untrusted_lua`.
    pub trust: UntrustedLua,
    /// `untrusted_lua_sandbox_requires`: modules that `require` gives.
    pub requires: Vec<String>,
    /// `untrusted_lua_sandbox_environment`: names, dotted or not, that are visible beside the usual ones.
    pub environment: Vec<String>,
    /// What gives `kong` and `ngx` their behaviour; without it they can be looked at and not used.
    pub bind: Option<Bind>,
    /// `lua_jit`: which code is compiled to machine code.
    pub jit: LuaJit,
    /// `lua_memory_limit`: bytes of one machine (custom-plugins.md 6.3).
    pub memory: usize,
    /// Where the lines of `print` go.
    pub print: fn(&Lua, &str),
}

impl Default for Options {
    /// The defaults of the settings.
    fn default() -> Self {
        Self {
            trust: UntrustedLua::Sandbox,
            requires: Vec::new(),
            environment: Vec::new(),
            bind: None,
            jit: LuaJit::On,
            memory: MEMORY,
            print: |_, text| tracing::info!(target: "lua", "{text}"),
        }
    }
}

impl Options {
    /// As the settings say.
    pub fn new(trust: UntrustedLua, requires: &Words, environment: &Words) -> Self {
        Self {
            trust,
            requires: requires.0.clone(),
            environment: environment.0.clone(),
            ..Self::default()
        }
    }
}

/// What LuaJIT calls itself: `LuaJIT 2.1.1741730670`. It is told once, by a machine made for it.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let told = Lua::new_with(StdLib::JIT, LuaOptions::new())
            .and_then(|lua| lua.globals().get::<Table>("jit")?.get("version"));
        told.unwrap_or_else(|_| "LuaJIT 2.1".to_owned())
    });
    &VERSION
}

/// One virtual machine. It stays on its thread.
pub struct State {
    lua: Lua,
    interruptible: Interruptible,
    trust: UntrustedLua,
    jit: LuaJit,
    memory: usize,
    entry: Entry,
    /// The metatable of arrays that came from JSON.
    arrays: Table,
    /// Coroutines of calls that have ended.
    idle: Rc<Idle>,
    /// Scripts that have been loaded here, by their number.
    loaded: RefCell<HashMap<u64, Loaded>>,
}

/// What `sandbox.lua` gives back.
struct Entry {
    environment: Function,
    template: Function,
    call: Function,
    handle: Function,
    members: Function,
    plugin: Function,
    render: Function,
}

struct Loaded {
    script: Weak<Compiled>,
    function: Stored,
}

impl State {
    /// A new virtual machine: about 1.4 ms and 50 KB.
    ///
    /// # Errors
    /// None that a caller could do something about: the sandbox is part of the program.
    pub fn new(options: &Options) -> mlua::Result<Self> {
        let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::new())?;
        lua.set_memory_limit(options.memory)?;
        let interruptible = prepare(&lua, options.jit)?;
        native::prepare(&lua)?;
        let functions = engine::functions(&lua, options.print)?;
        let requires = lua.create_sequence_from(options.requires.iter().map(String::as_str))?;
        let names = lua.create_sequence_from(options.environment.iter().map(String::as_str))?;
        let sandbox = lua.load(include_str!("sandbox.lua")).set_name("=sandbox");
        let entry: Table = sandbox.call((functions, requires, names))?;
        let ngx = modules::ngx::ngx(&lua)?;
        let tables = pdk::tables(&lua, options.bind, &entry.get("protect")?, ngx)?;
        entry.get::<Function>("install")?.call::<()>(tables)?;
        modules::cjson::prepare(&lua, &entry.get("arrays")?, &entry.get("protect")?)?;
        lua.set_named_registry_value(HEADERS, entry.get::<Function>("headers")?)?;
        Ok(Self {
            entry: Entry {
                environment: entry.get("environment")?,
                template: entry.get("template")?,
                call: entry.get("call")?,
                handle: entry.get("handle")?,
                members: entry.get("members")?,
                plugin: entry.get("plugin")?,
                render: entry.get("render")?,
            },
            arrays: entry.get("arrays")?,
            idle: Idle::of(&lua),
            lua,
            interruptible,
            trust: options.trust,
            jit: options.jit,
            memory: options.memory,
            loaded: RefCell::default(),
        })
    }

    /// The machine, to make values in.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// The environment of the templates of one request: `roots` are the names that it has, over those of the sandbox.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn template_environment(&self, roots: Table) -> mlua::Result<Table> {
        self.entry
            .template
            .call((roots, self.trust == UntrustedLua::On))
    }

    /// What an expression prints in this environment: nil and false nothing, a list its elements.
    ///
    /// # Errors
    /// [`Failure`], in the words of Lua.
    pub fn render(
        &self,
        script: &Script,
        environment: &Table,
        limits: Limits,
    ) -> Result<Vec<u8>, Failure> {
        debug_assert_eq!(script.kind(), Kind::Expression);
        let function = self.load(script, None)?;
        let set = function.set_environment(environment.clone());
        set.map_err(|error| said(&error))?;
        match self.guarded(limits, || self.entry.render.call((function,)))? {
            Value::String(text) => Ok(text.as_bytes().to_vec()),
            other => Err(Failure::Raised(format!(
                "cannot print a {}",
                engine::kind(&other)
            ))),
        }
    }

    /// Calls the function that a script returned when it was first run here.
    ///
    /// # Errors
    /// [`Failure`], in the words of Lua.
    pub fn call(&self, script: &Script, argument: Value, limits: Limits) -> Result<Value, Failure> {
        debug_assert_eq!(script.kind(), Kind::Function);
        let function = self.load(script, Some(limits))?;
        self.guarded(limits, || self.entry.call.call((function, argument)))
    }

    /// How many scripts are kept.
    #[cfg(test)]
    pub(crate) fn loaded(&self) -> usize {
        self.loaded.borrow().len()
    }

    /// The function of a script: loaded the first time, and if `run` says so what running it returned.
    fn load(&self, script: &Script, run: Option<Limits>) -> Result<Function, Failure> {
        if self.trust == UntrustedLua::Off {
            return Err(Failure::Off);
        }
        let known = |loaded: &Loaded| loaded.function.get(&self.lua);
        if let Some(function) = self.loaded.borrow().get(&script.number()).and_then(known) {
            return Ok(function);
        }
        let function = match run {
            None => script.load(&self.lua).map_err(|error| said(&error))?,
            Some(limits) => self.run(&self.load_chunk(script)?, limits)?,
        };
        let mut loaded = self.loaded.borrow_mut();
        if loaded.len() == loaded.capacity() {
            loaded.retain(|_, loaded| loaded.script.strong_count() > 0);
        }
        let entry = Loaded {
            script: Arc::downgrade(script.compiled()),
            function: Stored::new(&self.lua, &function).map_err(|error| said(&error))?,
        };
        loaded.insert(script.number(), entry);
        Ok(function)
    }

    /// Runs the chunk of a function, without calling the function or keeping it.
    ///
    /// # Errors
    /// [`Failure`]: it does not run, or returns no function.
    pub(crate) fn prove(&self, script: &Script) -> Result<(), Failure> {
        let chunk = self.load_chunk(script)?;
        self.run(&chunk, Limits::default()).map(drop)
    }

    /// Runs a chunk; it must return a function.
    fn run(&self, chunk: &Function, limits: Limits) -> Result<Function, Failure> {
        match self.guarded(limits, || self.entry.call.call((chunk,)))? {
            Value::Function(function) => Ok(function),
            other => Err(Failure::NoFunction(engine::kind(&other))),
        }
    }

    /// The names of a plugin's code. `own` gives the plugin's other files: true and a module, or false.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn plugin_environment(&self, trusted: bool, own: Function) -> mlua::Result<Table> {
        let trusted = trusted || self.trust == UntrustedLua::On;
        self.entry.plugin.call((trusted, own))
    }

    /// A script, loaded and not yet run, in an environment of its own.
    ///
    /// # Errors
    /// [`Failure`]; also when nothing may run.
    pub fn load_chunk(&self, script: &Script) -> Result<Function, Failure> {
        if self.trust == UntrustedLua::Off {
            return Err(Failure::Off);
        }
        let chunk = script.load(&self.lua).map_err(|error| said(&error))?;
        self.interpret(&chunk)?;
        let environment: mlua::Result<Table> =
            self.entry.environment.call(self.trust == UntrustedLua::On);
        let set = environment.and_then(|environment| chunk.set_environment(environment));
        set.map_err(|error| said(&error))?;
        Ok(chunk)
    }

    /// Keeps code of little trust, and all functions in it, from being compiled where `lua_jit` says so.
    fn interpret(&self, chunk: &Function) -> Result<(), Failure> {
        if self.jit != LuaJit::Trusted {
            return Ok(());
        }
        let interpret = || -> mlua::Result<()> {
            let jit: Table = self.lua.globals().get("jit")?;
            jit.get::<Function>("off")?.call((chunk, true))
        };
        interpret().map_err(|error| said(&error))
    }

    /// What a table has under these names, in their order, be it from its class.
    ///
    /// # Errors
    /// [`Failure`], in the words of Lua: a metatable's function may fail.
    pub(crate) fn members<'n>(
        &self,
        table: &Table,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<Value>, Failure> {
        let names: Vec<&str> = names.collect();
        let count = names.len();
        let call = || self.entry.members.call((table, names));
        match self.guarded(Limits::module(), call)? {
            Value::Table(found) => (1..=count)
                .map(|place| found.raw_get(place).map_err(|error| said(&error)))
                .collect(),
            _ => Ok(Vec::new()),
        }
    }

    /// Runs the body of a module in an environment; it answers what the module returns. `trusted` code lies on the machine.
    ///
    /// # Errors
    /// [`Failure`], in the words of Lua.
    pub fn run_module(
        &self,
        script: &Script,
        environment: Table,
        trusted: bool,
        limits: Limits,
    ) -> Result<Value, Failure> {
        let chunk = script.load(&self.lua).map_err(|error| said(&error))?;
        if !trusted {
            self.interpret(&chunk)?;
        }
        let set = chunk.set_environment(environment);
        set.map_err(|error| said(&error))?;
        pdk::within_phase(Phase::Init, || {
            self.guarded(limits, || self.entry.call.call((chunk,)))
        })
    }

    /// Calls a function before there is any request; it answers its first result.
    ///
    /// # Errors
    /// [`Failure`], in the words of Lua.
    pub(crate) fn invoke(
        &self,
        function: &Function,
        arguments: impl IntoLuaMulti,
        limits: Limits,
    ) -> Result<Value, Failure> {
        let arguments = arguments.into_lua_multi(&self.lua);
        let mut arguments = arguments.map_err(|error| said(&error))?;
        arguments.push_front(Value::Function(function.clone()));
        pdk::within_phase(Phase::Init, || {
            self.guarded(limits, || self.entry.call.call(arguments))
        })
    }

    /// Calls a function as a coroutine, which may wait where the phase allows it. It runs while the future is polled.
    ///
    /// # Errors
    /// When the arguments cannot be made.
    pub fn start(
        self: &Rc<Self>,
        phase: Phase,
        function: impl IntoLua,
        arguments: impl IntoLuaMulti,
        cpu: Duration,
    ) -> Result<Running, Failure> {
        let (lua, idle) = (&self.lua, self.idle.clone());
        let call = Coroutine::within(lua, idle, &self.entry.handle, (function, arguments));
        let call = call.map_err(|error| said(&error))?;
        Ok(Running::new(self.clone(), phase, call, cpu))
    }

    /// What a call answered: true and values, or false and a text.
    pub(crate) fn answer(&self, answer: mlua::Result<MultiValue>) -> Result<MultiValue, Failure> {
        let mut values = answer.map_err(|error| said(&error))?;
        match (values.pop_front(), values.front()) {
            (Some(Value::Boolean(true)), _) => Ok(values),
            (_, Some(Value::String(text))) => Err(self.raised(text.to_string_lossy())),
            _ => Err(Failure::Raised("no reason was given".to_owned())),
        }
    }

    /// What of this state a watch needs.
    pub(crate) fn interruptible(&self) -> Interruptible {
        self.interruptible
    }

    /// A JSON text as a value, and what Lua would not remember of it.
    ///
    /// # Errors
    /// What is wrong with the text; also nesting deeper than 1000.
    pub fn read<'t>(&self, text: &'t str) -> Result<(Value, Original<'t>), String> {
        json::read(&self.lua, &self.arrays, text)
    }

    /// A value as JSON text; `original` is what [`State::read`] said of it.
    ///
    /// # Errors
    /// What has no JSON: functions, numbers that are none, text that is not UTF-8, tables within themselves; and what
    /// would be too long.
    pub fn write(&self, value: &Value, original: &Original<'_>) -> Result<Vec<u8>, Unwritable> {
        let mut out = Vec::new();
        let _watch = Watch::begin(self.interruptible, WRITING);
        json::write(value, original, &self.arrays, &mut out)?;
        Ok(out)
    }

    /// One call of Lua within limits. The callee answers true and a value, or false and a text.
    fn guarded(
        &self,
        limits: Limits,
        call: impl FnOnce() -> mlua::Result<MultiValue>,
    ) -> Result<Value, Failure> {
        let memory = self
            .lua
            .used_memory()
            .saturating_add(limits.memory)
            .min(self.memory);
        let _ = self.lua.set_memory_limit(memory);
        let watch = Watch::begin(self.interruptible, limits.cpu);
        let answer = call();
        let overrun = watch.overrun();
        drop(watch);
        let _ = self.lua.set_memory_limit(self.memory);
        if overrun {
            return Err(Failure::TooLong);
        }
        let mut values = self.answer(answer)?;
        Ok(values.pop_front().unwrap_or(Value::Nil))
    }

    /// A call that ran out of memory leaves much behind: it goes at once.
    fn raised(&self, text: String) -> Failure {
        let (said, _) = text.split_once(TRACEBACK).unwrap_or((&text, ""));
        if said.ends_with("not enough memory") {
            let _ = self.lua.gc_collect();
            return Failure::Memory;
        }
        Failure::Raised(text)
    }

    /// Whether it holds more than three quarters of what it may, even after a collection: a new one is better.
    pub fn is_worn(&self) -> bool {
        let mark = self.memory / 4 * 3;
        if self.lua.used_memory() > mark {
            let _ = self.lua.gc_collect();
        }
        self.lua.used_memory() > mark
    }
}

/// A table of headers by their names in small letters, which from now on finds them in any case, and with `_` for `-`.
///
/// # Errors
/// When there is no memory.
pub fn header_names(lua: &Lua, table: Table) -> mlua::Result<Table> {
    lua.named_registry_value::<Function>(HEADERS)?.call(table)
}

/// An error of the machine, as Lua words it, without the traceback.
pub(crate) fn said(error: &mlua::Error) -> Failure {
    match error {
        mlua::Error::MemoryError(_) => Failure::Memory,
        mlua::Error::SyntaxError { message, .. } => Failure::Raised(message.clone()),
        mlua::Error::RuntimeError(text) => {
            let text = text.split("\nstack traceback:").next().unwrap_or(text);
            Failure::Raised(text.to_owned())
        }
        mlua::Error::CallbackError { cause, .. } => said(cause),
        other => Failure::Raised(other.to_string()),
    }
}
