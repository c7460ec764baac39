//! References by name become references by id (admin-api.md 6.4).

use super::error::{Failure, Unresolved};
use super::{Admin, lookup};
use serde_json::{Value, json};
use shared::entities::{self, Entity};
use shared::schema::{Document, Kind};
use shared::settings::nearest;
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
                Err(tried) => {
                    for (key, value) in tried {
                        let meant = self.meant(target, &key, &value).await?;
                        unresolved.push(Unresolved {
                            field: field.name.to_string(),
                            key,
                            value,
                            kind: target.kind,
                            meant,
                        });
                    }
                }
            }
        }
        match unresolved.is_empty() {
            true => Ok(()),
            false => Err(Failure::unresolved(unresolved)),
        }
    }

    /// The existing value of a unique field that is most like one which nothing has. Of many only those are looked at
    /// that stand near it in the alphabet.
    async fn meant(
        &self,
        target: &'static Entity,
        field: &str,
        value: &Value,
    ) -> Result<Option<String>, Failure> {
        const NEIGHBOURS: usize = 500;
        let text = value.as_str().unwrap_or_default();
        if target.is_secret(field) {
            return Ok(None);
        }
        let near = self.store.neighbours(target.kind, field, text, NEIGHBOURS);
        let near = near.await?;
        let found = nearest(text, near.iter().map(String::as_str));
        Ok(found.map(str::to_owned))
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
