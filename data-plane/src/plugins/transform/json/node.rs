//! One value, taken apart or not.

use std::borrow::Cow;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::Kind;
use super::scan::{Malformed, Raw, Scanner};
use super::text::{self, quote};

#[derive(Debug)]
pub(super) enum Node<'a> {
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
pub(super) type Members<'a> = IndexMap<Cow<'a, [u8]>, Node<'a>, RandomState>;

impl<'a> Node<'a> {
    pub(super) fn from_text(text: Cow<'a, [u8]>) -> Self {
        match text {
            Cow::Borrowed(text) => Node::Raw(Raw {
                text,
                compact: true,
            }),
            Cow::Owned(text) => Node::Made(text),
        }
    }

    pub(super) fn kind(&self) -> Kind {
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

    pub(super) fn append(&mut self, value: Cow<'a, [u8]>) {
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
    pub(super) fn open_object(&mut self) -> Option<&mut Members<'a>> {
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
    pub(super) fn elements(&mut self) -> Option<&mut Vec<Node<'a>>> {
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

    pub(super) fn write(&self, out: &mut Vec<u8>) {
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
pub(super) fn members<'a>(scanner: &mut Scanner<'a>) -> Result<Members<'a>, Malformed> {
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
