//! Declarative files: one YAML or JSON text that says what the whole configuration is (admin-api.md 12).
//!
//! ```text
//! text ─ read ─► value ─ gather ─► drafts ─ identity, resolve ─► complete ─ settle ─► documents
//!                                      └──── every error of every step ────► Report
//! ```
//! [`parse`] reads text; [`load()`] makes complete, checked documents of it or says everything that is wrong, as the
//! [`Report`] that the Admin API answers and that [`explain`] turns into lines for a person. [`export()`] is the way
//! back. What exists already is given as a [`Base`]: it keeps ids, keys and time stamps, so that loading a file a
//! second time changes nothing. Nothing here names an entity: everything follows from the declarations.

mod base;
mod export;
mod flatten;
mod gather;
mod identity;
mod lenient;
mod load;
mod place;
mod report;
mod resolve;
#[cfg(test)]
mod tests;
mod text;
mod unique;
mod yaml;

pub use base::{Base, Mode};
pub use export::export;
pub use flatten::Flattened;
pub use load::{Change, Loaded, Options, load};
pub use place::{Mistake, explain};
pub use report::{Report, Step};
pub use text::{Format, ParseError, parse};

/// The formats that are read; each later one is the one before with some documents written differently.
pub const FORMATS: [&str; 3] = ["1.1", "2.1", CURRENT_FORMAT];
/// The format that is written.
pub const CURRENT_FORMAT: &str = "3.0";
