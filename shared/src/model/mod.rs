//! Documents become a typed, cross-referenced `Model`, or every issue found.

mod issue;

pub use issue::{Issue, Issues};
