//! Where in the text something stands. Only looked for when there is something to complain about.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::Step;
use super::text::lenient_options;

/// One thing that is wrong with a file, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line and column, both from 1; none if the text does not tell.
    pub at: Option<(u64, u64)>,
    /// Where in the document: `services[2].routes[0].paths[1]`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// `12:5: services[0].port: value should be between 0 and 65535`
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The errors of a report's `fields` as lines in the order of the text that was loaded.
pub fn explain(fields: &Value, text: &str) -> Vec<Mistake> {
    // A text that cannot be read has one error, which says where.
    let root = serde_saphyr::from_str_with_options::<Spanned<Spot>>(text, lenient_options()).ok();
    let mut found = Vec::new();
    walk(fields, &mut Vec::new(), &mut |path, message| {
        found.push(Mistake {
            at: root.as_ref().and_then(|root| locate(root, path)),
            path: written(path),
            message: message.to_owned(),
        });
    });
    found.sort_by_key(|mistake| mistake.at);
    found
}

/// Every text of the tree, with the path of what it is about: the texts of `@entity` are about what holds them.
fn walk(node: &Value, path: &mut Vec<Step>, tell: &mut impl FnMut(&[Step], &str)) {
    match node {
        Value::String(text) => tell(path, text),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                path.push(Step::Item(at));
                walk(item, path, tell);
                path.pop();
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("@entity", Value::Array(texts)) => {
                        texts.iter().for_each(|text| walk(text, path, tell))
                    }
                    _ => {
                        path.push(Step::Member(name.clone()));
                        walk(member, path, tell);
                        path.pop();
                    }
                }
            }
        }
        _ => {}
    }
}

/// `services[2].routes[0]`
fn written(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Item(at) => out.push_str(&format!("[{at}]")),
            Step::Member(name) if out.is_empty() => out.push_str(name),
            Step::Member(name) => {
                out.push('.');
                out.push_str(name);
            }
        }
    }
    out
}

/// The place of a path, or of the nearest thing around it: what is missing has no place of its own.
fn locate(root: &Spanned<Spot>, path: &[Step]) -> Option<(u64, u64)> {
    let mut spot = root;
    for step in path {
        let inner = match (&spot.value, step) {
            (Spot::List(items), Step::Item(at)) => items.get(*at),
            (Spot::Members(members), Step::Member(name)) => {
                let mut same = members.iter().filter(|(known, _)| known == name);
                same.next_back().map(|(_, inner)| inner)
            }
            _ => None,
        };
        match inner {
            Some(inner) => spot = inner,
            None => break,
        }
    }
    let at = spot.referenced;
    (at.line() > 0).then(|| (at.line(), at.column()))
}

/// The shape of a text without its values.
enum Spot {
    Members(Vec<(String, Spanned<Spot>)>),
    List(Vec<Spanned<Spot>>),
    Leaf,
}

impl<'de> Deserialize<'de> for Spot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpotVisitor)
    }
}

struct SpotVisitor;

/// Scalars are all the same here.
macro_rules! leaves {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E: Error>(self, _: $type) -> Result<Spot, E> {
            Ok(Spot::Leaf)
        }
    )*};
}

impl<'de> Visitor<'de> for SpotVisitor {
    type Value = Spot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128,
        visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<Spot, E> {
        Ok(Spot::Leaf)
    }

    fn visit_none<E: Error>(self) -> Result<Spot, E> {
        Ok(Spot::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Spot, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Spot, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Spot::List(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Spot, A::Error> {
        let mut out = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            out.push((name, members.next_value()?));
        }
        Ok(Spot::Members(out))
    }
}
