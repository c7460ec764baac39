//! The tree of errors, as Kong answers it.

use std::collections::BTreeMap;

use serde_json::Value;

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

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.entity.is_empty() && self.fields.is_empty()
    }

    /// Puts a text at a path of member names.
    pub fn insert(&mut self, path: &[&str], text: impl Into<String>) {
        let _ = (path, text.into());
        todo!()
    }

    /// Adds an error of the document as a whole.
    pub fn entity_check(&mut self, text: impl Into<String>) {
        self.entity.push(text.into());
    }

    /// The `fields` member of an error body.
    pub fn fields(&self) -> Value {
        todo!()
    }

    /// The `message` member of an error body.
    pub fn message(&self) -> String {
        todo!()
    }
}
