//! The configuration of a plugin in Lua with the secrets that it only refers to (custom-plugins.md 2.2, `referenceable`).

use std::sync::Arc;

use serde_json::Value;
use shared::entities;
use shared::plugins::custom::LuaConfig;
use shared::schema::{Field, Kind, Schema};
use shared::types::VaultReference;

use super::vaults::Vaults;

/// The configuration as a handler gets it: a reference in a field that may be one is what it stands for. What stands for
/// nothing is an empty text, with a warning.
pub(crate) fn resolved(
    schema: &Schema,
    config: Arc<LuaConfig>,
    document: &entities::Plugin,
    vaults: &Vaults,
) -> Arc<LuaConfig> {
    let mut place = Place {
        document,
        vaults,
        path: vec!["config"],
        found: false,
    };
    let mut changed = config.0.clone();
    for field in &schema.fields {
        if let Some(value) = changed.get_mut(&*field.name) {
            place.within(&field.name, field, value);
        }
    }
    match place.found {
        true => Arc::new(LuaConfig(changed)),
        false => config,
    }
}

/// Whether a configuration depends on what vaults hold.
pub(crate) fn refers(schema: &Schema, config: &LuaConfig) -> bool {
    let within = |field: &Field| {
        config
            .0
            .get(&*field.name)
            .is_some_and(|value| refers_within(field, value))
    };
    schema.fields.iter().any(within)
}

fn refers_within(field: &Field, value: &Value) -> bool {
    match (&field.kind, value) {
        (_, Value::String(text)) if field.referenceable => VaultReference::new(text).is_some(),
        (Kind::Array(element) | Kind::Set(element), Value::Array(items)) => {
            items.iter().any(|item| refers_within(element, item))
        }
        (Kind::Map { values, .. }, Value::Object(members)) => {
            members.values().any(|member| refers_within(values, member))
        }
        (Kind::Record(schema), Value::Object(members)) => schema.fields.iter().any(|field| {
            let member = members.get(&*field.name);
            member.is_some_and(|member| refers_within(field, member))
        }),
        _ => false,
    }
}

/// Where in a configuration.
struct Place<'s> {
    document: &'s entities::Plugin,
    vaults: &'s Vaults<'s>,
    path: Vec<&'s str>,
    found: bool,
}

impl<'s> Place<'s> {
    fn within(&mut self, name: &'s str, field: &'s Field, value: &mut Value) {
        self.path.push(name);
        self.value(field, value);
        self.path.pop();
    }

    fn value(&mut self, field: &'s Field, value: &mut Value) {
        match (&field.kind, value) {
            (_, Value::String(text)) if field.referenceable => self.text(text),
            (Kind::Array(element) | Kind::Set(element), Value::Array(items)) => {
                for item in items {
                    self.value(element, item);
                }
            }
            (Kind::Map { values, .. }, Value::Object(members)) => {
                for (_, member) in members {
                    self.value(values, member);
                }
            }
            (Kind::Record(schema), Value::Object(members)) => {
                for field in &schema.fields {
                    if let Some(member) = members.get_mut(&*field.name) {
                        self.within(&field.name, field, member);
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &mut String) {
        let Some(reference) = VaultReference::new(text) else {
            return;
        };
        self.found = true;
        *text = self.vaults.find(&reference).unwrap_or_else(|error| {
            let (plugin, id) = (self.document.name.as_str(), self.document.id.uuid());
            let field = self.path.join(".");
            tracing::warn!(plugin, %id, field, %error, "a secret is missing: the plugin gets an empty text for it");
            String::new()
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::model::Model;

    use super::*;

    #[test]
    fn references_become_what_they_stand_for_where_the_schema_lets_them() {
        let secret = || Field::string().referenceable();
        let named = |name: &'static str, field: Field| field.named(name);
        let map = Field::new(Kind::Map {
            keys: Box::new(Field::string()),
            values: Box::new(secret()),
        });
        let schema = Schema::new(
            "config",
            vec![
                named("secret", secret()),
                named("plain", Field::string()),
                named("list", Field::array(secret())),
                named("map", map),
                named(
                    "record",
                    Field::record(Schema::new("record", vec![named("secret", secret())])),
                ),
            ],
        );
        let reference = "{vault://env/a-word}";
        let config = json!({
            "secret": reference, "plain": reference, "list": ["as it is", reference, "{vault://env/none}"],
            "map": { "a": reference }, "record": { "secret": reference, "other": 1 },
        });
        let config = Arc::new(LuaConfig(config.as_object().expect("an object").clone()));
        let document = serde_json::from_value(json!({
            "id": uuid::Uuid::nil(), "name": "demo", "config": {}, "protocols": ["http"], "enabled": true,
        }));
        let document = document.expect("a document");
        let model = Model::default();
        let variable = |name: &str| (name == "A_WORD").then(|| "word".to_owned());
        let vaults = Vaults::new(&model, &variable);
        let found = resolved(&schema, config.clone(), &document, &vaults);
        let expected = json!({
            "secret": "word", "plain": reference, "list": ["as it is", "word", ""],
            "map": { "a": "word" }, "record": { "secret": "word", "other": 1 },
        });
        assert_eq!(serde_json::Value::Object(found.0.clone()), expected);

        let without = Arc::new(LuaConfig(serde_json::Map::new()));
        let same = resolved(&schema, without.clone(), &document, &vaults);
        assert!(
            Arc::ptr_eq(&same, &without),
            "nothing is copied where nothing refers"
        );
    }
}
