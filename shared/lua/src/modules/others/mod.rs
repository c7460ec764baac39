//! Modules of their own: `inspect`, `lyaml`, `multipart`, `socket.url`, `string.buffer`.

#[cfg(test)]
mod tests;

use mlua::{Lua, LuaString, Result, Value};

use super::cjson;
use crate::native;

/// The longest YAML that is read: its reader cannot be interrupted.
const LONGEST_YAML: usize = 1 << 20;

/// For `lyaml`: `read(text)` gives a list of documents, or nil and what is wrong.
pub(super) fn yaml(lua: &Lua) -> Result<Value> {
    let read = native::function(lua, |lua, text: LuaString| {
        Ok(match documents(&text.as_bytes()) {
            Ok(json) => (cjson::decode(lua, json.as_bytes(), false)?, None),
            Err(said) => (Value::Nil, Some(said)),
        })
    })?;
    Ok(Value::Function(read))
}

/// The documents of a text as one JSON array.
fn documents(text: &[u8]) -> std::result::Result<String, String> {
    if text.len() > LONGEST_YAML {
        let length = text.len();
        return Err(format!(
            "YAML is longer than {LONGEST_YAML} bytes, got {length}"
        ));
    }
    let text = std::str::from_utf8(text).map_err(|_| "YAML is not UTF-8".to_owned())?;
    let documents: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    serde_json::to_string(&documents).map_err(|error| error.to_string())
}
