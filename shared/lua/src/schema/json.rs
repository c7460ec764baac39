//! Values between JSON and Lua, as schemas have them: null is `ngx.null`, numbers are doubles.

use std::cell::Cell;

use mlua::{Lua, Table, Value};
use serde_json::{Map, Number, Value as Json};

/// A document as a function of a schema sees it. A field that is wrong may hold anything, as deep as one likes.
pub(super) fn to_lua(lua: &Lua, value: &Json) -> mlua::Result<Value> {
    nested(lua, value, 0)
}

fn nested(lua: &Lua, value: &Json, depth: usize) -> mlua::Result<Value> {
    const DEEPEST: usize = 1000;
    if depth > DEEPEST {
        let text = format!("more than {DEEPEST} values within each other");
        return Err(mlua::Error::RuntimeError(text));
    }
    Ok(match value {
        Json::Null => Value::NULL,
        Json::Bool(bool) => Value::Boolean(*bool),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (place, item) in (1..).zip(items) {
                table.raw_set(place, nested(lua, item, depth + 1)?)?;
            }
            Value::Table(table)
        }
        Json::Object(members) => {
            let table = lua.create_table_with_capacity(0, members.len())?;
            for (name, member) in members {
                table.raw_set(name.as_str(), nested(lua, member, depth + 1)?)?;
            }
            Value::Table(table)
        }
    })
}

/// Reads values of Lua, up to a number of them: a table may hold itself, or another one twice, which holds a third one
/// twice, and so on.
#[derive(Debug)]
pub(super) struct Reader {
    values: Cell<usize>,
    bytes: Cell<usize>,
    depth: Cell<usize>,
}

/// How many values one schema may hold.
const MOST_VALUES: usize = 50_000;

/// How much text.
const MOST_BYTES: usize = 1 << 20;

/// How deep tables may lie in tables.
pub(super) const DEEPEST: usize = 32;

impl Default for Reader {
    fn default() -> Self {
        Self {
            values: Cell::new(MOST_VALUES),
            bytes: Cell::new(MOST_BYTES),
            depth: Cell::new(0),
        }
    }
}

impl Reader {
    /// Counts one more value.
    pub(super) fn count(&self) -> Result<(), String> {
        let left = self.values.get().checked_sub(1);
        self.values
            .set(left.ok_or_else(|| format!("more than {MOST_VALUES} values in one schema"))?);
        Ok(())
    }

    /// Goes one table deeper.
    pub(super) fn deeper<T>(&self, run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        if self.depth.get() == DEEPEST {
            return Err(format!("more than {DEEPEST} tables within each other"));
        }
        self.depth.set(self.depth.get() + 1);
        let answer = run();
        self.depth.set(self.depth.get() - 1);
        answer
    }

    /// Text, which must be UTF-8.
    pub(super) fn text(&self, text: &mlua::LuaString) -> Result<String, String> {
        let bytes = text.as_bytes();
        let left = self.bytes.get().checked_sub(bytes.len());
        self.bytes.set(
            left.ok_or_else(|| format!("more than {MOST_BYTES} bytes of text in one schema"))?,
        );
        let text = std::str::from_utf8(&bytes).map_err(|_| "expected text in UTF-8".to_owned())?;
        Ok(text.to_owned())
    }

    /// Any value: a table whose keys are 1, 2, 3 … is a list, and so is an empty one.
    pub(super) fn value(&self, value: &Value) -> Result<Json, String> {
        self.count()?;
        match value {
            value if value.is_null() => Ok(Json::Null),
            Value::Boolean(bool) => Ok(Json::Bool(*bool)),
            Value::Integer(number) => Ok(Json::from(*number)),
            Value::Number(number) => Ok(Json::Number(self::number(*number)?)),
            Value::String(text) => self.text(text).map(Json::String),
            Value::Table(table) if table.raw_len() > 0 || is_empty(table) => self
                .list(table, |_, item| self.value(&item))
                .map(Json::Array),
            Value::Table(table) => self.members(table, |_, item| self.value(item)),
            other => Err(format!("expected a value, got {}", got(other))),
        }
    }

    /// How long a list is: a table of which every key is one of 1, 2, 3 …
    pub(super) fn length(&self, table: &Table) -> Result<usize, String> {
        let (mut count, mut last) = (0, 0.0);
        for pair in table.pairs::<Value, Value>() {
            self.count()?;
            let (key, _) = pair.map_err(|error| error.to_string())?;
            let place = match key {
                Value::Integer(place) => place as f64,
                Value::Number(place) => place,
                _ => 0.0,
            };
            if place < 1.0 || place.fract() != 0.0 {
                let key = got(&key);
                return Err(format!("expected a list, got a table with the key {key}"));
            }
            count += 1;
            last = f64::max(last, place);
        }
        match last == count as f64 {
            true => Ok(count),
            false => Err(format!("expected a list, got a table with the key {last}")),
        }
    }

    /// The elements of a list, one after the other: a machine holds few thousand references at a time.
    pub(super) fn list<T>(
        &self,
        table: &Table,
        mut read: impl FnMut(usize, Value) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.deeper(|| {
            let places = 1..=self.length(table)?;
            let item = |place| read(place, table.raw_get(place).unwrap_or(Value::Nil));
            places.map(item).collect()
        })
    }

    /// The members of an object, by name, since a table has no order.
    pub(super) fn members(
        &self,
        table: &Table,
        read: impl Fn(&str, &Value) -> Result<Json, String>,
    ) -> Result<Json, String> {
        self.deeper(|| {
            let mut members = Vec::new();
            for pair in table.pairs::<Value, Value>() {
                self.count()?;
                let (key, value) = pair.map_err(|error| error.to_string())?;
                let Value::String(key) = &key else {
                    return Err(format!("expected names, got {}", got(&key)));
                };
                let key = self.text(key)?;
                let value = read(&key, &value)?;
                members.push((key, value));
            }
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Ok(Json::Object(Map::from_iter(members)))
        })
    }
}

/// A number as JSON spells it: whole ones without a fraction.
pub(super) fn number(number: f64) -> Result<Number, String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Ok(Number::from(number as i64));
    }
    Number::from_f64(number).ok_or_else(|| format!("expected a finite number, got {number}"))
}

fn is_empty(table: &Table) -> bool {
    table.pairs::<Value, Value>().next().is_none()
}

/// A value in a message.
pub(super) fn got(value: &Value) -> String {
    const LONGEST: usize = 40;
    match value {
        Value::Nil => "nothing".to_owned(),
        value if value.is_null() => "null".to_owned(),
        Value::Boolean(bool) => bool.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => {
            let text = text.to_string_lossy();
            match text.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("'{}…'", &text[..end]),
                None => format!("'{text}'"),
            }
        }
        Value::Table(_) => "a table".to_owned(),
        Value::Function(_) => "a function".to_owned(),
        other => format!("a {}", other.type_name()),
    }
}
