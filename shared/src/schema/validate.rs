//! Everything that is wrong with a complete document.

use serde_json::Value;

use super::rules::REQUIRED;
use super::{Document, Field, Kind, Node, Schema, Variant, Violations};
use crate::settings::nearest;
use crate::types::{HIDDEN, canonical};

/// Unknown names of one document that get a hint.
const HINTS: usize = 20;

/// Checks every field of a document, then the rules between them.
pub(super) fn document(
    schema: &Schema,
    variant: Option<&Variant>,
    document: &Document,
    updating: bool,
) -> Violations {
    let mut violations = fields(schema, variant, document, updating);
    let more = variant.map_or(&[][..], |variant| &variant.checks);
    for check in schema.checks.iter().chain(more) {
        check.run(schema, variant, document, updating, &mut violations);
    }
    violations
}

fn fields(
    schema: &Schema,
    variant: Option<&Variant>,
    document: &Document,
    updating: bool,
) -> Violations {
    let mut violations = Violations::default();
    for field in schema.resolved(variant) {
        let value = document.get(field.name.as_ref()).unwrap_or(&Value::Null);
        if let Err(node) = field.check_nested(value, updating) {
            violations.attach(&field.name, node);
        }
    }
    let unknown = document.keys().filter(|name| schema.field(name).is_none());
    for (place, name) in unknown.enumerate() {
        // A document of ten thousand wrong names has no use for as many ideas.
        let meant = (place < HINTS).then(|| schema.meant(name)).flatten();
        violations.attach(name, Node::hinted("unknown field", meant));
    }
    violations
}

impl Schema {
    /// The field that a name which is none may stand for.
    fn meant(&self, name: &str) -> Option<&str> {
        let shorthands = self.shorthands.iter().map(|shorthand| &shorthand.field);
        let fields = self.fields.iter().chain(shorthands);
        nearest(name, fields.map(|field| field.name.as_ref()))
    }

    /// Everything that is wrong with a complete document. `updating` changes some texts.
    pub fn validate(
        &self,
        variant: Option<&Variant>,
        document: &Document,
        updating: bool,
    ) -> Violations {
        self::document(self, variant, document, updating)
    }

    /// The fields, those of the variant in place of the schema's own.
    pub(super) fn resolved<'a>(
        &'a self,
        variant: Option<&'a Variant>,
    ) -> impl Iterator<Item = &'a Field> {
        let instead = variant.map_or(&[][..], |variant| &variant.fields);
        self.fields.iter().map(|field| {
            instead
                .iter()
                .find(|other| other.name == field.name)
                .unwrap_or(field)
        })
    }
}

impl Field {
    /// Says what is wrong with a value: its type, its rules, then its parts.
    pub fn check(&self, value: &Value) -> Result<(), Node> {
        self.check_nested(value, false)
    }

    fn check_nested(&self, value: &Value, updating: bool) -> Result<(), Node> {
        if value.is_null() {
            return if self.required {
                Err(text(REQUIRED))
            } else {
                self.rules.check(value).map_err(Node::Text)
            };
        }
        self.check_type(value)?;
        if self.referenceable && is_vault_reference(value) {
            return Ok(());
        }
        self.check_parts(value, updating)?;
        let said = self.rules.check(value);
        said.map_err(|said| Node::hinted(self.discreet(value, said), self.meant(value)))
    }

    /// Which of the words that are allowed may have been meant.
    fn meant(&self, value: &Value) -> Option<&str> {
        let allowed = self.rules.one_of.as_deref()?.iter();
        nearest(value.as_str()?, allowed.filter_map(Value::as_str))
    }

    /// What is said of a value, without the value if that is a secret.
    fn discreet(&self, value: &Value, said: String) -> String {
        // Shorter texts give nothing away, and would be found in the middle of words.
        const TELLING: usize = 4;
        match value.as_str() {
            Some(secret) if self.secret && secret.len() >= TELLING => said.replace(secret, HIDDEN),
            _ => said,
        }
    }

    fn check_type(&self, value: &Value) -> Result<(), Node> {
        let fits = match &self.kind {
            Kind::String => value.is_string(),
            Kind::Number => value.is_number(),
            Kind::Integer => value
                .as_number()
                .is_some_and(|number| super::numbers::whole(number).is_some()),
            Kind::Boolean => value.is_boolean(),
            Kind::Array(_) | Kind::Set(_) => value.is_array(),
            Kind::Map { .. } | Kind::Record(_) | Kind::PluginConfig => value.is_object(),
            Kind::Foreign { .. } | Kind::Any => true,
        };
        if !fits {
            return Err(text(&format!("expected {}", self.kind.article())));
        }
        match value {
            Value::String(empty) if empty.is_empty() && self.rules.len_min != Some(0) => {
                Err(text("length must be at least 1"))
            }
            _ => Ok(()),
        }
    }

    fn check_parts(&self, value: &Value, updating: bool) -> Result<(), Node> {
        match (&self.kind, value) {
            (Kind::Array(element) | Kind::Set(element), Value::Array(items)) => {
                element.check_items(items, updating)
            }
            (Kind::Map { keys, values }, Value::Object(members)) => {
                members.iter().try_for_each(|(key, item)| {
                    keys.check_nested(&Value::String(key.clone()), updating)?;
                    values.check_nested(item, updating)
                })
            }
            (Kind::Record(schema), Value::Object(members)) => {
                let violations = document(schema, None, members, updating);
                if violations.is_empty() {
                    Ok(())
                } else {
                    Err(Node::Record(violations))
                }
            }
            (Kind::Foreign { .. }, value) => check_key(value),
            _ => Ok(()),
        }
    }

    fn check_items(&self, items: &[Value], updating: bool) -> Result<(), Node> {
        let mut errors: Vec<_> = items
            .iter()
            .map(|item| self.check_nested(item, updating).err())
            .collect();
        let Some(last) = errors.iter().rposition(Option::is_some) else {
            return Ok(());
        };
        errors.truncate(last + 1);
        Err(Node::List(errors))
    }
}

/// A reference is an object with an id.
fn check_key(value: &Value) -> Result<(), Node> {
    let wrong = match value.get("id") {
        None | Some(Value::Null) => "missing primary key",
        Some(Value::String(id)) if canonical(id).is_some() => return Ok(()),
        Some(Value::String(id)) if id.is_empty() => "length must be at least 1",
        Some(Value::String(_)) => "expected a valid UUID",
        Some(_) => "expected a string",
    };
    Err(Node::Record(Violations::one("id", wrong)))
}

/// `{vault://…}` stands for a value that only a node knows.
pub(super) fn is_vault_reference(value: &Value) -> bool {
    let text = value.as_str();
    text.is_some_and(|text| crate::types::VaultReference::new(text).is_some())
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

impl Kind {
    /// Its name in Kong's schemas.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Array(_) => "array",
            Kind::Set(_) => "set",
            Kind::Map { .. } => "map",
            Kind::Record(_) | Kind::PluginConfig => "record",
            Kind::Foreign { .. } => "foreign",
            Kind::Any => "any",
        }
    }

    fn article(&self) -> String {
        match self {
            Kind::Integer | Kind::Array(_) | Kind::Any => format!("an {}", self.name()),
            _ => format!("a {}", self.name()),
        }
    }
}
