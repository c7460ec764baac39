//! Fields: their types and attributes.

use std::sync::atomic::{AtomicBool, Ordering};

use mlua::Value;
use serde_json::Value as Json;
use shared::schema::{Custom, Field, Kind, Schema};

use super::node::Node;

/// Every attribute of a field and the types that may have it; no types are all of them.
pub(super) static ATTRIBUTES: &[(&str, &[&str])] = &[
    ("abstract", ANY),
    ("auto", ANY),
    ("between", NUMBERS),
    ("contains", LISTS),
    ("custom_validator", ANY),
    ("default", ANY),
    ("deprecation", ANY),
    ("description", ANY),
    ("elements", LISTS),
    ("encrypted", ANY),
    ("entity_checks", &["record"]),
    ("eq", ANY),
    ("err", ANY),
    ("examples", ANY),
    ("fields", &["record"]),
    ("gt", NUMBERS),
    ("immutable", ANY),
    ("indexed", ANY),
    ("is_regex", TEXT),
    ("keys", &["map"]),
    ("legacy", ANY),
    ("len_eq", LONG),
    ("len_max", LONG),
    ("len_min", LONG),
    ("match", TEXT),
    ("match_all", TEXT),
    ("match_any", TEXT),
    ("match_none", TEXT),
    ("mutually_exclusive_subsets", LISTS),
    ("ne", ANY),
    ("nilable", ANY),
    ("not_match", TEXT),
    ("not_one_of", SCALARS),
    ("one_of", SCALARS),
    ("reference", &["foreign"]),
    ("referenceable", ANY),
    ("required", ANY),
    ("starts_with", TEXT),
    ("timestamp", NUMBERS),
    ("type", ANY),
    ("unique", ANY),
    ("unique_across_ws", ANY),
    ("uuid", TEXT),
    ("values", &["map"]),
    (super::typedefs::NATIVE, TEXT),
];

const ANY: &[&str] = &[];
const TEXT: &[&str] = &["string"];
const NUMBERS: &[&str] = &["integer", "number"];
const SCALARS: &[&str] = &["boolean", "integer", "number", "string"];
const LISTS: &[&str] = &["array", "set"];
const LONG: &[&str] = &["array", "map", "set", "string"];

/// Attributes that Kong has and this engine not yet.
pub(super) const LATER: &[&str] = &["shorthand_fields", "shorthands", "transformations"];

/// Types of fields that may be configured.
const TYPES: &str = "array, boolean, integer, map, number, record, set, string";

/// How many fields one record may have; looking for one takes as many steps.
const MOST_FIELDS: usize = 2000;

impl Node<'_> {
    /// The `fields` of a record.
    pub(super) fn fields(&self) -> Result<Vec<Field>, String> {
        let mut fields: Vec<Field> = Vec::new();
        self.children("fields", |entry| {
            if fields.len() == MOST_FIELDS {
                return Err(self.fault("fields", format!("more than {MOST_FIELDS} fields")));
            }
            let (name, node) = entry.only(self, "fields")?;
            if fields.iter().any(|field| field.name == name) {
                return Err(node.own_fault("declared twice"));
            }
            fields.push(node.field(false)?.named(name));
            Ok(())
        })?;
        Ok(fields)
    }

    /// The field that this table declares. An `inner` one, an element or a key, is no member of a record: it is always
    /// there.
    pub(super) fn field(&self, inner: bool) -> Result<Field, String> {
        self.deeper(|| self.field_here(inner))
    }

    fn field_here(&self, inner: bool) -> Result<Field, String> {
        let kind = self.needed_text("type")?;
        self.allowed(&kind)?;
        let mut field = Field::new(match kind.as_str() {
            "string" => Kind::String,
            "number" => Kind::Number,
            "integer" => Kind::Integer,
            "boolean" => Kind::Boolean,
            "array" => Kind::Array(Box::new(self.part("array", "elements")?)),
            "set" => Kind::Set(Box::new(self.part("set", "elements")?)),
            "map" => Kind::Map {
                keys: Box::new(self.part("map", "keys")?),
                values: Box::new(self.part("map", "values")?),
            },
            "record" => Kind::Record(self.record()?),
            "foreign" => {
                let text = "foreign fields are only for consumer, route and service";
                return Err(self.fault("type", text));
            }
            "function" => return Err(self.fault("type", "a function cannot be configured")),
            "json" => return Err(self.fault("type", "fields of type 'json' are not supported yet")),
            other => {
                let text = format!("expected one of: {TYPES}, got '{other}'");
                return Err(self.fault("type", text));
            }
        });
        let always = inner || kind == "record";
        field.required = self.boolean("required")?.unwrap_or(always);
        field.rules = self.rules()?;
        field.immutable = self.boolean("immutable")?.unwrap_or_default();
        field.description = self.text("description")?.unwrap_or_default().into();
        field.default = self.default_of(&field.kind)?;
        if self.boolean("abstract")? == Some(true) {
            return Err(self.fault("abstract", "a plugin has no abstract fields"));
        }
        if self.boolean("referenceable")? == Some(true) {
            field = match field.kind {
                Kind::Array(_) | Kind::Set(_) | Kind::Map { .. } => {
                    field.elements(Field::referenceable)
                }
                _ => field.referenceable(),
            };
        }
        if self.boolean("encrypted")? == Some(true) {
            field = field.secret();
        }
        self.warn_of(field)
    }

    /// Refuses attributes that there are not, or not for this type.
    fn allowed(&self, kind: &str) -> Result<(), String> {
        for name in self.names()? {
            if LATER.contains(&name.as_str()) {
                return Err(self.fault(&name, "not supported yet"));
            }
            match ATTRIBUTES.iter().find(|(known, _)| *known == name) {
                None => return Err(self.fault(&name, "unknown field")),
                Some((_, kinds)) if !kinds.is_empty() && !kinds.contains(&kind) => {
                    let text = format!("field of type '{kind}' cannot have attribute '{name}'");
                    return Err(self.own_fault(text));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// What the elements, keys or values are.
    fn part(&self, kind: &str, key: &str) -> Result<Field, String> {
        match self.child(key)? {
            Some(part) => part.field(true),
            None => Err(self.own_fault(format!("field of type '{kind}' must declare '{key}'"))),
        }
    }

    /// The fields of a record, and the rules between them.
    pub(super) fn record(&self) -> Result<Schema, String> {
        if !self.has("fields") {
            return Err(self.own_fault("field of type 'record' must declare 'fields'"));
        }
        let mut schema = Schema::new("", self.fields()?);
        schema.checks = self.checks(&schema.fields)?;
        Ok(schema)
    }

    /// The default; an empty table is what the type says.
    fn default_of(&self, kind: &Kind) -> Result<Option<Json>, String> {
        match self.raw("default") {
            Value::Nil => Ok(None),
            value => {
                let value = self.typed(kind, &value);
                value.map(Some).map_err(|text| self.fault("default", text))
            }
        }
    }

    fn typed(&self, kind: &Kind, value: &Value) -> Result<Json, String> {
        let reader = self.reader;
        match (kind, value) {
            (Kind::Array(element) | Kind::Set(element), Value::Table(table)) => reader
                .list(table, |_, item| self.typed(&element.kind, &item))
                .map(Json::Array),
            (Kind::Map { values, .. }, Value::Table(table)) => {
                reader.members(table, |_, item| self.typed(&values.kind, item))
            }
            (Kind::Record(schema), Value::Table(table)) => {
                reader.members(table, |name, item| match schema.field(name) {
                    Some(field) => self.typed(&field.kind, item),
                    None => reader.value(item),
                })
            }
            (_, value) => reader.value(value),
        }
    }

    /// A field that will go warns once that it is used: when it is given a value other than its default.
    fn warn_of(&self, mut field: Field) -> Result<Field, String> {
        let Some(deprecation) = self.child("deprecation")? else {
            return Ok(field);
        };
        let message = deprecation.text("message")?.unwrap_or_default();
        let removal = deprecation.text("removal_in_version")?;
        let path = self.own_fault("deprecated");
        let (default, inner) = (field.default.clone(), field.rules.custom.take());
        let warned = AtomicBool::new(false);
        field.rules.custom = Some(Custom::new(move |value| {
            if default.as_ref() != Some(value) && !warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(target: "lua", removal, "{path}: {message}");
            }
            inner.as_ref().map_or(Ok(()), |inner| inner.check(value))
        }));
        Ok(field)
    }
}
