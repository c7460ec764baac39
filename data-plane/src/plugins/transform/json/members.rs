//! The members of an object that was taken apart.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::node::Node;
use super::scan::Quoted;
use super::text::{decode, escape, respell};

/// Up to so many members are looked at one by one: most objects have fewer, and an index costs more than it saves.
const FEW: usize = 16;

type Places<'a> = HashMap<Cow<'a, [u8]>, usize, RandomState>;

/// Members in order, each name once.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    /// Which names may be there: a bit of each. Most names that are looked for or come in are not.
    filter: u64,
    /// One that was removed leaves its place empty, so that the index stays right.
    entries: Vec<Member<'a>>,
    /// Places by name, of more than [`FEW`] members.
    places: Option<Box<Places<'a>>>,
}

#[derive(Debug)]
struct Member<'a> {
    name: Name<'a>,
    value: Option<Node<'a>>,
}

/// Names are bytes: a client may send what is not UTF-8, and a step must not be evaded by that.
#[derive(Debug)]
pub(super) enum Name<'a> {
    /// As it stands in the document, without a backslash.
    Plain(&'a [u8]),
    /// As it stands in the document, and what it stands for.
    Escaped(Box<(Quoted<'a>, Vec<u8>)>),
    /// A step's.
    Given(&'a [u8]),
    /// Of a text that was made here.
    Made(Box<[u8]>),
}

impl<'a> From<Quoted<'a>> for Name<'a> {
    fn from(quoted: Quoted<'a>) -> Self {
        match decode(&quoted) {
            Cow::Borrowed(inside) => Name::Plain(inside),
            Cow::Owned(text) => Name::Escaped(Box::new((quoted, text))),
        }
    }
}

impl<'a> Name<'a> {
    /// What it stands for.
    pub(super) fn text(&self) -> &[u8] {
        match self {
            Name::Plain(text) | Name::Given(text) => text,
            Name::Escaped(both) => &both.1,
            Name::Made(text) => text,
        }
    }

    fn key(&self) -> Cow<'a, [u8]> {
        match self {
            Name::Plain(text) | Name::Given(text) => Cow::Borrowed(text),
            Name::Escaped(both) => Cow::Owned(both.1.clone()),
            Name::Made(text) => Cow::Owned(text.to_vec()),
        }
    }

    /// Writes it without its quotes.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Name::Plain(inside) => out.extend_from_slice(inside),
            Name::Escaped(both) => respell(both.0.inside, out),
            Name::Given(text) => escape(text, out),
            Name::Made(text) => escape(text, out),
        }
    }
}

/// A bit of the filter.
fn bit(name: &[u8]) -> u64 {
    let (first, last) = (name.first(), name.last());
    let of = |byte: Option<&u8>| byte.map_or(0, |byte| u32::from(*byte));
    1 << ((name.len() as u32 ^ of(first).wrapping_mul(5) ^ of(last).wrapping_mul(11)) % 64)
}

impl<'a> Members<'a> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: Vec::with_capacity(capacity),
            ..Self::default()
        }
    }

    /// The same, with texts of its own.
    pub(super) fn owned<'b>(self) -> Members<'b> {
        let mut members = Members::with_capacity(self.entries.len());
        for Member { name, value } in self.entries {
            if let Some(value) = value {
                members.push(Name::Made(name.text().into()), value.owned());
            }
        }
        members
    }

    /// Members it has or had.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    fn place(&self, name: &[u8]) -> Option<usize> {
        if self.filter & bit(name) == 0 {
            return None;
        }
        match &self.places {
            Some(places) => places.get(name).copied(),
            None => self
                .entries
                .iter()
                .position(|member| member.value.is_some() && member.name.text() == name),
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Node<'a>> {
        self.entries[self.place(name)?].value.as_ref()
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Node<'a>> {
        let place = self.place(name)?;
        self.entries[place].value.as_mut()
    }

    /// Sets a value; a new name goes to the end.
    pub(super) fn insert(&mut self, name: Name<'a>, value: Node<'a>) {
        match self.place(name.text()) {
            Some(place) => self.entries[place].value = Some(value),
            None => self.push(name, value),
        }
    }

    /// Sets a value unless the name exists.
    pub(super) fn add(&mut self, name: &'a [u8], value: impl FnOnce() -> Node<'a>) {
        if self.place(name).is_none() {
            self.push(Name::Given(name), value());
        }
    }

    fn push(&mut self, name: Name<'a>, value: Node<'a>) {
        if self.places.is_none() && self.entries.len() >= FEW {
            self.places = Some(Box::new(self.index()));
        }
        if let Some(places) = &mut self.places {
            places.insert(name.key(), self.entries.len());
        }
        self.filter |= bit(name.text());
        let value = Some(value);
        self.entries.push(Member { name, value });
    }

    fn index(&self) -> Places<'a> {
        let present = |(_, member): &(usize, &Member<'a>)| member.value.is_some();
        let members = self.entries.iter().enumerate().filter(present);
        let keys = members.map(|(place, member)| (member.name.key(), place));
        let mut places = HashMap::with_capacity_and_hasher(4 * FEW, RandomState::default());
        places.extend(keys);
        places
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Node<'a>> {
        let place = self.place(name)?;
        if let Some(places) = &mut self.places {
            places.remove(name);
        }
        self.entries[place].value.take()
    }

    /// Takes out every member that `keep` is false for.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8], &mut Node<'a>) -> bool) {
        for Member { name, value } in &mut self.entries {
            if value
                .as_mut()
                .is_some_and(|value| !keep(name.text(), value))
            {
                *value = None;
                if let Some(places) = &mut self.places {
                    places.remove(name.text());
                }
            }
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut separator = b'{';
        for Member { name, value } in &self.entries {
            let Some(value) = value else { continue };
            out.extend_from_slice(&[separator, b'"']);
            name.write(out);
            out.extend_from_slice(b"\":");
            value.write(out);
            separator = b',';
        }
        out.extend_from_slice(if separator == b'{' { b"{}" } else { b"}" });
    }
}
