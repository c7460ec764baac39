//! Edits JSON by splicing: only the objects and arrays that an edit goes through are taken apart, everything else
//! is carried over as text (transformers.md 1.5).
//!
//! What is written is what came, byte for byte and in the same order: numbers, strings, bytes that are no UTF-8. It
//! differs, beside what the edits say, in these three:
//!
//! * blanks between tokens are left out;
//! * an escape that stands for `/` or for a character beyond ASCII is written as that character. Other escapes stay,
//!   also those that need not be ones (`\u003c`, which some write to keep markup out of strings), and so do lone
//!   surrogates, which no UTF-8 can stand for;
//! * in an object that an edit goes through, the root always, the last of several equal names wins, in the place and
//!   spelling of the first. Names are equal if they stand for the same text.
//!
//! Bytes that are no UTF-8 are taken as they are, inside strings only: a text that was refused for them would pass
//! unchanged, and a step that removes a property must not be evaded by that.
//!
//! Read [`scan`] for what is well formed, [`text`] for how strings are spelled, [`node`] for what is taken apart when,
//! [`path`] for nested edits.

use std::borrow::Cow;

mod members;
mod node;
mod path;
mod scan;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use path::{Path, Step};
pub use scan::{MAX_DEPTH, Malformed};
pub use text::quote;

use members::{Members, Name};
use node::{Node, object, read};
use scan::Scanner;

/// `text` as a JSON string.
pub fn string(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote(text, &mut out);
    out
}

/// A JSON text taken apart as far as it was needed.
#[derive(Debug)]
pub struct Document<'a> {
    root: Node<'a>,
    /// Bytes of the text it was read from: about as many will be written.
    size: usize,
}

/// What a document or one of its properties is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
    /// An array.
    Array,
    /// `null`.
    Null,
    /// `false`, which some steps take for absent.
    False,
    /// Any other scalar.
    Scalar,
}

impl<'a> Document<'a> {
    /// Checks the whole text and takes its root apart.
    ///
    /// # Errors
    /// [`Malformed`] for anything but one JSON value between blanks; also for empty text.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse_along(text, &[])
    }

    /// As [`Self::parse`], and takes apart on the way what the paths lead through, so that an edit along one of them
    /// has nothing to read again.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_along(text: &'a [u8], paths: &[&Path]) -> Result<Self, Malformed> {
        let paths: Vec<&[Step]> = paths.iter().map(|path| path.steps()).collect();
        let mut scanner = Scanner::new(text);
        scanner.blanks();
        let root = match scanner.peek() {
            Some(b'{') => object(&mut scanner, &paths, 0, 0)?,
            _ => read(&mut scanner, &paths, 0, 0)?,
        };
        scanner.end()?;
        Ok(Self {
            root,
            size: text.len(),
        })
    }

    /// An object without properties.
    pub fn empty() -> Self {
        Self {
            root: Node::Object(Box::default()),
            size: 0,
        }
    }

    /// What the root is.
    pub fn kind(&self) -> Kind {
        self.root.kind()
    }

    /// What the top-level property is; `None` if it does not exist.
    pub fn property(&self, name: &[u8]) -> Option<Kind> {
        Some(self.members()?.get(name)?.kind())
    }

    /// The text of a top-level string; `None` for anything else.
    pub fn string(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        let Node::Raw(raw) = self.members()?.get(name)? else {
            return None;
        };
        let quoted = Scanner::new(raw.text()).string().ok()?;
        Some(text::decode(&quoted))
    }

    /// Deletes a top-level property; false if there was none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.members_mut()
            .is_some_and(|members| members.remove(name).is_some())
    }

    /// Moves a top-level property to the end, or to the place of an existing `to`; false if there was none.
    pub fn rename(&mut self, from: &[u8], to: &'a [u8]) -> bool {
        let Some(members) = self.members_mut() else {
            return false;
        };
        if from == to {
            return false;
        }
        let Some(value) = members.remove(from) else {
            return false;
        };
        members.insert(Name::Given(to), value);
        true
    }

    /// Sets a top-level property to `value`, which is JSON text; false if the root is no object.
    pub fn set(&mut self, name: &'a [u8], value: Cow<'a, [u8]>) -> bool {
        let Some(members) = self.members_mut() else {
            return false;
        };
        members.insert(Name::Given(name), Node::from_text(value));
        true
    }

    /// Appends `value`, which is JSON text, to a top-level property: absent or `null` becomes an array of one, an
    /// array gets an element, anything else becomes `[old, new]`. False if the root is no object.
    pub fn append(&mut self, name: &'a [u8], value: Cow<'a, [u8]>) -> bool {
        let Some(members) = self.members_mut() else {
            return false;
        };
        match members.get_mut(name) {
            Some(old) => old.append(value),
            None => {
                members.insert(Name::Given(name), Node::list(value));
            }
        }
        true
    }

    /// The document as it is now.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size + 64);
        self.root.write(&mut out);
        out
    }

    fn members(&self) -> Option<&Members<'a>> {
        match &self.root {
            Node::Object(members) => Some(members),
            _ => None,
        }
    }

    fn members_mut(&mut self) -> Option<&mut Members<'a>> {
        match &mut self.root {
            Node::Object(members) => Some(members),
            _ => None,
        }
    }
}
