//! Documents of the configuration as tables: what they say, without what they leave open (custom-plugins.md 3.1, 3.2).

use lua::Raise;
use lua::mlua::{Lua, Table, Value};
use lua::modules::cjson;
use uuid::Uuid;

use crate::runtime::Runtime;

/// The document of this kind and id as a table: null is nil.
///
/// # Errors
/// When there is no memory.
pub(super) fn table(
    lua: &Lua,
    runtime: &Runtime,
    kind: &str,
    id: &Uuid,
) -> Result<Option<Table>, Raise> {
    let Some(document) = runtime.documents.get(kind, id) else {
        return Ok(None);
    };
    match cjson::decode(lua, document, false)? {
        Value::Table(table) => {
            without_null(&table)?;
            Ok(Some(table))
        }
        _ => Ok(None),
    }
}

/// Takes null away, at any depth: the documents were read here and nest but little.
fn without_null(table: &Table) -> Result<(), Raise> {
    let mut gone = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        match pair? {
            (name, value) if value.is_null() => gone.push(name),
            (_, Value::Table(inner)) => without_null(&inner)?,
            _ => {}
        }
    }
    for name in gone {
        table.raw_set(name, Value::Nil)?;
    }
    Ok(())
}
