//! Source that has been compiled once and can be loaded into any state.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua};

use crate::error::Failure;
use crate::state::said;

/// The longest source (custom-plugins.md 6.2).
const LONGEST_SOURCE: usize = 1 << 20;

/// What a script is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An expression of a template: chunk name `TMP`.
    Expression,
    /// A chunk that returns a function.
    Function,
    /// A chunk that returns what it likes.
    Module,
}

/// Compiled source. Cheap to clone; a state forgets it once the last clone is gone.
#[derive(Clone, Debug)]
pub struct Script(Arc<Compiled>);

#[derive(Debug)]
pub(crate) struct Compiled {
    number: u64,
    kind: Kind,
    code: Vec<u8>,
}

thread_local! {
    // A machine that compiles and runs nothing.
    static COMPILER: RefCell<Option<Lua>> = const { RefCell::new(None) };
}

impl Script {
    /// Compiles an expression, without `$(` and `)`.
    ///
    /// # Errors
    /// What Lua's compiler says: `[string "TMP"]:1: ')' expected near 'b'`.
    pub fn expression(source: &str) -> Result<Self, Failure> {
        // Nil and false print nothing. In parentheses, as Kong's templates have it: the compiler's words depend on that.
        Self::compile(Kind::Expression, "TMP", &format!("return ({source}) or ''"))
    }

    /// Compiles a chunk that is to return a function.
    ///
    /// # Errors
    /// What Lua's compiler says.
    pub fn function(source: &str) -> Result<Self, Failure> {
        Self::compile(Kind::Function, source, source)
    }

    /// Compiles a chunk that stands in a configuration: errors call it by how it begins.
    ///
    /// # Errors
    /// What Lua's compiler says: `[string "return"]:1: …`.
    pub fn chunk(source: &str) -> Result<Self, Failure> {
        Self::compile(Kind::Module, source, source)
    }

    /// Compiles a file: `name` is what errors call it, `handler.lua`.
    ///
    /// # Errors
    /// What Lua's compiler says: `handler.lua:3: unexpected symbol near '='`.
    pub fn module(name: &str, source: &str) -> Result<Self, Failure> {
        Self::compile(Kind::Module, &format!("={name}"), source)
    }

    fn compile(kind: Kind, name: &str, source: &str) -> Result<Self, Failure> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if source.len() > LONGEST_SOURCE {
            let length = source.len();
            return Err(Failure::Raised(format!(
                "source is longer than {LONGEST_SOURCE} bytes, got {length}"
            )));
        }
        let compiled = COMPILER.with_borrow_mut(|compiler| {
            let lua = compiler.get_or_insert_with(Lua::new);
            let chunk = lua.load(source).set_name(name).set_mode(ChunkMode::Text);
            chunk.into_function().map(|function| function.dump(false))
        });
        Ok(Self(Arc::new(Compiled {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            kind,
            code: compiled.map_err(|error| said(&error))?,
        })))
    }

    /// Loads it into a machine, where it has not been run yet.
    pub(crate) fn load(&self, lua: &Lua) -> mlua::Result<Function> {
        lua.load(&self.0.code[..])
            .set_mode(ChunkMode::Binary)
            .into_function()
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    pub(crate) fn compiled(&self) -> &Arc<Compiled> {
        &self.0
    }
}
