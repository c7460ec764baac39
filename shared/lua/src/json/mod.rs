//! JSON in and out of a [`State`](crate::State): kinds, order and spelling survive (transformers.md 1.5, 4.7).
//!
//! Arrays carry a metatable, so that an empty one stays an array; `null` is `ngx.null`. What a script leaves as it was is
//! written as it was: properties keep their order, numbers their spelling.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Original, read};
pub use write::{Unwritable, write};

/// How deep values may nest (transformers.md 1.5).
const MAX_DEPTH: usize = 1000;
