//! From a body to a document that can be written: old names, form inference, references by name, the schema.

use super::body::Arguments;
use super::error::Failure;
use super::{Admin, expiry};
use crate::store::Stored;
use serde_json::{Value, json};
use shared::entities::{Context, Entity};
use shared::schema::{Document, Kind, Violations};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// The parent that an address forces on a document.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub field: &'static str,
    pub id: Uuid,
}

impl Admin {
    /// A complete new document. `imprint`: what the address says, over what the body says.
    pub(super) async fn draft(
        &self,
        entity: &'static Entity,
        mut arguments: Arguments,
        owner: Option<Owner>,
        imprint: Document,
    ) -> Result<Document, Failure> {
        let lifetime = expiry::take(entity, &mut arguments)?;
        let mut input = self.input(entity, arguments, owner, None).await?;
        input.extend(imprint);
        let explicit = input.contains_key("protocols");
        let complete = move |context: &Context<'_>| entity.complete(input, context);
        let mut document = self.checked_aside(entity, complete).await?;
        lifetime.stamp(&mut document, None);
        if explicit {
            self.check_protocols(entity, &document).await?;
        }
        Ok(document)
    }

    /// A stored document with a PATCH merged over it.
    pub(super) async fn merged(
        &self,
        entity: &'static Entity,
        stored: &Stored,
        mut arguments: Arguments,
        owner: Option<Owner>,
    ) -> Result<Document, Failure> {
        let lifetime = expiry::take(entity, &mut arguments)?;
        let named = names_service(&arguments.document);
        let patch = self
            .input(entity, arguments, owner, Some(&stored.document))
            .await?;
        let before = stored.document.clone();
        let merge = move |context: &Context<'_>| entity.merge(&before, patch, context);
        let mut document = self.checked_aside(entity, merge).await?;
        // An id never changes; like Kong, a PATCH that gives another one is not refused.
        document.insert("id".to_owned(), json!(stored.id));
        lifetime.stamp(&mut document, Some(&stored.document));
        self.check_patched_protocols(entity, &document, named)
            .await?;
        Ok(document)
    }

    /// Arguments as a document whose references are ids. `stored`: what a PATCH changes.
    async fn input(
        &self,
        entity: &'static Entity,
        arguments: Arguments,
        owner: Option<Owner>,
        stored: Option<&Document>,
    ) -> Result<Document, Failure> {
        let Arguments { mut document, form } = arguments;
        let mut aliases = self.take_aliases(entity, &mut document)?;
        if form {
            if let Some(stored) = stored {
                name_plugin(entity, &mut document, stored);
            }
            document = entity.infer(document, &self.catalog, &self.form_options());
        }
        if let Some(owner) = owner {
            document.insert(owner.field.to_owned(), json!({ "id": owner.id }));
            aliases.retain(|given| given.field() != owner.field);
        }
        self.resolve(entity, &mut document).await?;
        self.apply_aliases(entity, &mut document, aliases).await?;
        Ok(document)
    }

    /// As [`Admin::checked`]; off the I/O threads where an entity runs what it is sent.
    pub(super) async fn checked_aside(
        &self,
        entity: &'static Entity,
        run: impl FnOnce(&Context<'_>) -> Result<Document, Violations> + Send + 'static,
    ) -> Result<Document, Failure> {
        if entity.own_check.is_none() {
            return self.checked(run);
        }
        let admin = self.clone();
        let checked = tokio::task::spawn_blocking(move || admin.checked(run)).await;
        checked.map_err(|error| Failure::unexpected(&error))?
    }

    /// Runs a schema with what it cannot know by itself.
    pub(super) fn checked<T>(
        &self,
        run: impl FnOnce(&Context<'_>) -> Result<T, Violations>,
    ) -> Result<T, Failure> {
        let examined = self.examined(run);
        examined.map_err(|found| Failure::schema_violation(&found))
    }

    /// As [`Admin::checked`], for callers that have more to say about what is wrong.
    pub(super) fn examined<T>(
        &self,
        run: impl FnOnce(&Context<'_>) -> Result<T, Violations>,
    ) -> Result<T, Violations> {
        let context = Context {
            catalog: &self.catalog,
            now: now(),
            new_id: &Uuid::new_v4,
            random_text: &random_text,
            transform: true,
        };
        run(&context)
    }
}

/// A form can only be read with the schema of the plugin that the stored document names.
fn name_plugin(entity: &'static Entity, document: &mut Document, stored: &Document) {
    let fields = &entity.schema.fields;
    let chosen_by_name = fields
        .iter()
        .any(|field| matches!(field.kind, Kind::PluginConfig));
    if chosen_by_name && !document.contains_key("name") {
        let name = stored.get("name").cloned().unwrap_or(Value::Null);
        document.insert("name".to_owned(), name);
    }
}

/// Whether a body names its service by something else than its id.
fn names_service(document: &Document) -> bool {
    let service = document.get("service").and_then(Value::as_object);
    service.is_some_and(|reference| !reference.is_empty() && !reference.contains_key("id"))
}

/// Seconds since the epoch.
pub fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// 32 random alphanumeric characters, as Kong makes keys.
pub fn random_text() -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const LENGTH: usize = 32;
    // Bytes past the last multiple of 62 would favour the first letters.
    const FAIR: u8 = 248;
    let mut text = String::with_capacity(LENGTH);
    while text.len() < LENGTH {
        let mut bytes = [0; LENGTH];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
        let fair = bytes.into_iter().filter(|byte| *byte < FAIR);
        let letters = fair.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        text.extend(letters.take(LENGTH - text.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::random_text;

    #[test]
    fn random_texts_are_32_alphanumerics_and_differ() {
        let (one, other) = (random_text(), random_text());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }
}
