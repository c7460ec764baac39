//! Bodies as tables, and tables as bodies: forms, JSON, multipart (custom-plugins.md 3.1, `get_body`, `set_body`).

use lua::Raise;
use lua::mlua::{Lua, Table, Value};
use lua::modules::cjson;

use super::args;
use crate::plugins::transform::multipart::{self, Form};

/// The content types that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Form,
    Json,
    Multipart,
}

impl Format {
    /// That of a content type without its parameters, in small letters.
    pub(super) fn of(essence: &str) -> Option<Self> {
        let all = [Self::Form, Self::Json, Self::Multipart];
        all.into_iter().find(|format| format.name() == essence)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
            Self::Multipart => "multipart/form-data",
        }
    }
}

/// A content type without its parameters, in small letters.
pub(super) fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim_end().to_ascii_lowercase()
}

/// A body as a table, or why it is none. `content_type` is the whole one, with the boundary.
///
/// # Errors
/// When there is no memory.
pub(super) fn table(
    lua: &Lua,
    format: Format,
    content_type: &[u8],
    body: &[u8],
    most: usize,
) -> Result<Result<Table, &'static str>, Raise> {
    match format {
        Format::Form => Ok(Ok(args::table(lua, body, most)?.0)),
        Format::Json => match cjson::decode(lua, body, true) {
            Ok(Value::Table(table)) => Ok(Ok(table)),
            Ok(_) | Err(Raise::Text(_)) => Ok(Err("invalid json body")),
            Err(failure) => Err(failure),
        },
        Format::Multipart => {
            let Some(boundary) = multipart::boundary_of(content_type) else {
                return Ok(Err("unable to decode multipart body"));
            };
            let table = lua.create_table()?;
            for (name, value) in Form::parse(body, &boundary).named() {
                let value = Value::String(lua.create_string(value)?);
                args::add(lua, &table, name, value)?;
            }
            Ok(Ok(table))
        }
    }
}

/// A table as a body, and its content type, which gets a boundary if it needs one and has none.
///
/// # Errors
/// For what is not to be written in this format.
pub(super) fn written(
    lua: &Lua,
    format: Format,
    content_type: &str,
    table: &Table,
) -> Result<(Vec<u8>, String), Raise> {
    let same = content_type.to_owned();
    match format {
        Format::Form => Ok((args::read(lua, table)?.query().into_bytes(), same)),
        Format::Json => Ok((cjson::encode(lua, &Value::Table(table.clone()))?, same)),
        Format::Multipart => {
            let (boundary, content_type) = match multipart::boundary_of(content_type.as_bytes()) {
                Some(boundary) => (boundary, same),
                None => {
                    let boundary = format!("headgate-{}", uuid::Uuid::new_v4().simple());
                    let named = format!("{content_type}; boundary={boundary}");
                    (boundary.into_bytes(), named)
                }
            };
            let mut form = Form::parse(&[], &boundary);
            for (name, value) in fields(lua, table)? {
                form.push(&name, &value)
                    .map_err(|holds| Raise::Text(holds.to_string()))?;
            }
            let mut body = form.write();
            if body.is_empty() {
                body = [b"--", &*boundary, b"--\r\n"].concat();
            }
            Ok((body, content_type))
        }
    }
}

/// A name and a value.
type Field = (Vec<u8>, Vec<u8>);

/// A table's fields in the order of their names; a list is several fields.
fn fields(lua: &Lua, table: &Table) -> Result<Vec<Field>, Raise> {
    let mut fields = Vec::new();
    let text = |value: Value| -> Result<Vec<u8>, Raise> {
        match value {
            Value::Boolean(value) => Ok(value.to_string().into_bytes()),
            value => match lua.coerce_string(value.clone())? {
                Some(text) => Ok(text.as_bytes().to_vec()),
                None => Err(format!(
                    "invalid value of multipart/form-data: got {}, expected string, number, boolean or array of these",
                    super::values::kind(&value)
                )
                .into()),
            },
        }
    };
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let name = text(name)?;
        match value {
            Value::Table(list) => {
                for value in list.sequence_values::<Value>() {
                    fields.push((name.clone(), text(value?)?));
                }
            }
            value => fields.push((name, text(value)?)),
        }
    }
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(fields)
}
