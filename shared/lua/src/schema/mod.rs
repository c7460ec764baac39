//! `schema.lua` to the schema that built-in plugins have (custom-plugins.md 2.2).
//!
//! [`read`] compiles the source and runs it in the sandbox; `shape`, `fields`, `rules` and `checks` turn the table that it
//! returns into a [`Shape`], each attribute into what `shared::schema` has for it. After that only functions need Lua:
//! `functions` says how they are found again and called. `node` walks the tables, `typedefs` is the module
//! `kong.db.schema.typedefs`.

use shared::plugins::custom::{Shape, Source};

use crate::error::Failure;
use crate::script::Script;

mod checks;
mod fields;
mod functions;
mod json;
mod node;
mod rules;
mod shape;
#[cfg(test)]
mod tests;
mod typedefs;

pub use functions::Program;
pub use shape::convert;
pub(crate) use typedefs::open as typedefs;

/// Reads `schema.lua`: compiles it, runs it once within 50 ms and 16 MiB, and converts what it returns.
///
/// # Errors
/// What is wrong and where: `schema.lua:12: …` for what Lua says, else the path of the field,
/// `fields.config.fields.minute.required: expected a boolean, got 'yes'`.
pub fn read(source: &Source<'_>) -> Result<Shape, String> {
    let script = Script::module(FILE, source.schema).map_err(worded)?;
    let program = Program::new(script, source);
    program.with_table(|table| convert(source.name, table, &program))
}

/// What errors call the source.
const FILE: &str = "schema.lua";

/// A failure, with the file that it is about.
fn worded(failure: Failure) -> String {
    match failure {
        Failure::Raised(text) if text.starts_with(FILE) => text,
        other => format!("{FILE}: {other}"),
    }
}
