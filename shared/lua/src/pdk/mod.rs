//! What plugins may ask of the gateway: the `kong` and `ngx` tables (custom-plugins.md 3, 4).
//!
//! Every function is declared once, in [`list`], by its name and the phases that it may be called in; the data plane gives
//! it its behaviour through a [`Host`]. Where nobody does, as on the control plane, a function refuses the phases that it
//! would refuse anyway, and else answers nil: enough to see whether the body of a module runs.

use std::collections::HashMap;
use std::future::Future;

use mlua::{FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Table, Value};

use crate::native::{self, Raise};

mod list;
mod phase;

pub use list::GROUPS;
pub use phase::{Phase, Phases, phase, within_phase};

/// A function that plugins may call.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// Its dotted name. `kong.log()` is the call of the table itself; `ngx.var[]` reads a name that the table has not,
    /// `ngx.var[]=` writes one; all others are fields.
    pub name: &'static str,
    /// Where it may be called.
    pub phases: Phases,
}

impl Declared {
    /// What is said of a call in another phase.
    fn refusal(&self) -> Raise {
        let phase = phase();
        Raise::Text(if self.name.starts_with("ngx.") {
            format!("API disabled in the context of {}", phase.context())
        } else {
            let (now, only) = (phase.name(), self.phases);
            format!("function cannot be called in {now} phase (only in: {only})")
        })
    }

    fn check(&self) -> Result<(), Raise> {
        match self.phases.has(phase()) {
            true => Ok(()),
            false => Err(self.refusal()),
        }
    }
}

/// Gives a machine what a plane knows: called once for each [`State`](crate::State).
pub type Bind = fn(&mut Host<'_>) -> mlua::Result<()>;

/// Takes the behaviour of declared functions.
pub struct Host<'l> {
    lua: &'l Lua,
    declared: HashMap<&'static str, &'static Declared>,
    functions: Vec<(&'static str, Function)>,
    values: Vec<(&'static str, Value)>,
}

impl<'l> Host<'l> {
    fn new(lua: &'l Lua) -> Self {
        Self {
            lua,
            declared: GROUPS
                .iter()
                .copied()
                .flatten()
                .map(|found| (found.name, found))
                .collect(),
            functions: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The machine.
    pub fn lua(&self) -> &'l Lua {
        self.lua
    }

    /// What a declared function does. It is not run in a phase that is not its own.
    ///
    /// # Errors
    /// When there is no memory.
    ///
    /// # Panics
    /// If no such function is declared; a test makes every machine once.
    pub fn function<A, R>(
        &mut self,
        name: &'static str,
        run: impl Fn(&Lua, A) -> Result<R, Raise> + 'static,
    ) -> mlua::Result<()>
    where
        A: FromLuaMulti,
        R: IntoLuaMulti,
    {
        let declared = self.take(name);
        let function = native::function(self.lua, move |lua, arguments: A| {
            declared.check()?;
            run(lua, arguments)
        })?;
        self.functions.push((name, function));
        Ok(())
    }

    /// The same for one that waits.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn waiting<A, R, F>(
        &mut self,
        name: &'static str,
        run: impl Fn(Lua, A) -> F + 'static,
    ) -> mlua::Result<()>
    where
        A: FromLuaMulti + 'static,
        R: IntoLuaMulti + 'static,
        F: Future<Output = Result<R, Raise>> + 'static,
    {
        let declared = self.take(name);
        let run = std::rc::Rc::new(run);
        let function = native::waiting_function(self.lua, move |lua, arguments: A| {
            let run = run.clone();
            async move {
                declared.check()?;
                run(lua, arguments).await
            }
        })?;
        self.functions.push((name, function));
        Ok(())
    }

    /// One that is written in Lua, over functions that look at the phase themselves.
    ///
    /// # Panics
    /// See [`Host::function`].
    pub fn written(&mut self, name: &'static str, function: Function) {
        self.take(name);
        self.functions.push((name, function));
    }

    /// A value under a dotted name, such as a constant.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn value(&mut self, name: &'static str, value: impl IntoLua) -> mlua::Result<()> {
        self.values.push((name, value.into_lua(self.lua)?));
        Ok(())
    }

    fn take(&mut self, name: &'static str) -> &'static Declared {
        let declared = self.declared.remove(name);
        declared.unwrap_or_else(|| panic!("{name} is not declared, or bound twice"))
    }
}

/// The declared functions that a plane leaves without behaviour: for its tests.
///
/// # Errors
/// When there is no memory.
pub fn unbound(lua: &Lua, bind: Bind) -> mlua::Result<Vec<&'static str>> {
    let mut host = Host::new(lua);
    bind(&mut host)?;
    Ok(host.declared.into_keys().collect())
}

/// The tables `kong` and `ngx`. `protect` makes a table one that can only be read.
pub(crate) fn tables(
    lua: &Lua,
    bind: Option<Bind>,
    protect: &Function,
    ngx: Table,
) -> mlua::Result<(Table, Table)> {
    let mut host = Host::new(lua);
    if let Some(bind) = bind {
        bind(&mut host)?;
    }
    let functions = lua.create_table()?;
    for declared in host.declared.values().copied() {
        let dry = native::function(lua, move |_, _: MultiValue| declared.check())?;
        functions.set(declared.name, dry)?;
    }
    for (name, function) in host.functions {
        functions.set(name, function)?;
    }
    let values = lua.create_table()?;
    for (name, value) in host.values {
        values.set(name, value)?;
    }
    lua.load(include_str!("pdk.lua"))
        .set_name("=pdk")
        .call((functions, values, ngx, protect))
}
