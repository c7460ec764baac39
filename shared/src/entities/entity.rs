//! What is known about an entity beyond its fields, and what a writer does with its documents.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::plugins::Catalog;
use crate::schema::{
    Document, Field, FormOptions, Kind, OnDelete, Schema, Selector, Variant, Violations,
};
use crate::types::canonical;

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
    /// Whether documents may expire: `ttl` is sent as seconds to live, and stored as the second since the epoch at
    /// which the document ends (null is never). Answers show what remains, see [`Entity::remaining`].
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

const LONGEST_TTL: i64 = 100_000_000;

impl Entity {
    /// Gives the values of a form, which are all text, the types that the schema asks for. On an update of a plugin
    /// the stored `name` must be among them, since it says what `config` means.
    pub fn infer(&self, args: Document, catalog: &Catalog, options: &FormOptions) -> Document {
        let variant = self.variant(&args, catalog).ok().flatten();
        let mut out = self.schema.infer(variant, args, options);
        let ttl = out
            .get("ttl")
            .filter(|_| self.has_ttl)
            .and_then(Value::as_str);
        if let Some(number) = ttl.and_then(crate::schema::parse_number) {
            out.insert("ttl".to_owned(), number);
        }
        out
    }

    /// Makes a complete document of what was sent to create or replace one, or says everything that is wrong.
    ///
    /// References must be resolved to ids before.
    pub fn complete(&self, input: Document, cx: &Context) -> Result<Document, Violations> {
        let mut input = self.expand_shorthands(input)?;
        let ttl = self.take_ttl(&mut input, cx)?.unwrap_or(Value::Null);
        self.fill_autos(&mut input, cx);
        self.finish(input, ttl, cx, false)
    }

    /// Makes a complete document of a stored one and a partial update, or says everything that is wrong. The id stays.
    pub fn merge(
        &self,
        stored: &Document,
        patch: Document,
        cx: &Context,
    ) -> Result<Document, Violations> {
        let mut patch = self.expand_shorthands(patch)?;
        let ttl = self.take_ttl(&mut patch, cx)?;
        let ttl = ttl
            .or_else(|| stored.get("ttl").cloned())
            .unwrap_or(Value::Null);
        patch.shift_remove("id");
        let chosen = patch.get("name").or_else(|| stored.get("name")).cloned();
        let chosen: Document = chosen
            .map(|name| ("name".to_owned(), name))
            .into_iter()
            .collect();
        let variant = match self.schema.selector {
            Selector::Plugin => self.variant(&chosen, cx.catalog)?,
            _ => None,
        };
        let mut merged = self.schema.merge(variant, stored, patch);
        merged.shift_remove("ttl");
        if self.has_updated_at {
            merged.insert("updated_at".to_owned(), seconds(cx.now));
        }
        self.finish(merged, ttl, cx, true)
    }

    /// Everything that is wrong with a document as it is stored.
    pub fn validate(&self, document: &Document, catalog: &Catalog) -> Violations {
        match self.variant(document, catalog) {
            Ok(variant) if self.has_ttl && document.contains_key("ttl") => {
                let mut document = document.clone();
                document.shift_remove("ttl");
                self.schema.validate(variant, &document, false)
            }
            Ok(variant) => self.schema.validate(variant, document, false),
            Err(violations) => violations,
        }
    }

    /// What `GET /schemas/{entity}` answers.
    pub fn render(&self) -> Value {
        let mut out = self.schema.render(None);
        if self.has_ttl {
            out["ttl"] = true.into();
        }
        out
    }

    /// The fields that refer to other documents.
    pub fn foreigns(&self) -> impl Iterator<Item = &Field> {
        self.schema
            .fields
            .iter()
            .filter(|field| matches!(field.kind, Kind::Foreign { .. }))
    }

    /// What no other document of the entity may share, in the order in which conflicts are reported.
    pub fn unique_keys(&self, document: &Document) -> Vec<UniqueKey> {
        let single = self
            .schema
            .fields
            .iter()
            .filter(|field| field.unique)
            .filter_map(|field| {
                let value = document
                    .get(field.name.as_ref())
                    .filter(|value| !value.is_null())?;
                Some(UniqueKey {
                    field: field.name.clone().into_owned(),
                    value: text_of(value),
                })
            });
        let several = self.composite.iter().map(|fields| {
            let values: Vec<Value> = fields
                .iter()
                .map(|name| document.get(*name).cloned().unwrap_or_default())
                .collect();
            UniqueKey {
                field: fields.join(","),
                value: Value::Array(values).to_string(),
            }
        });
        single.chain(several).collect()
    }

    /// What this document refers to.
    pub fn references(&self, document: &Document) -> Vec<Reference> {
        let found = self.foreigns().filter_map(|field| {
            let Kind::Foreign { kind, on_delete } = field.kind else {
                return None;
            };
            let id = document.get(field.name.as_ref())?.get("id")?.as_str()?;
            let cascade = on_delete == OnDelete::Cascade;
            Some(Reference {
                field: field.name.to_string(),
                to_kind: kind,
                to_id: canonical(id)?,
                cascade,
            })
        });
        found.collect()
    }

    /// Seconds until a stored document expires: `None` if it never does, 0 if it has.
    pub fn remaining(&self, document: &Document, now: f64) -> Option<u64> {
        let end = document.get("ttl").filter(|_| self.has_ttl)?.as_f64()?;
        Some((end - now).ceil().max(0.0) as u64)
    }

    /// The shape that a document is held to; for plugins an error if there is no such plugin.
    fn variant<'a>(
        &'a self,
        document: &Document,
        catalog: &'a Catalog,
    ) -> Result<Option<&'a Variant>, Violations> {
        match self.schema.selector {
            Selector::Plugin => self.plugin_variant(document, catalog).map(Some),
            _ => Ok(self.schema.variant_by_words(document)),
        }
    }

    fn plugin_variant<'a>(
        &self,
        document: &Document,
        catalog: &'a Catalog,
    ) -> Result<&'a Variant, Violations> {
        let name = match document.get("name") {
            None | Some(Value::Null) => {
                return Err(Violations::one("name", "required field missing"));
            }
            Some(Value::String(name)) if name.is_empty() => {
                return Err(Violations::one("name", "length must be at least 1"));
            }
            Some(Value::String(name)) => name,
            Some(_) => return Err(Violations::one("name", "expected a string")),
        };
        catalog.plugin(name).map(|plugin| &plugin.variant).ok_or_else(|| {
            Violations::one("name", format!("plugin '{name}' not enabled; add it to the 'plugins' configuration property"))
        })
    }

    /// Replaces write-only fields by what they stand for.
    fn expand_shorthands(&self, mut input: Document) -> Result<Document, Violations> {
        let mut violations = Violations::default();
        for shorthand in &self.schema.shorthands {
            match input.shift_remove(shorthand.field.name.as_ref()) {
                None | Some(Value::Null) => {}
                Some(value) => match shorthand.field.check(&value) {
                    Ok(()) => input.extend((shorthand.expand)(&value)),
                    Err(node) => violations.attach(&shorthand.field.name, node),
                },
            }
        }
        if violations.is_empty() {
            Ok(input)
        } else {
            Err(violations)
        }
    }

    /// Seconds to live become the end of life. `None`: nothing was said.
    fn take_ttl(&self, input: &mut Document, cx: &Context) -> Result<Option<Value>, Violations> {
        if !self.has_ttl {
            return Ok(None);
        }
        let Some(value) = input.shift_remove("ttl") else {
            return Ok(None);
        };
        match value.as_i64() {
            _ if value.is_null() => Ok(Some(Value::Null)),
            Some(0) => Ok(Some(Value::Null)),
            Some(ttl) if (1..=LONGEST_TTL).contains(&ttl) => {
                Ok(Some(Value::from(cx.now.floor() as i64 + ttl)))
            }
            _ => Err(Violations::one(
                "ttl",
                format!("must be an integer between 0 and {LONGEST_TTL}"),
            )),
        }
    }

    /// Makes up what the sender left open.
    fn fill_autos(&self, input: &mut Document, cx: &Context) {
        for field in self.schema.fields.iter().filter(|field| field.auto) {
            let name = field.name.as_ref();
            let given = input.get(name);
            let made = match &field.kind {
                Kind::Integer if name == "updated_at" => Some(seconds(cx.now)),
                Kind::Integer => given.is_none_or(Value::is_null).then(|| seconds(cx.now)),
                _ if field.rules.uuid => given
                    .is_none()
                    .then(|| Value::String((cx.new_id)().to_string())),
                // An explicit null is kept: a credential that cannot be used yet.
                _ => given.is_none().then(|| Value::String((cx.random_text)())),
            };
            if let Some(made) = made {
                input.insert(name.to_owned(), made);
            }
        }
    }

    fn finish(
        &self,
        input: Document,
        ttl: Value,
        cx: &Context,
        updating: bool,
    ) -> Result<Document, Violations> {
        let variant = self.variant(&input, cx.catalog)?;
        let mut document: Map<String, Value> = self.schema.complete(variant, input);
        let violations = self.schema.validate(variant, &document, updating);
        if !violations.is_empty() {
            return Err(violations);
        }
        if self.has_ttl {
            document.insert("ttl".to_owned(), ttl);
        }
        Ok(document)
    }
}

fn seconds(now: f64) -> Value {
    Value::from(now.floor() as i64)
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
