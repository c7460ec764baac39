//! What an entity or a plugin may be told, as a value: types, rules, checks, defaults.
//!
//! A [`Schema`] is made by a derive from a struct, or at run time from a plugin that arrives as source. Read
//! [`field`](Field) for the shape, `rules` and [`check`](Check) for what may be wrong, `validate`, `complete` and
//! `merge` for what is done with a document, [`form`] and `infer` for bodies that are not JSON.

mod builder;
mod check;
mod complete;
mod custom;
mod described;
mod enforce;
mod field;
pub mod form;
mod infer;
mod json_schema;
mod merge;
pub mod notation;
mod numbers;
pub mod page;
mod pattern;
mod read;
mod render;
mod rules;
mod validate;
mod value;
mod violations;

pub use check::{Check, Condition};
pub use custom::{Custom, Run};
pub use described::Described;
pub(crate) use enforce::at;
pub use field::{Field, Kind, OnDelete, Schema, Selector, Shorthand, Variant};
pub use form::FormOptions;
pub use json_schema::Purpose;
pub use numbers::Bound;
pub(crate) use numbers::parse as parse_number;
pub use pattern::Pattern;
pub use read::ReadError;
pub use rules::Rules;
pub use violations::{Node, Violations};

#[doc(hidden)]
pub use serde_json::json; // what the derives write
use serde_json::{Map, Value};

/// One object as it is stored and answered: member names to values.
pub type Document = Map<String, Value>;

#[cfg(test)]
mod tests;
