//! Source in Lua. Whether it compiles is answered by an engine that `shared` does not know: each plane passes it in.

use std::marker::PhantomData;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer};

use super::{Text, check_text, deserialize_text, text_value};
use crate::schema::{Described, Field};

/// What source is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LuaUnit {
    /// An expression of a template.
    Expression,
    /// A chunk that returns a function.
    Function,
    /// A chunk, which is not run.
    Chunk,
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

/// Whose chunks are spoken of.
pub trait Owner: 'static {
    /// The plugin.
    const NAME: &'static str;
}

/// A chunk that a plugin runs in a phase (custom-plugins.md 8). It must compile; it is not run to find out more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LuaChunk<O>(String, PhantomData<O>);

impl<O> LuaChunk<O> {
    /// The source.
    pub fn source(&self) -> &str {
        &self.0
    }
}

impl<O: Owner> Text for LuaChunk<O> {
    fn parse(text: &str) -> Result<Self, String> {
        check(LuaUnit::Chunk, text)
            .map_err(|error| format!("error parsing {}: {error}", O::NAME))?;
        Ok(LuaChunk(text.to_owned(), PhantomData))
    }
}

impl<'de, O: Owner> Deserialize<'de> for LuaChunk<O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer)
    }
}

impl<O: Owner> Described for LuaChunk<O> {
    fn field() -> Field {
        Field::string().custom(check_text::<LuaChunk<O>>)
    }
}
