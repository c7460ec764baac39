//! What is known about an entity beyond its fields, and what a writer does with its documents.

use serde_json::Value;
use uuid::Uuid;

use crate::plugins::Catalog;
use crate::schema::{Document, Field, FormOptions, Schema, Violations};

/// A kind of document.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Kong's name of the schema, `keyauth_credentials`.
    pub kind: &'static str,
    /// Its collection, `key-auths`.
    pub path: &'static str,
    /// Its collection under a parent, `key-auth`.
    pub nested_path: Option<&'static str>,
    /// The unique field that may stand for the id in a path.
    pub lookup: Option<&'static str>,
    /// Sets of fields that are unique together; null takes part as a value.
    pub composite: &'static [&'static [&'static str]],
    /// Whether `updated_at` is set on each write.
    pub has_updated_at: bool,
    /// Whether documents may expire. Sent as seconds to live; stored as seconds since the epoch, 0 or null is never.
    pub has_ttl: bool,
    /// Its fields and rules.
    pub schema: Schema,
}

/// What completing a document needs from outside.
pub struct Context<'a> {
    /// The plugins that may be named.
    pub catalog: &'a Catalog,
    /// Seconds since the epoch.
    pub now: f64,
    /// A new random id.
    pub new_id: &'a dyn Fn() -> Uuid,
    /// 32 random alphanumeric characters.
    pub random_text: &'a dyn Fn() -> String,
}

/// A value that only one document of the entity may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UniqueKey {
    /// The field, or several joined by commas.
    pub field: String,
    /// The value; several are encoded so that different values never look the same.
    pub value: String,
}

/// Another document that this one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The field that says so.
    pub field: String,
    /// The kind it refers to.
    pub to_kind: &'static str,
    /// The document it refers to.
    pub to_id: Uuid,
    /// Whether this document goes with that one.
    pub cascade: bool,
}

impl Entity {
    /// Gives the values of a form, which are all text, the types that the schema asks for.
    pub fn infer(&self, args: Document, catalog: &Catalog, options: &FormOptions) -> Document {
        let _ = (args, catalog, options);
        todo!()
    }

    /// Makes a complete document of what was sent to create or replace one, or says everything that is wrong.
    pub fn complete(&self, input: Document, cx: &Context) -> Result<Document, Violations> {
        let _ = (input, cx);
        todo!()
    }

    /// Makes a complete document of a stored one and a partial update, or says everything that is wrong.
    pub fn merge(
        &self,
        stored: &Document,
        patch: Document,
        cx: &Context,
    ) -> Result<Document, Violations> {
        let _ = (stored, patch, cx);
        todo!()
    }

    /// What `GET /schemas/{entity}` answers.
    pub fn render(&self) -> Value {
        todo!()
    }

    /// The fields that refer to other documents.
    pub fn foreigns(&self) -> impl Iterator<Item = &Field> {
        self.schema
            .fields
            .iter()
            .filter(|field| matches!(field.kind, crate::schema::Kind::Foreign { .. }))
    }

    /// What no other document of the entity may share, in the order in which conflicts are reported.
    pub fn unique_keys(&self, document: &Document) -> Vec<UniqueKey> {
        let _ = document;
        todo!()
    }

    /// What this document refers to.
    pub fn references(&self, document: &Document) -> Vec<Reference> {
        let _ = document;
        todo!()
    }
}
