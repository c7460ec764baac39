//! What is known about an entity beyond its fields, and what a writer does with its documents.

use serde_json::{Value, json};
use uuid::Uuid;

use super::draft::LONGEST_TTL;
use crate::plugins::Catalog;
use crate::schema::{
    Document, Field, Kind, OnDelete, Purpose, Schema, Selector, Variant, Violations,
};
use crate::types::{HIDDEN, canonical};

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
    /// What the id of a declarative document without one is made of, if not of the fields of `composite` nor of
    /// `lookup` alone (Kong's `cache_key`, admin-api.md 12.4).
    pub identity: &'static [&'static str],
    /// What becomes of documents of older declarative formats, in this order.
    pub upgrades: Vec<Upgrade>,
    /// Whether `updated_at` is set on each write.
    pub has_updated_at: bool,
    /// Whether documents may expire: `ttl` is sent as seconds to live, and stored as the second since the epoch at
    /// which the document ends (null is never). Answers show what remains, see [`Entity::remaining`].
    pub has_ttl: bool,
    /// Whether it is reached only under what it belongs to: a list of its own it has not, the newest is listed first,
    /// and PUT changes one but never makes one (targets, admin-api.md 8.8).
    pub nested_only: bool,
    /// Whether it has no address at all: others show it (who is a member of a group).
    pub no_addresses: bool,
    /// Whether the documents it refers to have no address under its own (`/snis/{s}/certificate`).
    pub no_way_up: bool,
    /// A list that is shown and may be sent, and is not stored.
    pub name_list: Option<NameList>,
    /// Lists of ids that others must not be deleted from under: the path of the list and the kind of the documents.
    /// Unlike a foreign key, an id may name nothing.
    pub mentions: &'static [(&'static str, &'static str)],
    /// What no schema can say: run on a complete document that has passed its schema, with the plugins that may be named.
    pub own_check: Option<OwnCheck>,
    /// What answers show beside what is stored. Nobody may set it: what is sent in its place is ignored, so that a
    /// client may send back what it was answered.
    pub computed: Option<Computed>,
    /// What is computed from the fields that were sent, in this order.
    pub transformations: Vec<Transformation>,
    /// Its fields and rules.
    pub schema: Schema,
}

/// Says what is wrong with a document that its schema has passed.
pub type OwnCheck = fn(&Document, &Catalog) -> Violations;

/// Members of answers that follow from what is stored, and are not stored themselves.
#[derive(Clone, Debug)]
pub struct Computed {
    /// What they are.
    pub fields: Vec<Field>,
    /// Computes them from a stored document.
    pub of: fn(&Document) -> Document,
}

impl Computed {
    /// The document as answers show it.
    pub fn shown(&self, document: &Document) -> Document {
        let mut shown = document.clone();
        shown.extend((self.of)(document));
        shown
    }

    /// Takes away what nobody may set.
    pub(super) fn drop_from(&self, input: &mut Document) {
        for field in &self.fields {
            input.shift_remove(field.name.as_ref());
        }
    }
}

/// A list of names: those of the documents of another kind that refer to this one. To write it is to write them.
#[derive(Clone, Copy, Debug)]
pub struct NameList {
    /// What it is called here.
    pub field: &'static str,
    /// The kind of the documents that it names.
    pub kind: &'static str,
    /// The field by which they refer to this one.
    pub link: &'static str,
    /// Their unique field that is listed; it also stands for this document's id in a path.
    pub name: &'static str,
    /// What one of them is called in answers.
    pub called: &'static str,
}

impl NameList {
    /// The list, as a field of the document that shows it.
    pub fn shown_as(&self) -> Field {
        let documents = super::find(self.kind);
        let name = documents.and_then(|entity| entity.schema.field(self.name));
        let mut element = name.cloned().unwrap_or_else(Field::string);
        (element.unique, element.name) = (false, "".into());
        let list = Field::array(element).optional().named(self.field);
        list.describe("Names that it is found and shown by; to write them is to write documents of their own.")
    }
}

/// A computed value (Kong's `transformations`): a hash of a password, the digest of a certificate. It runs on a
/// document that has passed every check.
#[derive(Clone, Debug)]
pub struct Transformation {
    /// It runs if the sender gave one of these; a null counts as given.
    pub input: &'static [&'static str],
    /// Dotted paths of what else goes into the value: an update that changes one of these must give `input` again,
    /// since what it was computed from is not kept.
    pub needs: &'static [&'static str],
    /// Changes the complete document.
    pub apply: fn(&mut Document),
}

/// A change of meaning between two declarative formats (admin-api.md 12.2).
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// It runs on documents of formats before this one, `3.0`.
    pub before: &'static str,
    /// Writes what was sent as this format would.
    pub apply: fn(&mut Document),
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
    /// Whether values are computed; off where a document already holds them (`_transform: false`).
    pub transform: bool,
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
    /// Everything that is wrong with a document as it is stored.
    pub fn validate(&self, document: &Document, catalog: &Catalog) -> Violations {
        match self.variant(document, catalog) {
            Ok(variant) if self.has_ttl && document.contains_key("ttl") => {
                let mut document = document.clone();
                document.shift_remove("ttl");
                self.judge(variant, &document, catalog, false)
            }
            Ok(variant) => self.judge(variant, document, catalog, false),
            Err(violations) => violations,
        }
    }

    /// What the schema says of a complete document, and what only the entity knows of one that the schema has passed.
    pub(super) fn judge(
        &self,
        variant: Option<&Variant>,
        document: &Document,
        catalog: &Catalog,
        updating: bool,
    ) -> Violations {
        let found = self.schema.validate(variant, document, updating);
        match self.own_check {
            Some(check) if found.is_empty() => check(document, catalog),
            _ => found,
        }
    }

    /// A stored document with what it lacks in place; as it is where nobody knows what it should have.
    pub fn completed(&self, document: Document, catalog: &Catalog) -> Document {
        match self.variant(&document, catalog) {
            Ok(variant) => self.schema.complete(variant, document),
            Err(_) => document,
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

    /// Whether that field's value must not be repeated by errors, logs and the audit.
    pub fn is_secret(&self, field: &str) -> bool {
        self.schema.field(field).is_some_and(|field| field.secret)
    }

    /// Members of a document as an error may tell them: secrets hidden.
    pub fn told(&self, mut members: Document) -> Document {
        hide(&self.schema, None, &mut members);
        members
    }

    /// A document as a dry run or a report may show it: secrets hidden, those of a plugin's `config` too.
    pub fn told_whole(&self, mut document: Document, catalog: &Catalog) -> Document {
        let variant = self.variant(&document, catalog).ok().flatten();
        hide(&self.schema, variant, &mut document);
        document
    }

    /// Its documents in JSON Schema; `variant`: of one plugin, or of routes of one protocol.
    pub fn json_schema(&self, variant: Option<&Variant>, purpose: Purpose) -> Value {
        let mut out = self.schema.json_schema(variant, purpose);
        if self.has_ttl {
            out["properties"]["ttl"] = json!({
                "type": ["integer", "null"], "minimum": 0, "maximum": LONGEST_TTL,
                "description": "Seconds until it expires; null is never.",
            });
            if purpose == Purpose::Answer
                && let Some(required) = out["required"].as_array_mut()
            {
                required.push("ttl".into());
            }
        }
        if let Selector::Named { names, .. } = &self.schema.selector {
            out["properties"]["name"]["enum"] = json!(names);
        }
        for field in self.computed.iter().flat_map(|computed| &computed.fields) {
            let mut shape = field.json_schema(purpose);
            shape["readOnly"] = true.into();
            out["properties"][field.name.as_ref()] = shape;
            if purpose == Purpose::Answer
                && let Some(required) = out["required"].as_array_mut()
            {
                required.push(field.name.as_ref().into());
            }
        }
        if let Some(list) = &self.name_list {
            out["properties"][list.field] = list.shown_as().json_schema(purpose);
            if purpose == Purpose::Answer
                && let Some(required) = out["required"].as_array_mut()
            {
                required.push(list.field.into());
            }
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

    /// The fields that the id of a declarative document without one is made of; none: its name alone, if it has one.
    pub fn identity_fields(&self) -> &'static [&'static str] {
        match self.identity {
            [] => self.composite.first().copied().unwrap_or_default(),
            declared => declared,
        }
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

    /// What its lists of ids mention: the path of the list, the kind and the id of a document that may exist.
    pub fn mentioned(&self, document: &Document) -> Vec<(&'static str, &'static str, Uuid)> {
        let lists = self.mentions.iter().flat_map(|(path, kind)| {
            let mut names = path.split('.');
            let first = names.next().and_then(|name| document.get(name));
            let list = names.fold(first, |value, name| value?.get(name));
            let ids = list.and_then(Value::as_array).into_iter().flatten();
            ids.filter_map(|id| canonical(id.as_str()?))
                .map(|id| (*path, *kind, id))
        });
        lists.collect()
    }

    /// Seconds until a stored document expires: `None` if it never does, 0 if it has.
    pub fn remaining(&self, document: &Document, now: f64) -> Option<u64> {
        let end = document.get("ttl").filter(|_| self.has_ttl)?.as_f64()?;
        Some((end - now).ceil().max(0.0) as u64)
    }

    /// The shape that a document is held to; for plugins an error if there is no such plugin.
    pub(super) fn variant<'a>(
        &'a self,
        document: &Document,
        catalog: &'a Catalog,
    ) -> Result<Option<&'a Variant>, Violations> {
        match self.schema.selector {
            Selector::Plugin => plugin_variant(document, catalog).map(Some),
            Selector::Named { names, unknown } => match chosen_name(document)? {
                name if names.contains(&name) => Ok(None),
                name => Err(Violations::one("name", unknown(name))),
            },
            _ => Ok(self.schema.variant_by_words(document)),
        }
    }
}

fn plugin_variant<'a>(
    document: &Document,
    catalog: &'a Catalog,
) -> Result<&'a Variant, Violations> {
    let name = chosen_name(document)?;
    catalog
        .plugin(name)
        .map(|plugin| &plugin.variant)
        .ok_or_else(|| {
            let text = format!(
                "plugin '{name}' not enabled; add it to the 'plugins' configuration property"
            );
            let names = catalog.iter().map(|plugin| plugin.name.as_ref());
            let meant = crate::settings::nearest(name, names);
            Violations::hinted("name", text, meant)
        })
}

/// The name that says what the rest of a document means; without it nothing else can be judged.
fn chosen_name(document: &Document) -> Result<&str, Violations> {
    let wrong = match document.get("name") {
        None | Some(Value::Null) => "required field missing",
        Some(Value::String(name)) if name.is_empty() => "length must be at least 1",
        Some(Value::String(name)) => return Ok(name),
        Some(_) => "expected a string",
    };
    Err(Violations::one("name", wrong))
}

/// Hides the secrets of a record, and of the records in it. What stands in the place of one is no better than a secret.
fn hide(schema: &Schema, variant: Option<&Variant>, members: &mut Document) {
    let narrowed = |name: &str| variant?.fields.iter().find(|field| field.name == name);
    for (name, value) in members.iter_mut().filter(|(_, value)| !value.is_null()) {
        let Some(field) = narrowed(name).or_else(|| schema.field(name)) else {
            continue;
        };
        match (&field.kind, &mut *value) {
            _ if field.secret => *value = HIDDEN.into(),
            (Kind::Record(inner), Value::Object(members)) => hide(inner, None, members),
            (Kind::Record(inner), _) if holds_secrets(inner) => *value = HIDDEN.into(),
            _ => {}
        }
    }
}

fn holds_secrets(schema: &Schema) -> bool {
    schema.fields.iter().any(|field| match &field.kind {
        Kind::Record(inner) => field.secret || holds_secrets(inner),
        _ => field.secret,
    })
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
