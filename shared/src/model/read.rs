//! Typed documents from payloads. Fields that a payload lacks take their default (it may come from an older control
//! plane), fields that it has beyond ours are ignored with a warning (or from a newer one).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

use super::{Issue, Issues, Table};
use crate::entities::{self, Declared, Entity};
use crate::plugins::Catalog;
use crate::schema::{Document, Field, Kind};
use crate::sync::{Change, canonical};

/// Reads documents and collects what is wrong with them.
pub(super) struct Reader {
    /// Those of the state are among them once [`Reader::custom_plugins`] has run.
    pub(super) catalog: Catalog,
    pub(super) issues: Issues,
    pub(super) warnings: Issues,
}

/// What is wrong, and where.
pub(super) struct Wrong {
    pub(super) field: String,
    pub(super) message: String,
}

impl From<Wrong> for Vec<Wrong> {
    fn from(wrong: Wrong) -> Self {
        vec![wrong]
    }
}

impl Reader {
    pub(super) fn new(catalog: &Catalog) -> Self {
        Self {
            catalog: catalog.clone(),
            issues: Issues::default(),
            warnings: Issues::default(),
        }
    }

    pub(super) fn unknown_kind(&mut self, change: &Change) {
        let message = "this version does not know the kind (upgrade this node)".to_owned();
        self.issues.push(Issue {
            kind: change.kind.to_string(),
            id: change.id,
            name: String::new(),
            field: String::new(),
            message,
        });
    }

    /// The table after the changes of its kind.
    pub(super) fn table<T: Declared>(&mut self, table: Table<T>, changes: &[Change]) -> Table<T> {
        self.apply(table, changes, |_, document| Ok(document))
    }

    /// As [`Reader::table`], with more to be made of each document; `finish` gets its bytes as well.
    pub(super) fn apply<T: Declared, U>(
        &mut self,
        mut table: Table<U>,
        changes: &[Change],
        finish: impl Fn(&Bytes, T) -> Result<U, Vec<Wrong>>,
    ) -> Table<U> {
        let start = changes.partition_point(|change| *change.kind < *T::KIND);
        let end = changes.partition_point(|change| *change.kind <= *T::KIND);
        if start == end {
            return table;
        }
        let shape = Shape::of(entities::find(T::KIND).expect("a declared entity is listed"));
        let documents = table.edit();
        for change in &changes[start..end] {
            let Some(payload) = &change.payload else {
                documents.remove(&change.id);
                continue;
            };
            match self.document(&shape, change, payload, &finish) {
                Ok(document) => {
                    documents.insert(change.id, Arc::new(document));
                }
                Err(wrong) => {
                    let issues = wrong.into_iter().map(|wrong| issue(change, payload, wrong));
                    issues.for_each(|issue| self.issues.push(issue));
                }
            }
        }
        table
    }

    fn document<T: Declared, U>(
        &mut self,
        shape: &Shape,
        change: &Change,
        payload: &Bytes,
        finish: impl Fn(&Bytes, T) -> Result<U, Vec<Wrong>>,
    ) -> Result<U, Vec<Wrong>> {
        let keys: Keys = read(payload)?;
        if keys.id.as_ref() != Some(&change.id) {
            return Err(vec![Wrong {
                field: "id".to_owned(),
                message: format!("is not '{}', the id it was sent with", change.id),
            }]);
        }
        for unknown in shape.unknown(&keys) {
            let message = "this version does not know the field; it is ignored".to_owned();
            let field = unknown.to_owned();
            self.warnings
                .push(issue(change, payload, Wrong { field, message }));
        }
        let document = if shape.lacks(&keys) {
            let document: Document = read(payload)?;
            let schema = &shape.entity.schema;
            let variant = schema.variant_by_words(&document);
            // Through text again: what holds raw JSON cannot be read from a value.
            let completed = canonical(&schema.complete(variant, document));
            read(&completed)?
        } else {
            read(payload)?
        };
        finish(payload, document)
    }
}

/// The member names that a document of one kind has, sorted as payloads have them.
struct Shape {
    entity: &'static Entity,
    known: Vec<&'static str>,
    /// Whether records inside may lack members of their own: then every document is completed.
    nested: bool,
}

impl Shape {
    fn of(entity: &'static Entity) -> Self {
        let mut known: Vec<&str> = entity
            .schema
            .fields
            .iter()
            .map(|field| &*field.name)
            .collect();
        if entity.has_ttl {
            known.push("ttl");
        }
        known.sort_unstable();
        known.dedup();
        let nested = entity.schema.fields.iter().any(has_nested_defaults);
        Self {
            entity,
            known,
            nested,
        }
    }

    fn unknown<'k>(&self, keys: &'k Keys) -> impl Iterator<Item = &'k str> {
        let names = if self.is_exactly(keys) {
            &[]
        } else {
            &keys.names[..]
        };
        let unknown = names
            .iter()
            .filter(|name| !self.known.iter().any(|known| known == *name));
        unknown.map(|name| &**name)
    }

    /// Whether a field that has a default is missing.
    fn lacks(&self, keys: &Keys) -> bool {
        let missing = |field: &Field| field.default.is_some() && !keys.names.contains(&field.name);
        self.nested || (!self.is_exactly(keys) && self.entity.schema.fields.iter().any(missing))
    }

    /// The usual case, decided in one pass.
    fn is_exactly(&self, keys: &Keys) -> bool {
        keys.names
            .iter()
            .map(|name| &**name)
            .eq(self.known.iter().copied())
    }
}

fn has_nested_defaults(field: &Field) -> bool {
    match &field.kind {
        Kind::Record(schema) => schema
            .fields
            .iter()
            .any(|field| field.default.is_some() || has_nested_defaults(field)),
        Kind::Array(element) | Kind::Set(element) => has_nested_defaults(element),
        Kind::Map { values, .. } => has_nested_defaults(values),
        _ => false,
    }
}

fn read<'de, T: Deserialize<'de>>(payload: &'de [u8]) -> Result<T, Wrong> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    let document = serde_path_to_error::deserialize(&mut json).map_err(wrong)?;
    json.end().map_err(|error| Wrong {
        field: String::new(),
        message: plain(&error.to_string()),
    })?;
    Ok(document)
}

fn wrong(error: serde_path_to_error::Error<serde_json::Error>) -> Wrong {
    let field = match error.path().to_string() {
        root if root == "." => String::new(),
        field => field,
    };
    Wrong {
        field,
        message: plain(&error.inner().to_string()),
    }
}

/// Without the position, and without the value where serde quotes one: it may be a secret.
fn plain(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let quotes = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    match message.rfind(", expected ") {
        Some(at) if quotes => message[at + 2..].to_owned(),
        _ => message.to_owned(),
    }
}

fn issue(change: &Change, payload: &Bytes, wrong: Wrong) -> Issue {
    Issue {
        kind: change.kind.to_string(),
        id: change.id,
        name: name(payload),
        field: wrong.field,
        message: wrong.message,
    }
}

/// What a person calls the document, if it can be read that far.
fn name(payload: &Bytes) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Names {
        name: Value,
        username: Value,
    }
    let names: Names = serde_json::from_slice(payload).unwrap_or_default();
    let name = names.name.as_str().or(names.username.as_str());
    name.unwrap_or_default().to_owned()
}

/// The member names of a document, in their order, and its id.
struct Keys<'a> {
    names: Vec<Cow<'a, str>>,
    id: Option<Uuid>,
}

impl<'de> Deserialize<'de> for Keys<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys<'de>, A::Error> {
        let mut keys = Keys {
            names: Vec::with_capacity(32),
            id: None,
        };
        while let Some(Name(name)) = map.next_key()? {
            if name == "id" {
                keys.id = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            keys.names.push(name);
        }
        Ok(keys)
    }
}

/// A text that borrows where it can; a bare `Cow` never does.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
