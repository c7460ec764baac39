//! From Lua to JSON.

use std::collections::BTreeMap;

use mlua::{Table, Value};

use super::MAX_DEPTH;
use super::read::Original;
use crate::limits::overrun;
use crate::number::general;
use crate::state::LONGEST_TEXT;

/// Why a value has no JSON, in the words of cjson.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A function, a thread, …
    #[error("Cannot serialise {0}: type not supported")]
    Kind(&'static str),
    /// Not a number that JSON has.
    #[error("Cannot serialise number: must not be NaN or Infinity")]
    Number,
    /// A table as a key, for example.
    #[error("Cannot serialise table: table key must be a number or string")]
    Key,
    /// A list with more holes than elements.
    #[error("Cannot serialise table: excessively sparse array")]
    Sparse,
    /// Deeper than 1000, perhaps because it contains itself.
    #[error("Cannot serialise, excessive depth ({0})")]
    Depth(usize),
    /// JSON is Unicode.
    #[error("Cannot serialise string: it is not UTF-8")]
    NotUtf8,
    /// Longer than any text may be, or too long in the making.
    #[error("Cannot serialise: too much")]
    TooMuch,
    /// Of the machine, such as too little memory.
    #[error("{0}")]
    Engine(String),
}

impl From<mlua::Error> for Unwritable {
    fn from(error: mlua::Error) -> Self {
        Self::Engine(error.to_string())
    }
}

/// Writes a value; `original` is what [`read`](super::read()) said of it, `arrays` the metatable of arrays.
///
/// # Errors
/// [`Unwritable`]; what is in `out` by then is of no use.
pub fn write(
    value: &Value,
    original: &Original<'_>,
    arrays: &Table,
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    Writer { arrays, out }.value(value, original, 0)
}

/// A number as Lua prints it: 14 digits.
pub(super) fn spelled(number: f64) -> String {
    let mut out = Vec::new();
    general(number, 14, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

struct Writer<'a> {
    arrays: &'a Table,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn value(
        &mut self,
        value: &Value,
        original: &Original<'_>,
        depth: usize,
    ) -> Result<(), Unwritable> {
        // The same table or text may be there any number of times.
        if self.out.len() > LONGEST_TEXT || overrun() {
            return Err(Unwritable::TooMuch);
        }
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            value if value.is_null() => self.out.extend_from_slice(b"null"),
            Value::Boolean(value) => self.out.extend_from_slice(value.to_string().as_bytes()),
            Value::Integer(number) => self.number(*number as f64, original)?,
            Value::Number(number) => self.number(*number, original)?,
            Value::String(text) => self.string(&text.as_bytes())?,
            Value::Table(table) => self.table(table, original, depth + 1)?,
            other => return Err(Unwritable::Kind(crate::engine::kind(other))),
        }
        Ok(())
    }

    fn number(&mut self, number: f64, original: &Original<'_>) -> Result<(), Unwritable> {
        if !number.is_finite() {
            return Err(Unwritable::Number);
        }
        match original {
            Original::Number(text) if text.parse() == Ok(number) => {
                self.out.extend_from_slice(text.as_bytes())
            }
            _ => self.out.extend_from_slice(spelled(number).as_bytes()),
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) -> Result<(), Unwritable> {
        let text = std::str::from_utf8(text).map_err(|_| Unwritable::NotUtf8)?;
        serde_json::to_writer(&mut *self.out, text)
            .map_err(|error| Unwritable::Engine(error.to_string()))
    }

    fn table(
        &mut self,
        table: &Table,
        original: &Original<'_>,
        depth: usize,
    ) -> Result<(), Unwritable> {
        if depth > MAX_DEPTH {
            return Err(Unwritable::Depth(depth));
        }
        if table.metatable().is_some_and(|of| of == *self.arrays) {
            return self.array(table, table.raw_len(), original, depth);
        }
        match length(table)? {
            Some(length) => self.array(table, length, original, depth),
            None => self.object(table, original, depth),
        }
    }

    fn array(
        &mut self,
        table: &Table,
        length: usize,
        original: &Original<'_>,
        depth: usize,
    ) -> Result<(), Unwritable> {
        let originals = match original {
            Original::Array(elements) => &elements[..],
            _ => &[],
        };
        self.out.push(b'[');
        for i in 0..length {
            if i > 0 {
                self.out.push(b',');
            }
            let element: Value = table.raw_get(i + 1)?;
            self.value(
                &element,
                originals.get(i).unwrap_or(&Original::Plain),
                depth,
            )?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// The names that were there first, in their order; then the others, sorted.
    fn object(
        &mut self,
        table: &Table,
        original: &Original<'_>,
        depth: usize,
    ) -> Result<(), Unwritable> {
        let originals = match original {
            Original::Object(members) => &members[..],
            _ => &[],
        };
        let mut rest = members(table)?;
        self.out.push(b'{');
        let before = self.out.len();
        for (name, original) in originals {
            if let Some(key) = rest.remove(&**name) {
                self.name(before, name)?;
                self.value(&key.value(table, name)?, original, depth)?;
            }
        }
        for (name, key) in rest {
            self.name(before, &name)?;
            self.value(&key.value(table, &name)?, &Original::Plain, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The name of a member of the object that began `before`.
    fn name(&mut self, before: usize, name: &str) -> Result<(), Unwritable> {
        if self.out.len() > before {
            self.out.push(b',');
        }
        self.string(name.as_bytes())?;
        self.out.push(b':');
        Ok(())
    }
}

/// A key of a table, beside its text.
enum Key {
    Text,
    Number(f64),
}

impl Key {
    fn value(&self, table: &Table, name: &str) -> Result<Value, Unwritable> {
        let value = match self {
            Key::Text => table.raw_get(name),
            Key::Number(number) => table.raw_get(*number),
        };
        Ok(value?)
    }
}

/// The names of an object. Not its values: a machine has room for some thousands that Rust holds.
fn members(table: &Table) -> Result<BTreeMap<String, Key>, Unwritable> {
    let mut members = BTreeMap::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, key) = match pair?.0 {
            Value::String(name) => {
                let name = name.to_str().map_err(|_| Unwritable::NotUtf8)?;
                (name.to_owned(), Key::Text)
            }
            Value::Integer(number) => (number.to_string(), Key::Number(number as f64)),
            Value::Number(number) => (spelled(number), Key::Number(number)),
            _ => return Err(Unwritable::Key),
        };
        members.insert(name, key);
    }
    Ok(members)
}

/// How long the list is that a table is; `None` if it is an object, as a table with nothing in it.
fn length(table: &Table) -> Result<Option<usize>, Unwritable> {
    if table.raw_len() == 0 && table.raw_get::<Value>(1)?.is_nil() {
        // The usual object is told without a look at every key. One of numbers alone has no element 1 and is sparse.
        let first = table.pairs::<Value, Value>().next().transpose()?;
        if !matches!(first, Some((Value::Integer(_) | Value::Number(_), _))) {
            return Ok(None);
        }
    }
    let (mut longest, mut count) = (0usize, 0usize);
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair?;
        let place = match key {
            Value::Integer(place) => usize::try_from(place).ok(),
            Value::Number(place) if place.fract() == 0.0 && place >= 1.0 => Some(place as usize),
            _ => None,
        };
        match place {
            Some(place) if place > 0 => longest = longest.max(place),
            _ => return Ok(None),
        }
        count += 1;
    }
    // cjson's rule for what is too sparse.
    if longest > 10 && longest > count * 2 {
        return Err(Unwritable::Sparse);
    }
    Ok(Some(longest))
}
