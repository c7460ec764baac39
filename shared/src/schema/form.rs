//! Form bodies: keys are cut into paths and merged into one document.

use serde_json::Value;

use super::Document;

/// What a form may do beyond Kong 3.x.
#[derive(Clone, Copy, Debug)]
pub struct FormOptions {
    /// Whether `a,b` under the bare key of a list is a list.
    pub comma_lists: bool,
}

impl Default for FormOptions {
    fn default() -> Self {
        FormOptions { comma_lists: true }
    }
}

/// Builds a document from form pairs, in order. With `brackets` off, `[…]` stays part of the name.
pub fn expand(pairs: impl IntoIterator<Item = (String, String)>, brackets: bool) -> Document {
    expand_values(
        pairs
            .into_iter()
            .map(|(key, text)| (key, Value::String(text))),
        brackets,
    )
}

/// As [`expand`], for multipart bodies: a part that is JSON arrives as the value it holds.
pub fn expand_values(pairs: impl IntoIterator<Item = (String, Value)>, brackets: bool) -> Document {
    let _ = (pairs.into_iter().count(), brackets);
    todo!()
}
