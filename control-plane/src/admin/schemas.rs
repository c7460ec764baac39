//! What entities and plugins may be told, and whether a document would be taken (admin-api.md 10).

use super::access::Role;
use super::error::Failure;
use super::openapi::About;
use super::openapi::shape::{flag, list, map, object, optional, text};
use super::reply::Reply;
use super::serve::Call;
use super::{Answer, names};
use http::StatusCode;
use serde_json::{Value, json};
use shared::entities::{self, Context, Entity};
use shared::schema::Document;

const PLUGINS: &str = "plugins";
const VAULTS: &str = "vaults";

/// What [`entity`] and [`plugin`] answer.
pub fn about_schema() -> About {
    let fields = list(json!({ "type": "object", "minProperties": 1, "maxProperties": 1 }));
    let objects = list(map(json!({})));
    let shape = optional(
        object([("fields", fields)]),
        [
            ("entity_checks", objects.clone()),
            ("shorthand_fields", objects),
            ("ttl", flag()),
        ],
    );
    About::new("What it may be told, in Kong's words")
        .answers(200, shape)
        .refuses(404)
}

/// `GET /schemas/{entity}`
pub fn entity(call: &Call<'_>) -> Answer {
    let entity = named(call.key(0))?;
    Ok(Reply::ok(&entity.render()))
}

/// `GET /schemas/plugins/{name}`
pub fn plugin(call: &Call<'_>) -> Answer {
    let name = call.key(0);
    match call.admin.catalog.plugin(name) {
        Some(plugin) => Ok(Reply::ok(&plugin.render())),
        None => Err(no_plugin(name)),
    }
}

/// What [`plugin_config`] answers.
pub fn about_plugin_config() -> About {
    About::new("What a plugin's `config` may hold, in Kong's words")
        .answers(200, map(json!({})))
        .refuses(404)
}

/// `GET /plugins/schema/{name}`: the config alone.
pub fn plugin_config(call: &Call<'_>) -> Answer {
    let name = call.key(0);
    let plugin = call.admin.catalog.plugin(name);
    let mut whole = plugin.ok_or_else(|| no_plugin(name))?.render();
    let fields = whole["fields"].as_array_mut().into_iter().flatten();
    let config = fields.filter_map(|field| field.get_mut("config")).next();
    Ok(Reply::ok(&config.map(Value::take)))
}

/// `GET /schemas/vaults/{name}`
pub fn vault(call: &Call<'_>) -> Answer {
    let name = call.key(0);
    let schema = entities::vault::type_schema(name).ok_or_else(|| {
        let text = format!("No vault named '{name}'");
        Failure::message(StatusCode::NOT_FOUND, text)
    })?;
    Ok(Reply::ok(&schema.render(None)))
}

/// What [`enabled_plugins`] answers.
pub fn about_enabled_plugins() -> About {
    let shape = object([("enabled_plugins", list(text()))]);
    About::new("The plugins that may be configured").answers(200, shape)
}

/// `GET /plugins/enabled`
pub fn enabled_plugins(call: &Call<'_>) -> Reply {
    let names: Vec<&str> = call
        .admin
        .catalog
        .iter()
        .map(|plugin| &*plugin.name)
        .collect();
    Reply::ok(&json!({ "enabled_plugins": names }))
}

/// What both validations take and answer.
pub fn about_validate() -> About {
    About::new("Whether a document would be taken, apart from what is stored")
        .takes(json!({ "type": "object" }))
        .answers(200, object([("message", text())]))
}

/// `POST /schemas/{entity}/validate`
pub async fn validate_entity(call: Call<'_>) -> Answer {
    let entity = named(call.key(0))?;
    validate(call, entity).await
}

/// `POST /schemas/plugins/validate`
pub async fn validate_plugin(call: Call<'_>) -> Answer {
    validate(call, named(PLUGINS)?).await
}

/// `POST /schemas/vaults/validate`
pub async fn validate_vault(call: Call<'_>) -> Answer {
    validate(call, named(VAULTS)?).await
}

/// Defaults and rules, but nothing that the store knows.
async fn validate(call: Call<'_>, entity: &'static Entity) -> Answer {
    let admin = call.admin;
    if entity.own_check.is_some() {
        // To check source is to run it.
        call.caller.permit(Role::Code)?;
    }
    let mut input = Document::new();
    for (name, text) in call.query.into_pairs() {
        input.insert(name, Value::String(text));
    }
    plain_words(&mut input);
    let mut body = call.arguments;
    if body.form {
        plain_words(&mut body.document);
    }
    names::take(admin, entity, &mut body)?;
    input.extend(body.document);
    let aliases = admin.take_aliases(entity, &mut input)?;
    admin.apply_aliases(entity, &mut input, aliases).await?;
    let complete = move |context: &Context<'_>| entity.complete(input, context);
    admin.checked_aside(entity, complete).await?;
    let message = json!({ "message": "schema validation successful" });
    Ok(Reply::json(StatusCode::OK, &message))
}

/// Forms are not inferred here: only `true`, `false` and the empty text mean something else than themselves.
fn plain_words(document: &mut Document) {
    document.values_mut().for_each(plain_word);
}

fn plain_word(value: &mut Value) {
    match value {
        Value::String(text) => match text.as_str() {
            "true" => *value = Value::Bool(true),
            "false" => *value = Value::Bool(false),
            "" => *value = Value::Null,
            _ => {}
        },
        Value::Array(items) => items.iter_mut().for_each(plain_word),
        Value::Object(members) => plain_words(members),
        _ => {}
    }
}

fn named(kind: &str) -> Result<&'static Entity, Failure> {
    entities::find(kind).ok_or_else(|| {
        let text = format!("No entity named '{kind}'");
        Failure::message(StatusCode::NOT_FOUND, text)
    })
}

fn no_plugin(name: &str) -> Failure {
    let text = format!("No plugin named '{name}'");
    Failure::message(StatusCode::NOT_FOUND, text)
}
