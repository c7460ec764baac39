//! The Lua engine that both planes may use (custom-plugins.md 2.1, 6.2, 6.3): sandbox, limits, compilation.
//!
//! Read in this order: [`Script`] is source that compiles, [`State`] one virtual machine that runs it, `sandbox.lua` what
//! scripts see there, [`limits`] what ends those that run for too long, [`json`] how values cross the border.
//!
//! What a script may ask of a request is not known here: the data plane hands that in.

mod check;
mod coroutine;
mod engine;
mod error;
pub mod json;
pub mod limits;
pub mod modules;
mod native;
mod number;
mod pattern;
pub mod pdk;
pub mod plugin;
mod requires;
mod running;
pub mod schema;
mod script;
mod state;
mod stored;
#[cfg(test)]
mod tests;
mod weigh;

pub use check::answer_schemas;
pub use coroutine::Coroutine;
pub use error::Failure;
pub use mlua;
pub use native::{Raise, Text, function, string, waiting_function};
pub use running::Running;
pub use script::{Kind, Script};
pub use state::{Options, State, header_names, version};
pub use stored::Stored;
