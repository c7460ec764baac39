//! The `conf` that a handler gets (custom-plugins.md 2.2, end): a plugin's configuration as a table.

use lua::mlua::{self, Lua, Table, Value};
use shared::entities;
use shared::plugins::custom::LuaConfig;
use uuid::Uuid;

use crate::lua::worker;

/// A table of a configuration: complete, without nulls, and with what Kong adds to it.
///
/// # Errors
/// When there is no memory.
pub fn table(lua: &Lua, document: &entities::Plugin, config: &LuaConfig) -> mlua::Result<Table> {
    let conf = lua.create_table()?;
    for (name, value) in &config.0 {
        conf.raw_set(name.as_str(), json(lua, value)?)?;
    }
    let text = |of: Option<Uuid>| of.map(|id| id.to_string());
    let route = text(document.route.as_ref().map(|of| of.uuid()));
    let service = text(document.service.as_ref().map(|of| of.uuid()));
    let consumer = text(document.consumer.as_ref().map(|of| of.uuid()));
    // As Kong makes the key of a plugin in its cache.
    let key = [&route, &service, &consumer].map(|of| of.as_deref().unwrap_or_default());
    let key = format!("plugins:{}:{}::", document.name, key.join(":"));
    conf.raw_set("__key__", key)?;
    conf.raw_set("__seq__", worker::next_number())?;
    conf.raw_set("__plugin_id", document.id.uuid().to_string())?;
    conf.raw_set("route_id", route)?;
    conf.raw_set("service_id", service)?;
    conf.raw_set("consumer_id", consumer)?;
    let name = document.instance_name.as_ref().map(ToString::to_string);
    conf.raw_set("plugin_instance_name", name)?;
    Ok(conf)
}

/// A JSON value as Lua has it; null is nil.
pub(super) fn json(lua: &Lua, value: &serde_json::Value) -> mlua::Result<Value> {
    Ok(match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(flag) => Value::Boolean(*flag),
        serde_json::Value::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Value::String(lua::string(lua, text)?),
        serde_json::Value::Array(items) => {
            let list = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                list.raw_push(json(lua, item)?)?;
            }
            Value::Table(list)
        }
        serde_json::Value::Object(members) => {
            let table = lua.create_table_with_capacity(0, members.len())?;
            for (name, member) in members {
                table.raw_set(name.as_str(), json(lua, member)?)?;
            }
            Value::Table(table)
        }
    })
}
