//! The tree of errors, as Kong answers it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::notation;

/// Every error found in one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Violations {
    entity: Vec<String>,
    fields: BTreeMap<String, Node>,
}

/// What is wrong with a value: a text, or an error for some of its parts.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// The value itself.
    Text(String),
    /// The value itself, and what may have been meant.
    Hinted {
        /// What is wrong.
        text: String,
        /// `did you mean 'x'?`
        hint: String,
    },
    /// Elements, with gaps where they are good.
    List(Vec<Option<Node>>),
    /// Members of a record.
    Record(Violations),
}

impl Violations {
    /// One error at a field.
    pub fn one(field: &str, text: impl Into<String>) -> Self {
        let mut violations = Violations::default();
        violations.insert(&[field], text);
        violations
    }

    /// One error at a field, and what may have been meant.
    pub fn hinted(field: &str, text: impl Into<String>, meant: Option<&str>) -> Self {
        let mut violations = Violations::default();
        violations.attach(field, Node::hinted(text, meant));
        violations
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.entity.is_empty() && self.fields.is_empty()
    }

    /// Puts a text at a path of member names. An error that was there stays.
    pub fn insert(&mut self, path: &[&str], text: impl Into<String>) {
        match path {
            [] => self.entity_check(text),
            [field] => self.attach(field, Node::Text(text.into())),
            [field, rest @ ..] => {
                let inner = self
                    .fields
                    .entry((*field).to_owned())
                    .or_insert_with(Node::empty);
                if let Node::Record(inner) = inner {
                    inner.insert(rest, text);
                }
            }
        }
    }

    /// Puts what is wrong with a field. An error that was there stays.
    pub fn attach(&mut self, field: &str, node: Node) {
        self.fields.entry(field.to_owned()).or_insert(node);
    }

    /// Adds an error of the document as a whole.
    pub fn entity_check(&mut self, text: impl Into<String>) {
        self.entity.push(text.into());
    }

    /// Adds every error of another tree.
    pub fn extend(&mut self, other: Violations) {
        self.entity.extend(other.entity);
        for (field, node) in other.fields {
            match (self.fields.get_mut(&field), node) {
                (Some(Node::Record(inner)), Node::Record(more)) => inner.extend(more),
                (Some(_), _) => {}
                (None, node) => drop(self.fields.insert(field, node)),
            }
        }
    }

    /// The same errors under other names of the fields; of two that get one name the first stays.
    pub fn renamed(self, name: impl Fn(&str) -> String) -> Self {
        let mut renamed = Violations {
            entity: self.entity,
            fields: BTreeMap::new(),
        };
        for (field, node) in self.fields {
            renamed.attach(&name(&field), node);
        }
        renamed
    }

    /// Takes over what was found in a record: errors of the record as a whole become errors of this document.
    pub(super) fn lift(&mut self, record: &str, found: Violations) {
        self.entity.extend(found.entity);
        if !found.fields.is_empty() {
            let fields = Violations {
                entity: Vec::new(),
                fields: found.fields,
            };
            self.extend(Violations {
                entity: Vec::new(),
                fields: [(record.to_owned(), Node::Record(fields))].into(),
            });
        }
    }

    /// Whether anything is wrong at a dotted path, or below it.
    pub fn concerns(&self, path: &str) -> bool {
        match path.split_once('.') {
            None => self.fields.contains_key(path),
            Some((field, rest)) => match self.fields.get(field) {
                Some(Node::Record(inner)) => inner.concerns(rest),
                Some(_) => true,
                None => false,
            },
        }
    }

    /// Path and text of the error that is told where there is room for one; the path is empty for the document itself.
    pub fn first(&self) -> Option<(String, String)> {
        if let Some(text) = self.entity.first() {
            return Some((String::new(), text.clone()));
        }
        let (field, node) = self.fields.iter().next()?;
        let inner = match node {
            Node::Record(violations) => violations.first(),
            _ => None,
        };
        Some(match inner {
            Some((path, text)) if !path.is_empty() => (format!("{field}.{path}"), text),
            Some((_, text)) => (field.clone(), text),
            None => (field.clone(), node.first_text()),
        })
    }

    /// The `fields` member of an error body.
    pub fn fields(&self) -> Value {
        let mut out = Map::new();
        if !self.entity.is_empty() {
            out.insert("@entity".to_owned(), Value::from(self.entity.clone()));
        }
        out.extend(
            self.fields
                .iter()
                .map(|(field, node)| (field.clone(), node.value())),
        );
        Value::Object(out)
    }

    /// What may have been meant, in the shape of [`Violations::fields`]; only fields for which there is an idea.
    pub fn hints(&self) -> Map<String, Value> {
        let hints = self.fields.iter();
        hints
            .filter_map(|(field, node)| Some((field.clone(), node.hint()?)))
            .collect()
    }

    /// The `message` member of an error body: one part per error, two levels as a path, deeper ones as a Lua table.
    pub fn message(&self) -> String {
        let mut parts = self.entity.clone();
        for (field, node) in &self.fields {
            match node.parts() {
                None => parts.push(format!(
                    "{field}: {}",
                    node.value().as_str().unwrap_or_default()
                )),
                Some(inner) => parts.extend(
                    inner
                        .into_iter()
                        .map(|(key, text)| format!("{field}.{key}: {text}")),
                ),
            }
        }
        match parts.as_slice() {
            [part] => format!("schema violation ({part})"),
            parts => format!("{} schema violations ({})", parts.len(), parts.join("; ")),
        }
    }
}

impl Node {
    fn empty() -> Self {
        Node::Record(Violations::default())
    }

    /// What is wrong with a value, and what may have been meant.
    pub(super) fn hinted(text: impl Into<String>, meant: Option<&str>) -> Self {
        let text = text.into();
        match meant {
            Some(meant) => Node::Hinted {
                text,
                hint: crate::settings::did_you_mean(meant),
            },
            None => Node::Text(text),
        }
    }

    /// What may have been meant, here and further inside.
    fn hint(&self) -> Option<Value> {
        match self {
            Node::Text(_) => None,
            Node::Hinted { hint, .. } => Some(Value::from(hint.as_str())),
            Node::List(items) => {
                let hint = |item: &Option<Node>| item.as_ref().and_then(Node::hint);
                let hints: Vec<Option<Value>> = items.iter().map(hint).collect();
                let any = hints.iter().any(Option::is_some);
                any.then(|| hints.into_iter().map(Option::unwrap_or_default).collect())
            }
            Node::Record(violations) => {
                let hints = violations.hints();
                (!hints.is_empty()).then_some(Value::Object(hints))
            }
        }
    }

    /// The first text in it.
    pub(super) fn first_text(&self) -> String {
        let inner = match self {
            Node::Text(text) | Node::Hinted { text, .. } => return text.clone(),
            Node::List(items) => items.iter().flatten().next(),
            Node::Record(violations) => match violations.entity.first() {
                Some(text) => return text.clone(),
                None => violations.fields.values().next(),
            },
        };
        inner.map(Node::first_text).unwrap_or_default()
    }

    /// As it stands in `fields`.
    fn value(&self) -> Value {
        match self {
            Node::Text(text) | Node::Hinted { text, .. } => Value::from(text.as_str()),
            Node::List(items) => items
                .iter()
                .map(|item| item.as_ref().map_or(Value::Null, Node::value))
                .collect(),
            Node::Record(violations) => violations.fields(),
        }
    }

    /// Key and text of each part, in order; `None` for a text.
    fn parts(&self) -> Option<Vec<(String, String)>> {
        let shown = |value: &Value| match value {
            Value::String(text) => text.clone(),
            table => notation::dump(table),
        };
        match self.value() {
            Value::Array(items) => {
                let numbered = items.iter().enumerate().filter(|(_, item)| !item.is_null());
                Some(
                    numbered
                        .map(|(at, item)| ((at + 1).to_string(), shown(item)))
                        .collect(),
                )
            }
            Value::Object(members) => {
                let mut parts: Vec<_> = members
                    .iter()
                    .map(|(key, item)| (key.clone(), shown(item)))
                    .collect();
                parts.sort();
                Some(parts)
            }
            _ => None,
        }
    }
}
