//! Form bodies: keys are cut into paths and merged into one document (admin-api.md 2.1, 2.2).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

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
    let mut root = Slot::default();
    for (key, value) in pairs {
        let path = parse_key(&key, brackets).unwrap_or_else(|| vec![Part::Name(key)]);
        root.at(path).put(value);
    }
    match root.finish() {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}

/// Deeper keys are taken literally; no schema is that deep, and what follows recurses.
const DEEPEST: usize = 32;

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Name(String),
    Index(u32),
    Append,
}

/// Cuts a key at dots outside brackets. `None`: it is taken as it stands.
fn parse_key(key: &str, brackets: bool) -> Option<Vec<Part>> {
    if key.starts_with('.') || key.ends_with('.') {
        return None;
    }
    let decoded = decode_brackets(key);
    if !brackets && decoded.contains('[') {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest = decoded.as_str();
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if end == 0 || parts.len() >= DEEPEST {
            return None;
        }
        parts.push(Part::Name(rest[..end].to_owned()));
        rest = &rest[end..];
        while let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(']')?;
            parts.push(bracket(&inside[..end]));
            rest = &inside[end + 1..];
            if parts.len() > DEEPEST {
                return None;
            }
        }
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

fn bracket(text: &str) -> Part {
    match text {
        "" => Part::Append,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits
            .parse()
            .map_or_else(|_| Part::Name(digits.to_owned()), Part::Index),
        name => Part::Name(name.to_owned()),
    }
}

/// Clients that encode twice leave `%5B…%5D` behind.
fn decode_brackets(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut rest = key;
    while let Some((open, inside_end)) = find_encoded(rest) {
        out.push_str(&rest[..open]);
        out.push('[');
        out.push_str(&rest[open + 3..inside_end]);
        out.push(']');
        rest = &rest[inside_end + 3..];
    }
    out.push_str(rest);
    out
}

/// Where `%5B` and the `%5D` after it stand.
fn find_encoded(text: &str) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let open = lower.find("%5b")?;
    let close = lower[open..].find("%5d")? + open;
    Some((open, close))
}

/// A position in the document, and everything that was assigned to it.
#[derive(Debug, Default)]
struct Slot {
    values: Vec<Value>,
    members: Map<String, Value>, // from JSON parts
    named: Vec<(String, Slot)>,
    indexed: BTreeMap<u32, Slot>,
    appended: Vec<Slot>,
}

impl Slot {
    fn at(&mut self, path: Vec<Part>) -> &mut Slot {
        path.into_iter().fold(self, |slot, part| match part {
            Part::Name(name) => slot.named(name),
            Part::Index(index) => slot.indexed.entry(index).or_default(),
            Part::Append => {
                slot.appended.push(Slot::default());
                slot.appended.last_mut().expect("one was just pushed")
            }
        })
    }

    fn named(&mut self, name: String) -> &mut Slot {
        let at = self
            .named
            .iter()
            .position(|(known, _)| *known == name)
            .unwrap_or_else(|| {
                self.named.push((name, Slot::default()));
                self.named.len() - 1
            });
        &mut self.named[at].1
    }

    fn put(&mut self, value: Value) {
        match value {
            Value::Object(members) => self.members.extend(members),
            value => self.values.push(value),
        }
    }

    fn finish(mut self) -> Value {
        let listed = !self.appended.is_empty() || !self.indexed.is_empty();
        let nested = !self.named.is_empty() || !self.members.is_empty();
        // A scalar and members at one place: the scalar stays, so that the wrong type is reported.
        if !self.values.is_empty() && !listed {
            return if self.values.len() == 1 {
                self.values.remove(0)
            } else {
                splice(self.values).into()
            };
        }
        if listed && !nested {
            return self.finish_list();
        }
        let mut out = self.members;
        out.extend(
            self.indexed
                .into_iter()
                .map(|(index, slot)| (index.to_string(), slot.finish())),
        );
        out.extend(
            self.named
                .into_iter()
                .map(|(name, slot)| (name, slot.finish())),
        );
        Value::Object(out)
    }

    /// Elements by index from 1, then those appended. With a hole it is no list.
    fn finish_list(self) -> Value {
        let whole = self
            .indexed
            .keys()
            .zip(1u32..)
            .all(|(index, expected)| *index == expected);
        if !whole {
            let holey = self
                .indexed
                .into_iter()
                .map(|(index, slot)| (index.to_string(), slot.finish()));
            return Value::Object(holey.collect());
        }
        let appended = self.appended.into_iter().map(Slot::finish).collect();
        let indexed = self.indexed.into_values().map(Slot::finish);
        splice(self.values)
            .into_iter()
            .chain(indexed)
            .chain(splice(appended))
            .collect()
    }
}

/// Lists among the values are not nested.
fn splice(values: Vec<Value>) -> Vec<Value> {
    let flat = values.into_iter().flat_map(|value| match value {
        Value::Array(items) => items,
        scalar => vec![scalar],
    });
    flat.collect()
}
