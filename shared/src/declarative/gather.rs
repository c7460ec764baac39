//! From one object to a list of drafts: what the file says about each document, wherever it stands in it.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::report::{Faults, Step};
use super::{CURRENT_FORMAT, FORMATS};
use crate::entities::{self, Entity};
use crate::schema::{Document, Kind};

/// What a file says about one document.
pub(super) struct Draft<'a> {
    pub(super) entity: &'static Entity,
    /// As it stands in the file, with what is nested in it.
    pub(super) sent: &'a Document,
    /// The draft that it is nested in, and the field that refers to that.
    pub(super) parent: Option<(usize, &'static str)>,
    /// Its place in its list.
    pub(super) index: usize,
}

/// What a file says.
pub(super) struct Gathered<'a> {
    /// Parents before what is nested in them.
    pub(super) drafts: Vec<Draft<'a>>,
    /// Whether values are computed.
    pub(super) transform: bool,
    /// The format's position among [`FORMATS`].
    pub(super) format: usize,
}

impl Gathered<'_> {
    /// Whether the file is of an older format than this one.
    pub(super) fn is_before(&self, format: &str) -> bool {
        FORMATS
            .iter()
            .position(|known| *known == format)
            .is_some_and(|at| self.format < at)
    }
}

/// A list that documents of a kind may hold, and the field by which its elements refer to them.
type Nested = (&'static Entity, &'static str);

static NESTED: LazyLock<HashMap<&'static str, Vec<Nested>>> = LazyLock::new(|| {
    let all = entities::all().iter();
    all.map(|parent| (parent.kind, nested_in(parent))).collect()
});

/// What may be nested in a document, by the name of the list.
pub(super) fn nested(parent: &Entity) -> &'static [Nested] {
    NESTED.get(parent.kind).map_or(&[], Vec::as_slice)
}

fn nested_in(parent: &Entity) -> Vec<Nested> {
    let refers = |child: &'static Entity| {
        let mut foreigns = child.foreigns();
        let field = foreigns.find(
            |field| matches!(field.kind, Kind::Foreign { kind, .. } if kind == parent.kind),
        )?;
        // A field of that name is the entity's own affair.
        let own = parent.schema.field(child.kind).is_some();
        (!own).then_some((child, field.name.as_ref()))
    };
    entities::all().iter().filter_map(refers).collect()
}

/// Members that say nothing, allowed everywhere.
pub(super) const IGNORED: [&str; 2] = ["_comment", "_ignore"];

/// Reads the top of a file and finds its documents.
pub(super) fn gather<'a>(root: &'a Map<String, Value>, faults: &mut Faults) -> Gathered<'a> {
    let mut gathered = Gathered {
        drafts: Vec::new(),
        transform: transform(root, faults),
        format: format(root, faults),
    };
    check_ignored(root, &[], faults);
    for (name, value) in root {
        match entities::find(name) {
            Some(entity) => list(&mut gathered.drafts, faults, None, entity, value),
            None if KNOWN.contains(&name.as_str()) => {}
            None => faults.at(vec![Step::Member(name.clone())], "unknown field"),
        }
    }
    gathered
}

const FORMAT: &str = "_format_version";
const TRANSFORM: &str = "_transform";
const KNOWN: [&str; 4] = [FORMAT, TRANSFORM, IGNORED[0], IGNORED[1]];

fn format(root: &Map<String, Value>, faults: &mut Faults) -> usize {
    let text = match root.get(FORMAT) {
        Some(Value::String(text)) => text.clone(),
        // YAML makes a number of it where the quotes were forgotten.
        Some(Value::Number(number)) => number.to_string(),
        None | Some(Value::Null) => {
            faults.at(
                vec![Step::Member(FORMAT.to_owned())],
                "required field missing",
            );
            CURRENT_FORMAT.to_owned()
        }
        Some(_) => {
            faults.at(vec![Step::Member(FORMAT.to_owned())], "expected a string");
            CURRENT_FORMAT.to_owned()
        }
    };
    let known = FORMATS.iter().position(|format| *format == text);
    known.unwrap_or_else(|| {
        let expected = format!("expected one of: {}", FORMATS.join(", "));
        faults.at(vec![Step::Member(FORMAT.to_owned())], &expected);
        FORMATS.len() - 1
    })
}

fn transform(root: &Map<String, Value>, faults: &mut Faults) -> bool {
    match root.get(TRANSFORM) {
        None | Some(Value::Null) => true,
        Some(Value::Bool(transform)) => *transform,
        Some(_) => {
            faults.at(
                vec![Step::Member(TRANSFORM.to_owned())],
                "expected a boolean",
            );
            true
        }
    }
}

/// A comment is text, and what is ignored is a list; Kong says so too.
fn check_ignored(members: &Map<String, Value>, at: &[Step], faults: &mut Faults) {
    for (name, value) in IGNORED
        .iter()
        .filter_map(|name| members.get_key_value(*name))
    {
        let wrong = match (name.as_str(), value) {
            (_, Value::Null) | ("_comment", Value::String(_)) | ("_ignore", Value::Array(_)) => {
                continue;
            }
            ("_comment", _) => "expected a string",
            _ => "expected an array",
        };
        let mut at = at.to_vec();
        at.push(Step::Member(name.clone()));
        faults.at(at, wrong);
    }
}

fn list<'a>(
    drafts: &mut Vec<Draft<'a>>,
    faults: &mut Faults,
    parent: Option<(usize, &'static str)>,
    entity: &'static Entity,
    value: &'a Value,
) {
    let place = |drafts: &[Draft<'_>]| {
        let mut at = parent.map_or(Vec::new(), |(parent, _)| path(drafts, parent));
        at.push(Step::Member(entity.kind.to_owned()));
        at
    };
    let items = match value {
        Value::Array(items) => items,
        Value::Null => return,
        _ => return faults.at(place(drafts), "expected an array"),
    };
    for (index, item) in items.iter().enumerate() {
        let Value::Object(sent) = item else {
            let mut at = place(drafts);
            at.push(Step::Item(index));
            faults.at(at, "expected a record");
            continue;
        };
        let here = drafts.len();
        drafts.push(Draft {
            entity,
            sent,
            parent,
            index,
        });
        if IGNORED.iter().any(|name| sent.contains_key(*name)) {
            check_ignored(sent, &path(drafts, here), faults);
        }
        for (child, field) in nested(entity) {
            if let Some(value) = sent.get(child.kind) {
                list(drafts, faults, Some((here, field)), child, value);
            }
        }
    }
}

/// Where a draft stands in the file.
pub(super) fn path(drafts: &[Draft<'_>], draft: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut next = Some(draft);
    while let Some(at) = next {
        let draft = &drafts[at];
        steps.push(Step::Item(draft.index));
        steps.push(Step::Member(draft.entity.kind.to_owned()));
        next = draft.parent.map(|(parent, _)| parent);
    }
    steps.reverse();
    steps
}

impl Draft<'_> {
    /// What was sent about the document itself.
    pub(super) fn own(&self) -> Document {
        let nested = nested(self.entity);
        let is_own = |name: &str| {
            !IGNORED.contains(&name) && !nested.iter().any(|(child, _)| child.kind == name)
        };
        let members = self.sent.iter().filter(|(name, _)| is_own(name));
        members
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}
