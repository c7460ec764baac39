//! Plugins that travel with the configuration, as source.

use derive::Entity;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Computed, Entity};
use crate::plugins::custom::OnError;
use crate::plugins::{Catalog, custom};
use crate::schema::{Document, Field, Violations};
use crate::types::{Id, Tag, Timestamp};

/// The longest `schema` or `handler`, in bytes (custom-plugins.md 7.2).
pub const LONGEST_SOURCE: usize = 1 << 20;

/// A plugin as source: what it may be told, and what it does.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(
    kind = "custom_plugins",
    path = "custom-plugins",
    lookup = "name",
    with = with_source
)]
pub struct CustomPlugin {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<CustomPlugin>,
    /// What plugins name it by; not the name of a plugin that is built in or lies on the machine.
    #[schema(unique, matching = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub name: String,
    /// What it may be told: the Lua source of `schema.lua`.
    #[schema(len_max = LONGEST_SOURCE, custom = text_only)]
    pub schema: String,
    /// What it does: the Lua source of `handler.lua`.
    #[schema(len_max = LONGEST_SOURCE, custom = text_only)]
    pub handler: String,
    /// What an error in its handler does to a request: `fail` ends it with 500, as Kong has it; `skip` logs and counts the
    /// error, and the request goes on as if the handler had returned. Only for plugins that may be left out, never for one
    /// that decides who may pass.
    #[schema(default = "fail")]
    #[serde(default)] // documents of before have none
    pub on_error: OnError,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// When it last changed, in seconds since the epoch.
    pub updated_at: Option<Timestamp>,
}

fn with_source(mut entity: Entity) -> Entity {
    entity.own_check = Some(check);
    entity.computed = Some(Computed {
        fields: computed_fields(),
        of: computed,
    });
    entity
}

/// Source is text: Lua knows no control characters but white space, and what is compiled begins with one.
fn text_only(value: &Value) -> Result<(), String> {
    let strange = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    let text = value.as_str().unwrap_or_default();
    match text.char_indices().find(|(_, c)| strange(*c)) {
        None => Ok(()),
        Some((at, c)) => Err(format!(
            "expected Lua source, got a control character ({:#04x}) at byte {}",
            u32::from(c),
            at + 1
        )),
    }
}

/// Whether the name is free and the source loads (custom-plugins.md 7.3, steps 2 to 4).
fn check(document: &Document, catalog: &Catalog) -> Violations {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let text = |name: &str| text(name).unwrap_or_default();
    let name = text("name");
    if !catalog.is_streaming() {
        let mut found = Violations::default();
        found.entity_check(custom::OFF);
        return found;
    }
    if let Some(owner) = catalog.owner(name) {
        return Violations::one("name", format!("'{name}' is the name of a {owner} plugin"));
    }
    let mut found = Violations::default();
    let source = custom::Source::streamed(name, text("schema"), text("handler"));
    for error in custom::read(source).err().into_iter().flatten() {
        found.insert(&[error.field], error.message);
    }
    found
}

fn computed_fields() -> Vec<Field> {
    let phases = Field::array(Field::string()).optional();
    vec![
        Field::string()
            .named("sha256")
            .describe("SHA-256 of `schema` followed by `handler`, in hexadecimal digits."),
        Field::new(crate::schema::Kind::Integer)
            .optional()
            .named("priority")
            .describe("The handler's `PRIORITY`: greater runs first."),
        Field::string()
            .optional()
            .named("version")
            .describe("The handler's `VERSION`."),
        phases.named("phases").describe(
            "The phases that the handler has methods for, in the order in which they run.",
        ),
    ]
}

/// What answers show beside what is stored; of source that does not load any more only its digest.
fn computed(document: &Document) -> Document {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let text = |name: &str| text(name).unwrap_or_default();
    let source = custom::Source::streamed(text("name"), text("schema"), text("handler"));
    let shown = match custom::read(source) {
        Ok(plugin) => {
            let phases = plugin.custom.as_ref().map(|custom| custom.phases.clone());
            json!({
                "sha256": source.sha256(),
                "priority": plugin.priority,
                "version": plugin.version,
                "phases": phases,
            })
        }
        Err(_) => json!({
            "sha256": source.sha256(), "priority": null, "version": null, "phases": null,
        }),
    };
    match shown {
        Value::Object(shown) => shown,
        _ => Document::new(),
    }
}
