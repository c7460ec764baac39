//! Everything that is wrong with a file, in the shape of the file (admin-api.md 12.5).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::gather::{self, Draft};
use super::text::ParseError;
use crate::plugins::Catalog;
use crate::schema::{Violations, notation};

/// One step from the top of a file towards a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a member.
    Member(String),
    /// To an element, counted from 0.
    Item(usize),
}

/// Why a file was not loaded: every error, none of which names a value that is not in the file.
#[derive(Clone, Debug)]
pub struct Report {
    unread: Option<ParseError>,
    general: Vec<(Vec<Step>, String)>,
    pub(super) documents: Vec<Faulty>,
}

/// A document that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Faulty {
    pub(super) at: Vec<Step>,
    pub(super) kind: &'static str,
    /// As it was sent, with its parent and without what is nested in it; secrets hidden.
    pub(super) sent: Map<String, Value>,
    /// Errors by field, `@entity` among them.
    pub(super) fields: Map<String, Value>,
    /// About the document as a whole.
    pub(super) whole: Vec<String>,
    /// The name under which Kong tells of a value that two documents share, and what it says.
    pub(super) keyed: Vec<(String, String)>,
}

impl Faulty {
    fn new(drafts: &[Draft<'_>], draft: usize, catalog: &Catalog) -> Self {
        let mut sent = drafts[draft].own();
        if let Some((parent, field)) = drafts[draft].parent {
            sent.shift_remove(field);
            if let Some(id) = drafts[parent].sent.get("id").filter(|id| id.is_string()) {
                sent.insert(field.to_owned(), serde_json::json!({ "id": id }));
            }
        }
        Faulty {
            at: gather::path(drafts, draft),
            kind: drafts[draft].entity.kind,
            sent: drafts[draft].entity.told_whole(sent, catalog),
            fields: Map::new(),
            whole: Vec::new(),
            keyed: Vec::new(),
        }
    }

    /// The texts about the document as a whole, wherever they go.
    pub(super) fn entity_texts(&self) -> impl Iterator<Item = &str> {
        let checks = self.fields.get("@entity").and_then(Value::as_array);
        let checks = checks.into_iter().flatten().filter_map(Value::as_str);
        let whole = self.whole.iter().map(String::as_str);
        checks
            .chain(whole)
            .chain(self.keyed.iter().map(|(_, text)| text.as_str()))
    }
}

/// Collects errors while drafts are made documents.
#[derive(Default)]
pub(super) struct Faults {
    general: Vec<(Vec<Step>, String)>,
    documents: BTreeMap<usize, Found>,
}

/// What was found wrong with one draft; as in [`Faulty`].
#[derive(Default)]
struct Found {
    violations: Violations,
    whole: Vec<String>,
    keyed: Vec<(String, String)>,
}

impl Faults {
    /// Something that no document is to blame for.
    pub(super) fn at(&mut self, path: Vec<Step>, text: &str) {
        self.general.push((path, text.to_owned()));
    }

    /// What a schema says about a draft.
    pub(super) fn violations(&mut self, draft: usize, found: Violations) {
        self.documents
            .entry(draft)
            .or_default()
            .violations
            .extend(found);
    }

    /// Something about a draft as a whole.
    pub(super) fn whole(&mut self, draft: usize, text: String) {
        self.documents.entry(draft).or_default().whole.push(text);
    }

    /// As [`Faults::whole`]; Kong tells it by the draft's name.
    pub(super) fn keyed(&mut self, draft: usize, name: String, text: String) {
        self.documents
            .entry(draft)
            .or_default()
            .keyed
            .push((name, text));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.general.is_empty() && self.documents.is_empty()
    }

    pub(super) fn report(self, drafts: &[Draft<'_>], catalog: &Catalog) -> Report {
        let documents = self.documents.into_iter();
        let documents = documents.map(|(draft, found)| {
            let mut faulty = Faulty::new(drafts, draft, catalog);
            if let Value::Object(fields) = found.violations.fields() {
                faulty.fields = fields;
            }
            Faulty {
                whole: found.whole,
                keyed: found.keyed,
                ..faulty
            }
        });
        Report {
            unread: None,
            general: self.general,
            documents: documents.collect(),
        }
    }
}

impl From<ParseError> for Report {
    fn from(unread: ParseError) -> Self {
        Report {
            unread: Some(unread),
            general: Vec::new(),
            documents: Vec::new(),
        }
    }
}

impl Report {
    /// The `fields` member of the Admin API's answer.
    pub fn fields(&self) -> Value {
        let mut tree = self.unattributed();
        for faulty in &self.documents {
            match faulty.keyed.as_slice() {
                [] => tree.at(&faulty.at).put(&faulty.fields, &faulty.whole),
                named => {
                    if !faulty.fields.is_empty() || !faulty.whole.is_empty() {
                        tree.at(&faulty.at).put(&faulty.fields, &faulty.whole);
                    }
                    let (_, list) = faulty.at.split_last().expect("a document stands in a list");
                    for (name, text) in named {
                        let spot = tree.at(list).member(name);
                        spot.whole.push(text.clone());
                    }
                }
            }
        }
        tree.into_value()
    }

    /// What no document is to blame for.
    pub(super) fn unattributed(&self) -> Tree {
        let mut tree = Tree::default();
        if let Some(error) = &self.unread {
            let text = format!("failed parsing declarative configuration: {error}");
            tree.member("error").whole.push(text);
        }
        for (path, text) in &self.general {
            tree.at(path).whole.push(text.clone());
        }
        tree
    }

    /// The `message` member of the Admin API's answer.
    pub fn message(&self) -> String {
        message(&self.fields())
    }

    /// Where the text stopped making sense, if it did.
    pub fn unread(&self) -> Option<&ParseError> {
        self.unread.as_ref()
    }
}

/// `declarative config is invalid: {…}`
pub(super) fn message(fields: &Value) -> String {
    format!(
        "declarative config is invalid: {}",
        notation::inline(fields)
    )
}

/// Errors in the shape of the file.
#[derive(Default)]
pub(super) struct Tree {
    items: BTreeMap<usize, Tree>,
    members: BTreeMap<String, Tree>,
    /// Errors of fields, as a schema tells them.
    fields: Map<String, Value>,
    whole: Vec<String>,
}

impl Tree {
    fn at(&mut self, path: &[Step]) -> &mut Tree {
        path.iter().fold(self, |tree, step| match step {
            Step::Member(name) => tree.member(name),
            Step::Item(at) => tree.items.entry(*at).or_default(),
        })
    }

    fn member(&mut self, name: &str) -> &mut Tree {
        self.members.entry(name.to_owned()).or_default()
    }

    fn put(&mut self, fields: &Map<String, Value>, whole: &[String]) {
        self.fields.extend(fields.clone());
        self.whole.extend_from_slice(whole);
    }

    /// A lone text stands for itself; beside others it is one of `@entity`. A list is one unless it has names too.
    pub(super) fn into_value(self) -> Value {
        let only_text = self.items.is_empty() && self.members.is_empty() && self.fields.is_empty();
        if only_text && self.whole.len() == 1 {
            return self
                .whole
                .into_iter()
                .next()
                .map_or(Value::Null, Value::String);
        }
        if !self.items.is_empty()
            && self.members.is_empty()
            && self.fields.is_empty()
            && self.whole.is_empty()
        {
            return listed(self.items);
        }
        let mut out = self.fields;
        if !self.whole.is_empty() {
            let texts = out
                .entry("@entity")
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(texts) = texts {
                texts.extend(self.whole.into_iter().map(Value::String));
            }
        }
        let numbered = self
            .items
            .into_iter()
            .map(|(at, tree)| ((at + 1).to_string(), tree));
        for (name, tree) in self.members.into_iter().chain(numbered) {
            out.insert(name, tree.into_value());
        }
        out.sort_keys();
        Value::Object(out)
    }
}

fn listed(items: BTreeMap<usize, Tree>) -> Value {
    let mut out = Vec::new();
    for (at, tree) in items {
        out.resize(at, Value::Null);
        out.push(tree.into_value());
    }
    Value::Array(out)
}
