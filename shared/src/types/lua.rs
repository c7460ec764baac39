//! Source in Lua. Whether it compiles is answered by an engine that `shared` does not know: each plane passes it in.

use std::sync::OnceLock;

use super::{Text, text_value};

/// What source is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LuaUnit {
    /// An expression of a template.
    Expression,
    /// A chunk that returns a function.
    Function,
}

/// Says what is wrong with source, in Lua's words.
pub type LuaCheck = Box<dyn Fn(LuaUnit, &str) -> Result<(), String> + Send + Sync>;

static CHECK: OnceLock<LuaCheck> = OnceLock::new();

/// Passes in what answers whether Lua compiles. The first one stays: a process has one engine. Without any, source is
/// taken as it comes.
pub fn check_lua_with(check: LuaCheck) {
    let _ = CHECK.set(check);
}

/// What is wrong with source.
pub(super) fn check(unit: LuaUnit, source: &str) -> Result<(), String> {
    CHECK.get().map_or(Ok(()), |check| check(unit, source))
}

/// A chunk that returns a function (transformers.md 4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LuaFunction(pub String);

impl Text for LuaFunction {
    fn parse(text: &str) -> Result<Self, String> {
        check(LuaUnit::Function, text)?;
        Ok(LuaFunction(text.to_owned()))
    }
}

text_value!(LuaFunction);
