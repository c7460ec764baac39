//! The whole of a schema: what a plugin may be limited to, and its `config`.

use mlua::Table;
use serde_json::Value as Json;
use shared::entities::{self, Declared};
use shared::plugins::Scopes;
use shared::plugins::custom::Shape;
use shared::schema::{Check, Field, Kind, Run, Schema};

use super::fields::LATER;
use super::functions::Program;
use super::json::Reader;
use super::node::Node;

/// What a plugin may say of its own documents.
const FIELDS: &str = "config, consumer, consumer_group, protocols, route, service";

/// The shape of a plugin, out of the table that its `schema.lua` returned. `program` is what returned it: functions are
/// found again through it.
///
/// # Errors
/// What is wrong, behind the path of the field.
pub fn convert(name: &str, table: &Table, program: &Program) -> Result<Shape, String> {
    let reader = Reader::default();
    let root = Node::root(program, &reader, table);
    if let Some(later) = LATER.iter().find(|later| root.has(later)) {
        return Err(root.fault(later, "not supported yet"));
    }
    root.knows(&["entity_checks", "fields", "name"])?;
    let own = root.needed_text("name")?;
    if own != name {
        return Err(root.fault("name", format!("expected '{name}', got '{own}'")));
    }
    if !root.has("fields") {
        return Err(root.fault("fields", "required field missing"));
    }
    let mut shape = Shape {
        scopes: Scopes {
            consumer: true,
            service: true,
            route: true,
        },
        protocols: None,
        config: Schema::default(),
        checks: Vec::new(),
    };
    let mut seen = Vec::new();
    root.children("fields", |entry| {
        let (field, node) = entry.only(&root, "fields")?;
        if seen.contains(&field) {
            return Err(node.own_fault("declared twice"));
        }
        match field.as_str() {
            "consumer" => shape.scopes.consumer = node.scope()?,
            "service" => shape.scopes.service = node.scope()?,
            "route" => shape.scopes.route = node.scope()?,
            // Groups limit nothing here; a plugin may say that it does not know them either.
            "consumer_group" => drop(node.scope()?),
            "protocols" => shape.protocols = node.protocols()?,
            "config" => shape.config = node.config()?,
            _ => return Err(node.own_fault(format!("unknown field, expected one of: {FIELDS}"))),
        }
        seen.push(field);
        Ok(())
    })?;
    shape.config.name = name.to_owned().into();
    shape.checks = root.checks(&document(&shape.config))?;
    Ok(shape)
}

/// The fields of a document of the plugin, for the rules that read it whole.
fn document(config: &Schema) -> Vec<Field> {
    let mut fields = entities::Plugin::entity().schema.fields.clone();
    fields.retain(|field| field.name != "config");
    fields.push(Field::record(config.clone()).named("config"));
    fields
}

impl Node<'_> {
    /// Whether the plugin may be limited to one of these: not if the field is always null.
    fn scope(&self) -> Result<bool, String> {
        let kind = self.needed_text("type")?;
        if kind != "foreign" {
            return Err(self.fault("type", format!("expected 'foreign', got '{kind}'")));
        }
        Ok(self.value("eq")? != Some(Json::Null))
    }

    /// The protocols that the plugin can work with, if it says so.
    fn protocols(&self) -> Result<Option<Vec<String>>, String> {
        let field = self.field(false)?;
        let (Kind::Set(element) | Kind::Array(element)) = field.kind else {
            return Err(self.fault("type", "expected 'set'"));
        };
        let Some(words) = element.rules.one_of else {
            return Ok(None);
        };
        let word = |word: Json| match word {
            Json::String(word) => Ok(word),
            other => Err(self.fault("elements.one_of", format!("expected a string, got {other}"))),
        };
        words
            .into_iter()
            .map(word)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The record `config`, with its rules.
    fn config(&self) -> Result<Schema, String> {
        let field = self.field(false)?;
        let Kind::Record(mut config) = field.kind else {
            return Err(self.fault("type", "expected 'record'"));
        };
        config.description = field.description;
        if let Some(custom) = field.rules.custom {
            config.checks.push(Check::Custom {
                within: None,
                fields: Vec::new(),
                tolerant: false,
                run: Run::new(move |config, violations| {
                    if violations.is_empty()
                        && let Err(text) = custom.check(&Json::Object(config.clone()))
                    {
                        violations.entity_check(text);
                    }
                }),
            });
        }
        Ok(config)
    }
}
