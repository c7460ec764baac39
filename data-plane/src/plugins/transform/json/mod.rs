//! Edits JSON by splicing: only the objects and arrays that an edit goes through are taken apart, everything else
//! is carried over as text. Numbers keep their spelling, properties their order (transformers.md 1.5).
//!
//! Read [`scan`] for what is well formed, `text` for how things are spelled, `path` for nested edits.

use std::borrow::Cow;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

mod path;
mod scan;
#[cfg(test)]
mod tests;
mod text;

pub use path::{Path, Step};
pub use scan::{MAX_DEPTH, Malformed};
pub use text::quote;

use scan::{Raw, Scanner};

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

#[derive(Debug)]
enum Node<'a> {
    Raw(Raw<'a>),
    /// Text made here, as it will be written.
    Made(Vec<u8>),
    /// Boxed, so that the elements of a long array stay small.
    Object(Box<Members<'a>>),
    Array(Vec<Node<'a>>),
    /// An array and what was appended to it: not worth taking apart for its end.
    Extended(Raw<'a>, Vec<Cow<'a, [u8]>>),
}

/// Names are bytes: a client may send what is not UTF-8, and a step must not be evaded by that.
type Members<'a> = IndexMap<Cow<'a, [u8]>, Node<'a>, RandomState>;

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

impl<'a> Node<'a> {
    fn from_text(text: Cow<'a, [u8]>) -> Self {
        match text {
            Cow::Borrowed(text) => Node::Raw(Raw {
                text,
                compact: true,
            }),
            Cow::Owned(text) => Node::Made(text),
        }
    }

    fn kind(&self) -> Kind {
        let text = match self {
            Node::Object(_) => return Kind::Object,
            Node::Array(_) | Node::Extended(..) => return Kind::Array,
            Node::Raw(raw) => raw.text,
            Node::Made(text) => text,
        };
        match text {
            [b'{', ..] => Kind::Object,
            [b'[', ..] => Kind::Array,
            b"null" => Kind::Null,
            b"false" => Kind::False,
            _ => Kind::Scalar,
        }
    }

    fn append(&mut self, value: Cow<'a, [u8]>) {
        let kind = self.kind();
        match self {
            Node::Array(elements) => elements.push(Node::from_text(value)),
            Node::Extended(_, added) => added.push(value),
            Node::Raw(raw) if kind == Kind::Array => *self = Node::Extended(*raw, vec![value]),
            _ if kind == Kind::Null => *self = Node::Array(vec![Node::from_text(value)]),
            _ => {
                let old = std::mem::replace(self, Node::Array(Vec::new()));
                *self = Node::Array(vec![old, Node::from_text(value)]);
            }
        }
    }

    /// Takes an object apart; `None` for any other kind.
    fn open_object(&mut self) -> Option<&mut Members<'a>> {
        if let Node::Raw(raw) = self
            && raw.text.first() == Some(&b'{')
        {
            *self = Node::Object(Box::new(members(&mut Scanner::new(raw.text)).ok()?));
        }
        match self {
            Node::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Takes an array apart; `None` for any other kind.
    fn elements(&mut self) -> Option<&mut Vec<Node<'a>>> {
        let (raw, added) = match self {
            Node::Raw(raw) if raw.text.first() == Some(&b'[') => (*raw, Vec::new()),
            Node::Extended(raw, added) => (*raw, std::mem::take(added)),
            Node::Array(elements) => return Some(elements),
            _ => return None,
        };
        let mut all = elements(&mut Scanner::new(raw.text)).ok()?;
        all.extend(added.into_iter().map(Node::from_text));
        *self = Node::Array(all);
        self.elements()
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Node::Raw(raw) => text::write(raw, out),
            Node::Made(text) => out.extend_from_slice(text),
            Node::Object(members) => {
                let mut separator = b'{';
                for (name, value) in &**members {
                    out.push(separator);
                    quote(name, out);
                    out.push(b':');
                    value.write(out);
                    separator = b',';
                }
                out.extend_from_slice(if separator == b'{' { b"{}" } else { b"}" });
            }
            Node::Array(elements) => {
                let mut separator = b'[';
                for element in elements {
                    out.push(separator);
                    element.write(out);
                    separator = b',';
                }
                out.extend_from_slice(if separator == b'[' { b"[]" } else { b"]" });
            }
            Node::Extended(raw, added) => {
                text::write(raw, out);
                // Its closing bracket moves behind what was added.
                out.pop();
                for value in added {
                    if out.last() != Some(&b'[') {
                        out.push(b',');
                    }
                    out.extend_from_slice(value);
                }
                out.push(b']');
            }
        }
    }
}

/// The members of the object that comes next. The last of several equal names wins, in the first one's place.
fn members<'a>(scanner: &mut Scanner<'a>) -> Result<Members<'a>, Malformed> {
    let mut members = Members::default();
    each(scanner, b'{', b'}', |scanner| {
        let name = text::decode(&scanner.name()?);
        let value = Node::Raw(scanner.value(1)?);
        members.insert(name, value);
        Ok(())
    })?;
    Ok(members)
}

fn elements<'a>(scanner: &mut Scanner<'a>) -> Result<Vec<Node<'a>>, Malformed> {
    let mut elements = Vec::new();
    each(scanner, b'[', b']', |scanner| {
        elements.push(Node::Raw(scanner.value(1)?));
        Ok(())
    })?;
    Ok(elements)
}

/// Runs `item` at each item of the list that comes next.
fn each<'a>(
    scanner: &mut Scanner<'a>,
    opening: u8,
    closing: u8,
    mut item: impl FnMut(&mut Scanner<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if !scanner.take(opening) {
        return Err(Malformed);
    }
    scanner.blanks();
    if scanner.take(closing) {
        return Ok(());
    }
    loop {
        item(scanner)?;
        scanner.blanks();
        if scanner.take(closing) {
            return Ok(());
        }
        if !scanner.take(b',') {
            return Err(Malformed);
        }
        scanner.blanks();
    }
}
