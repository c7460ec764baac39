//! References by name become references by id (admin-api.md 6.4).

use super::error::{Failure, Unresolved};
use super::{Admin, lookup};
use serde_json::{Value, json};
use shared::entities::{self, Entity};
use shared::schema::{Document, Kind};
use uuid::Uuid;

impl Admin {
    /// Replaces `{"name": …}` by `{"id": …}` in every reference; what cannot be one is left to the schema.
    pub(super) async fn resolve(
        &self,
        entity: &'static Entity,
        document: &mut Document,
    ) -> Result<(), Failure> {
        let mut unresolved = Vec::new();
        for field in entity.foreigns() {
            let Kind::Foreign { kind, .. } = &field.kind else {
                continue;
            };
            let Some(target) = entities::find(kind) else {
                continue;
            };
            let Some(Value::Object(reference)) = document.get(field.name.as_ref()) else {
                continue;
            };
            if named_id(reference).is_some() {
                continue;
            }
            let reference = reference.clone();
            match self.resolve_one(target, &reference).await? {
                Ok(Some(id)) => {
                    document.insert(field.name.to_string(), json!({ "id": id }));
                }
                Ok(None) => {}
                Err(tried) => unresolved.extend(tried.into_iter().map(|(key, value)| Unresolved {
                    field: field.name.to_string(),
                    key,
                    value,
                    kind: target.kind,
                })),
            }
        }
        match unresolved.is_empty() {
            true => Ok(()),
            false => Err(Failure::unresolved(unresolved)),
        }
    }

    /// Looks a reference up by each unique field that it gives. `Ok(None)`: it gives none.
    async fn resolve_one(
        &self,
        target: &'static Entity,
        reference: &Document,
    ) -> Result<Result<Option<Uuid>, Vec<(String, Value)>>, Failure> {
        let mut tried = Vec::new();
        for field in target.schema.fields.iter().filter(|field| field.unique) {
            let Some(value) = reference.get(field.name.as_ref()) else {
                continue;
            };
            let Some(text) = value
                .as_str()
                .filter(|_| field.value_error(value).is_none())
            else {
                continue;
            };
            if let Some(found) = self.store.find(target.kind, &field.name, text).await? {
                return Ok(Ok(Some(found.id)));
            }
            tried.push((field.name.to_string(), value.clone()));
        }
        Ok(if tried.is_empty() {
            Ok(None)
        } else {
            Err(tried)
        })
    }
}

/// The id that a reference gives, if it is one.
pub fn named_id(reference: &Document) -> Option<Uuid> {
    reference.get("id")?.as_str().and_then(lookup::id)
}
