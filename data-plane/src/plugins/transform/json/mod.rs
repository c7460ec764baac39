//! Edits JSON by splicing: only the objects and arrays that an edit goes through are taken apart, everything else
//! is carried over as text. Numbers keep their spelling, properties their order (transformers.md 1.5).
//!
//! Read [`scan`] for what is well formed, [`text`] for how things are spelled, [`node`] for what is taken apart when,
//! [`path`] for nested edits.

use std::borrow::Cow;

mod node;
mod path;
mod scan;
#[cfg(test)]
mod tests;
mod text;

pub use path::{Path, Step};
pub use scan::{MAX_DEPTH, Malformed};
pub use text::quote;

use node::{Members, Node, members};
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
        let mut scanner = Scanner::new(text);
        scanner.blanks();
        let root = match scanner.peek() {
            Some(b'{') => Node::Object(Box::new(members(&mut scanner)?)),
            _ => Node::Raw(scanner.value(0)?),
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
        let quoted = Scanner::new(raw.text).string().ok()?;
        Some(text::decode(&quoted))
    }

    /// Deletes a top-level property; false if there was none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.members_mut()
            .is_some_and(|members| members.shift_remove(name).is_some())
    }

    /// Moves a top-level property to the end, or to the place of an existing `to`; false if there was none.
    pub fn rename(&mut self, from: &[u8], to: &'a [u8]) -> bool {
        let Some(members) = self.members_mut() else {
            return false;
        };
        if from == to {
            return false;
        }
        let Some(value) = members.shift_remove(from) else {
            return false;
        };
        members.insert(Cow::Borrowed(to), value);
        true
    }

    /// Sets a top-level property to `value`, which is JSON text; false if the root is no object.
    pub fn set(&mut self, name: &'a [u8], value: Cow<'a, [u8]>) -> bool {
        let Some(members) = self.members_mut() else {
            return false;
        };
        members.insert(Cow::Borrowed(name), Node::from_text(value));
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
                members.insert(
                    Cow::Borrowed(name),
                    Node::Array(vec![Node::from_text(value)]),
                );
            }
        }
        true
    }

    /// The document without insignificant blanks.
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
