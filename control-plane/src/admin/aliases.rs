//! Names that plugins gave their scopes before Kong 1.0: `service_id`, `route_id`, `consumer_id`, `api_id`
//! (admin-api.md 2.6).

use super::error::Failure;
use super::foreign::named_id;
use super::{Admin, lookup};
use serde_json::{Value, json};
use shared::entities::{self, Entity};
use shared::schema::{Document, Kind, Violations};

const KIND: &str = "plugins";
const ALIASES: [(&str, &str); 4] = [
    ("service_id", "service"),
    ("api_id", "service"),
    ("route_id", "route"),
    ("consumer_id", "consumer"),
];

/// Adds the aliases to the JSON Schema of what plugins may be told.
pub fn describe(schema: &mut Value) {
    for (alias, field) in ALIASES {
        schema["properties"][alias] = json!({
            "type": ["string", "null"], "deprecated": true, "writeOnly": true,
            "description": format!("An old name of `{field}`, by id or by name."),
        });
    }
}

/// An alias that was given, and what it refers to.
#[derive(Debug, PartialEq)]
pub struct Given {
    alias: &'static str,
    field: &'static str,
    reference: Value,
}

impl Given {
    /// The field that the alias stands for.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl Admin {
    /// Takes the aliases out of a document, before a schema calls them unknown.
    pub(super) fn take_aliases(
        &self,
        entity: &'static Entity,
        document: &mut Document,
    ) -> Result<Vec<Given>, Failure> {
        if !self.config.admin_legacy_aliases || entity.kind != KIND {
            return Ok(Vec::new());
        }
        take(entity, document).map_err(|found| Failure::schema_violation(&found))
    }

    /// Puts back what the aliases stood for; references in `document` are resolved already.
    pub(super) async fn apply_aliases(
        &self,
        entity: &'static Entity,
        document: &mut Document,
        given: Vec<Given>,
    ) -> Result<(), Failure> {
        for Given {
            alias,
            field,
            reference,
        } in given
        {
            let mut alone = Document::new();
            alone.insert(field.to_owned(), reference);
            self.resolve(entity, &mut alone).await?;
            let reference = alone.remove(field).unwrap_or_default();
            let differs = document
                .get(field)
                .is_some_and(|present| !same(present, &reference));
            if differs {
                let text = format!("conflicts with '{field}'");
                return Err(Failure::schema_violation(&Violations::one(alias, text)));
            }
            document.insert(field.to_owned(), reference);
        }
        Ok(())
    }
}

fn take(entity: &'static Entity, document: &mut Document) -> Result<Vec<Given>, Violations> {
    let mut given = Vec::new();
    for (alias, field) in ALIASES {
        let reference = match document.shift_remove(alias) {
            None => continue,
            Some(Value::String(text)) if text.is_empty() => Value::Null,
            Some(Value::Null) => Value::Null,
            Some(Value::String(text)) => reference(entity, field, text),
            Some(_) => return Err(Violations::one(alias, "expected a string")),
        };
        given.push(Given {
            alias,
            field,
            reference,
        });
    }
    Ok(given)
}

/// By id, or by the name that the referred entity is looked up with.
fn reference(entity: &'static Entity, field: &str, text: String) -> Value {
    let target = entity
        .schema
        .field(field)
        .and_then(|field| match &field.kind {
            Kind::Foreign { kind, .. } => entities::find(kind),
            _ => None,
        });
    match target.and_then(|target| target.lookup) {
        Some(name) if lookup::id(&text).is_none() => json!({ name: text }),
        _ => json!({ "id": text }),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    let id = |value: &Value| value.as_object().and_then(named_id);
    match (id(a), id(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_stand_for_references_by_id_or_by_name() {
        let plugins = entities::find(KIND).expect("a kind of the list");
        let id = "00000000-0000-4000-8000-000000000001";
        let cases = [
            (json!({ "service_id": id }), "service", json!({ "id": id })),
            (
                json!({ "api_id": "orders" }),
                "service",
                json!({ "name": "orders" }),
            ),
            (json!({ "route_id": "r" }), "route", json!({ "name": "r" })),
            (
                json!({ "consumer_id": "bob" }),
                "consumer",
                json!({ "username": "bob" }),
            ),
            (json!({ "route_id": null }), "route", Value::Null),
        ];
        for (document, expected_field, expected) in cases {
            let mut document = document.as_object().cloned().expect("an object");
            let given = take(plugins, &mut document).expect("texts");
            assert!(document.is_empty());
            assert_eq!(
                (given[0].field, &given[0].reference),
                (expected_field, &expected)
            );
        }
    }

    #[test]
    fn an_alias_that_is_no_text_is_refused() {
        let plugins = entities::find(KIND).expect("a kind of the list");
        let mut document = json!({ "service_id": 1 })
            .as_object()
            .cloned()
            .expect("an object");
        let found = take(plugins, &mut document).expect_err("a number");
        assert_eq!(found.fields(), json!({ "service_id": "expected a string" }));
    }
}
