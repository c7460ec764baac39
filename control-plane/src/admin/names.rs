//! Lists of names that are documents of their own: the `snis` of a certificate (admin-api.md 8.6).
//!
//! The list is not stored with the document that shows it. To write it is to write those documents, in the same
//! revision, so that no reader sees one without the other.

use super::Admin;
use super::body::Arguments;
use super::error::Failure;
use super::foreign::named_id;
use crate::store::{Rejection, Stored, Write, WriteError};
use http::StatusCode;
use serde_json::{Value, json};
use shared::entities::{self, Entity, NameList};
use shared::schema::{Document, Field, Schema, Violations};
use std::borrow::Cow;
use std::collections::HashMap;
use uuid::Uuid;

/// What a request makes of a document's list.
#[derive(Clone, Debug)]
pub enum Said {
    /// It stays.
    Keep,
    /// It becomes this, sorted.
    Exactly(Vec<String>),
}

impl Said {
    /// What a new or replaced document gets: unsaid is empty.
    pub fn or_none(self) -> Said {
        match self {
            Said::Keep => Said::Exactly(Vec::new()),
            said => said,
        }
    }
}

/// A document's list after a request: what must be written for it, and what is shown.
#[derive(Debug, Default)]
pub struct Names {
    pub writes: Vec<Write>,
    shown: Option<(&'static str, Vec<String>)>,
}

impl Names {
    /// The document as answers show it.
    pub fn show<'d>(&self, document: &'d Document) -> Cow<'d, Document> {
        match &self.shown {
            None => Cow::Borrowed(document),
            Some((field, names)) => Cow::Owned(with(document, field, names)),
        }
    }
}

/// A document with its list.
pub fn with(document: &Document, field: &str, names: &[String]) -> Document {
    let mut shown = document.clone();
    shown.insert(field.to_owned(), json!(names));
    shown
}

/// Adds the name that an address gave to the list in a body.
pub fn add(arguments: &mut Arguments, list: &NameList, name: &str) {
    let said = arguments.document.shift_remove(list.field);
    let mut names = match said {
        Some(Value::Array(names)) => names,
        Some(Value::String(text)) => text.split(',').map(|piece| piece.trim().into()).collect(),
        None | Some(Value::Null) => Vec::new(),
        // No list: the schema says so.
        Some(other) => return drop(arguments.document.insert(list.field.to_owned(), other)),
    };
    names.push(name.into());
    arguments
        .document
        .insert(list.field.to_owned(), names.into());
}

/// Takes the list out of a body, before the schema calls it unknown.
pub fn take(
    admin: &Admin,
    entity: &'static Entity,
    arguments: &mut Arguments,
) -> Result<Said, Failure> {
    let Some(list) = &entity.name_list else {
        return Ok(Said::Keep);
    };
    let Some(value) = arguments.document.shift_remove(list.field) else {
        return Ok(Said::Keep);
    };
    let schema = Schema::new(list.field, vec![list.shown_as()]);
    let mut alone = Document::new();
    alone.insert(list.field.to_owned(), value);
    if arguments.form {
        alone = schema.infer(None, alone, &admin.form_options());
    }
    let wrong = schema.validate(None, &alone, false);
    if !wrong.is_empty() {
        return Err(Failure::schema_violation(&wrong));
    }
    let names = alone[list.field].as_array().into_iter().flatten();
    let mut names: Vec<String> = names.filter_map(Value::as_str).map(str::to_owned).collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(violation(list, format!("{} is duplicated", pair[0]))),
        None => Ok(Said::Exactly(names)),
    }
}

fn documents(list: &NameList) -> &'static Entity {
    entities::find(list.kind).expect("a list is made of documents of a kind that exists")
}

fn named(list: &NameList) -> &'static Field {
    let field = documents(list).schema.field(list.name);
    field.expect("a list is made of the values of a field that exists")
}

fn violation(list: &NameList, text: String) -> Failure {
    Failure::schema_violation(&Violations::one(list.field, text))
}

/// Nobody has the name that an address gave.
pub fn unknown(list: &NameList) -> Failure {
    Failure::message(StatusCode::NOT_FOUND, format!("{} not found", list.called))
}

impl Admin {
    /// The id of the document that has this name in its list.
    pub(super) async fn id_by_name(
        &self,
        list: &NameList,
        name: &str,
    ) -> Result<Option<Uuid>, Failure> {
        if let Some(message) = named(list).value_error(&json!(name)) {
            return Err(Failure::invalid_unique(list.name, message));
        }
        let found = self.store.find(list.kind, list.name, name).await?;
        Ok(found.and_then(|stored| holder(list, &stored)))
    }

    /// The lists of these documents, sorted; one that is empty is left out.
    pub(super) async fn name_lists(
        &self,
        entity: &'static Entity,
        list: &NameList,
        ids: Vec<Uuid>,
    ) -> Result<HashMap<Uuid, Vec<String>>, Failure> {
        let mut lists: HashMap<Uuid, Vec<String>> = HashMap::new();
        for one in self
            .store
            .referring(list.kind, list.link, entity.kind, ids)
            .await?
        {
            if let (Some(id), Some(name)) = (holder(list, &one), name(list, &one)) {
                lists.entry(id).or_default().push(name.to_owned());
            }
        }
        lists.values_mut().for_each(|names| names.sort());
        Ok(lists)
    }

    /// What is to be written so that the list of the document with this id becomes what was said.
    pub(super) async fn names(
        &self,
        entity: &'static Entity,
        id: Uuid,
        said: Said,
    ) -> Result<Names, Failure> {
        let Some(list) = &entity.name_list else {
            return Ok(Names::default());
        };
        let ours = self
            .store
            .referring(list.kind, list.link, entity.kind, vec![id])
            .await?;
        let wanted = match said {
            Said::Keep => {
                let mut names: Vec<String> = ours
                    .iter()
                    .filter_map(|one| name(list, one))
                    .map(str::to_owned)
                    .collect();
                names.sort();
                return Ok(Names {
                    writes: Vec::new(),
                    shown: Some((list.field, names)),
                });
            }
            Said::Exactly(names) => names,
        };
        let is_wanted =
            |one: &&Stored| name(list, one).is_some_and(|name| wanted.iter().any(|w| w == name));
        let gone = ours.iter().filter(|one| !is_wanted(one));
        let mut writes: Vec<Write> = gone
            .map(|one| Write::Delete {
                kind: list.kind,
                id: one.id,
            })
            .collect();
        for wanted in &wanted {
            if !ours.iter().any(|one| name(list, one) == Some(wanted)) {
                self.check_free(list, wanted).await?;
                writes.push(self.new_name(list, wanted, id)?);
            }
        }
        Ok(Names {
            writes,
            shown: Some((list.field, wanted)),
        })
    }

    async fn check_free(&self, list: &NameList, name: &str) -> Result<(), Failure> {
        let holder = self.id_by_name(list, name).await?;
        holder.map_or(Ok(()), |id| Err(taken(list, name, id)))
    }

    fn new_name(&self, list: &NameList, name: &str, id: Uuid) -> Result<Write, Failure> {
        let mut input = Document::new();
        input.insert(list.name.to_owned(), name.into());
        input.insert(list.link.to_owned(), json!({ "id": id }));
        let document = self.checked(|context| documents(list).complete(input, context))?;
        Ok(Write::Insert {
            kind: list.kind,
            document,
        })
    }

    /// What a refused write is answered with. Somebody may have taken a name after we looked.
    pub(super) async fn refusal(&self, entity: &'static Entity, error: WriteError) -> Failure {
        if let (
            Some(list),
            WriteError::Rejected {
                reason: Rejection::Unique { kind, fields },
                ..
            },
        ) = (&entity.name_list, &error)
            && *kind == list.kind
            && let Some(name) = fields.get(list.name).and_then(Value::as_str)
        {
            match self.id_by_name(list, name).await {
                Ok(Some(id)) => return taken(list, name, id),
                Ok(None) => {}
                Err(failure) => return failure,
            }
        }
        error.into()
    }
}

fn taken(list: &NameList, name: &str, id: Uuid) -> Failure {
    let text = format!(
        "{name} already associated with existing {} '{id}'",
        list.link
    );
    violation(list, text)
}

/// The document that a name belongs to.
fn holder(list: &NameList, stored: &Stored) -> Option<Uuid> {
    stored
        .document
        .get(list.link)?
        .as_object()
        .and_then(named_id)
}

fn name<'s>(list: &NameList, stored: &'s Stored) -> Option<&'s str> {
    stored.document.get(list.name)?.as_str()
}
