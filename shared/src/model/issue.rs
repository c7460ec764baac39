//! What is wrong with a document, by field.

use std::fmt;
use std::ops::Deref;

use uuid::Uuid;

use crate::sync::{MAX_ISSUES, proto};

/// One thing that is wrong with one document. Never quotes a value: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The document's kind, such as `routes`; empty if no document is to blame.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// Its name, where it has one, else empty.
    pub name: String,
    /// Which field, dotted; empty for the whole document.
    pub field: String,
    /// What is wrong, for a person.
    pub message: String,
}

impl Issue {
    /// Something that no document is to blame for.
    pub fn general(message: impl Into<String>) -> Self {
        Self {
            kind: String::new(),
            id: Uuid::nil(),
            name: String::new(),
            field: String::new(),
            message: message.into(),
        }
    }
}

/// `routes 'orders' (0190…): paths: …`
impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.kind.is_empty() {
            write!(f, "{} ", self.kind)?;
            if !self.name.is_empty() {
                write!(f, "'{}' ", self.name)?;
            }
            write!(f, "({}): ", self.id)?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl From<&Issue> for proto::Issue {
    fn from(issue: &Issue) -> Self {
        Self {
            kind: issue.kind.clone(),
            id: issue.id.as_bytes().to_vec(),
            name: issue.name.clone(),
            field: issue.field.clone(),
            message: issue.message.clone(),
        }
    }
}

impl From<&proto::Issue> for Issue {
    fn from(wire: &proto::Issue) -> Self {
        Self {
            kind: wire.kind.clone(),
            id: Uuid::from_slice(&wire.id).unwrap_or_default(),
            name: wire.name.clone(),
            field: wire.field.clone(),
            message: wire.message.clone(),
        }
    }
}

/// Every issue found: the first hundred in full, the rest counted, so that one bad upgrade cannot fill a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issues {
    listed: Vec<Issue>,
    more: u32,
}

impl Issues {
    /// Adds one, or counts it.
    pub fn push(&mut self, issue: Issue) {
        if self.listed.len() < MAX_ISSUES {
            self.listed.push(issue);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// How many were found beyond those listed.
    pub fn more(&self) -> u32 {
        self.more
    }
}

impl Deref for Issues {
    type Target = [Issue];

    fn deref(&self) -> &[Issue] {
        &self.listed
    }
}

impl FromIterator<Issue> for Issues {
    fn from_iter<I: IntoIterator<Item = Issue>>(issues: I) -> Self {
        let mut all = Self::default();
        issues.into_iter().for_each(|issue| all.push(issue));
        all
    }
}

impl From<Vec<Issue>> for Issues {
    fn from(issues: Vec<Issue>) -> Self {
        issues.into_iter().collect()
    }
}

impl From<Issue> for Issues {
    fn from(issue: Issue) -> Self {
        Self::from(vec![issue])
    }
}

/// The first issue and how many more there are.
impl fmt::Display for Issues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.listed.first() else {
            return f.write_str("no issue");
        };
        write!(f, "{first}")?;
        match self.listed.len() - 1 + self.more as usize {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}
