//! What `resty.openssl.*` needs of Rust: keys in all their spellings, and what a certificate says.

pub mod certificate;
mod der;
mod keys;
#[cfg(test)]
mod tests;

use mlua::{Lua, LuaString, Result, Table, Value};

use crate::native;
use certificate::{Attribute, Certificate};
use keys::Key;

/// `key(text, format)`, `generate(kind, detail)` and `certificate(text, format)` give a table of what there is to know, or
/// nil and what is wrong; `signed(certificate, key)` whether that key signed it. With those of signatures and digests.
pub(in crate::modules) fn natives(lua: &Lua) -> Result<Value> {
    let Value::Table(natives): Value = super::asymmetric::natives(lua)? else {
        return Ok(Value::Nil);
    };
    natives.raw_set(
        "key",
        native::function(lua, |lua, (text, format): (LuaString, String)| {
            Ok(match Key::read(&text.as_bytes(), &format) {
                Some(key) => Some(of_key(lua, &key)?),
                None => None,
            })
        })?,
    )?;
    natives.raw_set(
        "generate",
        native::function(lua, |lua, (kind, detail): (String, Option<String>)| {
            Ok(match Key::generate(&kind, detail.as_deref()) {
                Ok(key) => (Some(of_key(lua, &key)?), None),
                Err(said) => (None, Some(said)),
            })
        })?,
    )?;
    natives.raw_set(
        "certificate",
        native::function(lua, |lua, (text, format): (LuaString, String)| {
            Ok(match Certificate::read(&text.as_bytes(), &format) {
                Some(read) => Some(of_certificate(lua, &read)?),
                None => None,
            })
        })?,
    )?;
    natives.raw_set(
        "signed",
        native::function(lua, |_, (der, key): (LuaString, LuaString)| {
            Ok(certificate::is_signed_by(&der.as_bytes(), &key.as_bytes()))
        })?,
    )?;
    Ok(Value::Table(natives))
}

fn of_key(lua: &Lua, key: &Key) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("kind", key.kind())?;
    table.raw_set("bits", key.bits())?;
    table.raw_set("public", der::pem("PUBLIC KEY", &key.public()))?;
    table.raw_set("public_der", lua.create_string(key.public())?)?;
    if let Some(private) = key.private() {
        table.raw_set("private", der::pem("PRIVATE KEY", &private))?;
        table.raw_set("private_der", lua.create_string(private)?)?;
    }
    let parameters = lua.create_table()?;
    for (name, bytes) in key.parameters() {
        parameters.raw_set(name, lua.create_string(bytes)?)?;
    }
    table.raw_set("parameters", parameters)?;
    table.raw_set("curve", key.curve())?;
    Ok(table)
}

fn of_certificate(lua: &Lua, read: &Certificate) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("der", lua.create_string(&read.der)?)?;
    table.raw_set("pem", read.pem())?;
    table.raw_set("version", read.version)?;
    table.raw_set("serial", lua.create_string(&read.serial)?)?;
    table.raw_set("not_before", read.not_before)?;
    table.raw_set("not_after", read.not_after)?;
    table.raw_set("subject", of_name(lua, &read.subject)?)?;
    table.raw_set("issuer", of_name(lua, &read.issuer)?)?;
    table.raw_set("public_der", lua.create_string(&read.public)?)?;
    table.raw_set("signature", read.signature.clone())?;
    let names = lua.create_table()?;
    for (kind, value) in &read.names {
        let name = lua.create_sequence_from([*kind, value.as_str()])?;
        names.raw_push(name)?;
    }
    table.raw_set("names", names)?;
    for (name, list) in [
        ("crl", &read.crl),
        ("ocsp", &read.ocsp),
        ("issuers", &read.issuers),
    ] {
        table.raw_set(
            name,
            lua.create_sequence_from(list.iter().map(String::as_str))?,
        )?;
    }
    if let Some((ca, depth)) = read.constraints {
        table.raw_set("ca", ca)?;
        table.raw_set("pathlen", depth)?;
    }
    let extensions = lua.create_table()?;
    for extension in &read.extensions {
        let one = lua.create_table()?;
        one.raw_set("id", extension.id.as_str())?;
        one.raw_set("sn", extension.short)?;
        one.raw_set("ln", extension.long)?;
        one.raw_set("critical", extension.critical)?;
        one.raw_set("text", extension.text.as_str())?;
        one.raw_set("der", lua.create_string(&extension.der)?)?;
        extensions.raw_push(one)?;
    }
    table.raw_set("extensions", extensions)?;
    Ok(table)
}

fn of_name(lua: &Lua, name: &[Attribute]) -> Result<Table> {
    let list = lua.create_table()?;
    for attribute in name {
        let one = lua.create_table()?;
        one.raw_set("id", attribute.id.as_str())?;
        one.raw_set("nid", attribute.number)?;
        one.raw_set("sn", attribute.short.as_str())?;
        one.raw_set("ln", attribute.long.as_str())?;
        one.raw_set("blob", lua.create_string(&attribute.value)?)?;
        list.raw_push(one)?;
    }
    Ok(list)
}
