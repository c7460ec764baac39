//! `kong.db`: the documents of the revision that serves, to be read (custom-plugins.md 3.2).

use lua::Raise;
use lua::mlua::{self, Lua, MultiValue, Table, Value};
use lua::pdk::Host;
use serde_json::Value as Json;
use uuid::Uuid;

use super::documents;
use crate::lua::here;
use crate::runtime::Runtime;

/// `select` and `cache_key` of each kind, and the fields that its cache key is made of.
const KINDS: [(&str, &str, &str, &[&str]); 9] = [
    (
        "routes",
        "kong.db.routes.select",
        "kong.db.routes.cache_key",
        &["id"],
    ),
    (
        "services",
        "kong.db.services.select",
        "kong.db.services.cache_key",
        &["id"],
    ),
    (
        "consumers",
        "kong.db.consumers.select",
        "kong.db.consumers.cache_key",
        &["id"],
    ),
    (
        "plugins",
        "kong.db.plugins.select",
        "kong.db.plugins.cache_key",
        &["name", "route", "service", "consumer"],
    ),
    (
        "upstreams",
        "kong.db.upstreams.select",
        "kong.db.upstreams.cache_key",
        &["name"],
    ),
    (
        "targets",
        "kong.db.targets.select",
        "kong.db.targets.cache_key",
        &["upstream", "target"],
    ),
    (
        "certificates",
        "kong.db.certificates.select",
        "kong.db.certificates.cache_key",
        &["id"],
    ),
    (
        "snis",
        "kong.db.snis.select",
        "kong.db.snis.cache_key",
        &["name"],
    ),
    (
        "keys",
        "kong.db.keys.select",
        "kong.db.keys.cache_key",
        &["kid", "set"],
    ),
];

type Find = fn(&Runtime, &str) -> Option<Uuid>;

/// The look-ups by a unique field: name, kind, field.
const BY_FIELD: [(&str, &str, &str, Find); 8] = [
    (
        "kong.db.routes.select_by_name",
        "routes",
        "name",
        |runtime, name| {
            let named = |route: &shared::entities::Route| route.name.as_deref() == Some(name);
            let found = runtime.model.routes.iter().find(|(_, route)| named(route));
            found.map(|(id, _)| *id)
        },
    ),
    (
        "kong.db.services.select_by_name",
        "services",
        "name",
        |runtime, name| {
            let named = |service: &shared::entities::Service| service.name.as_deref() == Some(name);
            let found = runtime
                .model
                .services
                .iter()
                .find(|(_, service)| named(service));
            found.map(|(id, _)| *id)
        },
    ),
    (
        "kong.db.consumers.select_by_username",
        "consumers",
        "username",
        |runtime, name| Some(runtime.consumer_by_username(name)?.id.uuid()),
    ),
    (
        "kong.db.consumers.select_by_custom_id",
        "consumers",
        "custom_id",
        |runtime, text| {
            let mut consumers = runtime.model.consumers.iter();
            let found = consumers.find(|(_, consumer)| consumer.custom_id.as_deref() == Some(text));
            found.map(|(id, _)| *id)
        },
    ),
    (
        "kong.db.plugins.select_by_instance_name",
        "plugins",
        "instance_name",
        |runtime, name| scan(runtime, "plugins", "instance_name", name),
    ),
    (
        "kong.db.upstreams.select_by_name",
        "upstreams",
        "name",
        |runtime, name| Some(runtime.balancers.get(name)?.upstream.id.uuid()),
    ),
    (
        "kong.db.snis.select_by_name",
        "snis",
        "name",
        |runtime, name| scan(runtime, "snis", "name", name),
    ),
    (
        "kong.db.keys.select_by_name",
        "keys",
        "name",
        |runtime, name| scan(runtime, "keys", "name", name),
    ),
];

/// Looks at every document of a kind that there are few of.
fn scan(runtime: &Runtime, kind: &str, field: &str, wanted: &str) -> Option<Uuid> {
    let is = |document: &[u8]| {
        serde_json::from_slice::<Json>(document)
            .is_ok_and(|document| document.get(field).and_then(Json::as_str) == Some(wanted))
    };
    let mut documents = runtime.documents.of_kind(kind);
    documents
        .find(|(_, document)| is(document))
        .map(|(id, _)| *id)
}

type Answer = (Option<Table>, Option<String>);

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    for (kind, select, cache_key, fields) in KINDS {
        host.function(select, move |lua: &Lua, (_, key): (Value, Value)| {
            by_id(lua, kind, &key)
        })?;
        host.function(
            cache_key,
            move |lua: &Lua, (_, values): (Value, MultiValue)| key_of(lua, kind, fields, &values),
        )?;
    }
    for (function, kind, field, find) in BY_FIELD {
        host.function(function, move |lua: &Lua, (_, value): (Value, Value)| {
            let Value::String(value) = value else {
                return Err(format!("{field} must be a string").into());
            };
            let runtime = here::runtime()?;
            let found = match find(&runtime, &value.to_string_lossy()) {
                Some(id) => documents::table(lua, &runtime, kind, &id)?,
                None => None,
            };
            Ok((found, None::<String>))
        })?;
    }
    Ok(())
}

/// `kong.db.consumers:select({ id = "…" })`
fn by_id(lua: &Lua, kind: &str, key: &Value) -> Result<Answer, Raise> {
    let Value::Table(key) = key else {
        return Err("primary_key must be a table".into());
    };
    let id = match key.raw_get("id")? {
        Value::String(id) => Uuid::parse_str(&id.to_string_lossy()).ok(),
        _ => None,
    };
    let Some(id) = id else {
        let reason = "[headgate] invalid primary key: 'id' is not a valid UUID";
        return Ok((None, Some(reason.to_owned())));
    };
    let runtime = here::runtime()?;
    Ok((documents::table(lua, &runtime, kind, &id)?, None))
}

/// As Kong makes it: the kind, five values, and the workspace, which has no id here.
fn key_of(lua: &Lua, kind: &str, fields: &[&str], values: &MultiValue) -> Result<String, Raise> {
    let text = |value: &Value| -> Result<String, Raise> {
        match value {
            Value::Nil => Ok(String::new()),
            Value::Boolean(value) => Ok(value.to_string()),
            Value::Table(foreign) => match foreign.raw_get("id")? {
                Value::String(id) => Ok(id.to_string_lossy()),
                _ => Ok(String::new()),
            },
            value if value.is_null() => Ok(String::new()),
            value => {
                let text = lua.coerce_string(value.clone())?;
                Ok(text.map_or_else(String::new, |text| text.to_string_lossy()))
            }
        }
    };
    let mut parts = vec![kind.to_owned()];
    match values.front() {
        Some(Value::Table(entity)) => {
            for field in fields {
                parts.push(text(&entity.raw_get(*field)?)?);
            }
        }
        _ => {
            for value in values.iter().take(5) {
                parts.push(text(value)?);
            }
        }
    }
    parts.resize(7, String::new());
    Ok(parts.join(":"))
}
