//! `kong.vault`: secrets that configurations refer to (custom-plugins.md 3.1).

use lua::Raise;
use lua::mlua::{self, Lua, Table, Value};
use lua::pdk::Host;
use shared::types::VaultReference;

use crate::lua::here;
use crate::runtime::{Vaults, environment};

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.vault.is_reference", |_, reference: Value| {
        Ok(text(&reference).is_some_and(|text| VaultReference::new(&text).is_some()))
    })?;
    host.function(
        "kong.vault.parse_reference",
        |lua: &Lua, reference: Value| {
            Ok(match parsed(lua, &reference)? {
                Ok(table) => (Some(table), None),
                Err(reason) => (None, Some(reason)),
            })
        },
    )?;
    host.function("kong.vault.get", |_, reference: Value| {
        Ok(match found(&reference)? {
            Ok(secret) => (Some(secret), None),
            Err(reason) => (None, Some(reason)),
        })
    })?;
    // What a node finds in its environment stays as it is: there is nothing to ask for anew before `try` tries again, and
    // `update` only has to look.
    let of_lua: Table = host
        .lua()
        .load(
            r#"local get = ...
            local error, pairs, type = error, pairs, type
            return {
              try = function(callback, options)
                if type(callback) ~= "function" then
                  error("callback must be a function", 2)
                end
                return callback(options)
              end,
              update = function(options)
                if type(options) ~= "table" then
                  error("options must be a table", 2)
                end
                local references = options["$refs"]
                if type(references) == "table" then
                  for name, reference in pairs(references) do
                    if type(reference) == "string" then
                      options[name] = get(reference) or ""
                    end
                  end
                end
                return options
              end,
            }"#,
        )
        .set_name("=kong.vault")
        .call(lua::function(host.lua(), |_, reference: Value| {
            Ok(found(&reference)?.ok())
        })?)?;
    host.value("kong.vault.try", of_lua.get::<Value>("try")?)?;
    host.value("kong.vault.update", of_lua.get::<Value>("update")?)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string_lossy()),
        _ => None,
    }
}

/// A reference, or why it is none.
fn reference(value: &Value) -> Result<VaultReference, String> {
    let Some(text) = text(value) else {
        // Not by a `__tostring`, which could ask for a reference again, and again.
        let shown = match value {
            Value::Table(_) | Value::UserData(_) => value.type_name().to_owned(),
            other => other.to_string().unwrap_or_default(),
        };
        return Err(format!("reference is not a string [{shown}]"));
    };
    VaultReference::new(&text).ok_or_else(|| format!("not a reference [{text}]"))
}

fn parsed(lua: &Lua, value: &Value) -> Result<Result<Table, String>, Raise> {
    let reference = match reference(value) {
        Ok(reference) => reference,
        Err(reason) => return Ok(Err(reason)),
    };
    let Some(path) = reference.path() else {
        let reason = format!(
            "reference url is missing host or path [{}]",
            reference.as_str()
        );
        return Ok(Err(reason));
    };
    let table = lua.create_table()?;
    table.raw_set("name", path.vault)?;
    table.raw_set("resource", path.secret)?;
    table.raw_set("key", path.member)?;
    Ok(Ok(table))
}

fn found(value: &Value) -> Result<Result<String, String>, Raise> {
    let reference = match reference(value) {
        Ok(reference) => reference,
        Err(reason) => return Ok(Err(reason)),
    };
    let runtime = here::runtime()?;
    let vaults = Vaults::new(&runtime.model, &environment);
    Ok(vaults.find(&reference).map_err(|error| error.to_string()))
}
