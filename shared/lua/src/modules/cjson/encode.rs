//! From Lua to JSON. Nothing here calls Lua: metamethods do not count, except that two metatables mark arrays.

use std::ops::RangeInclusive;

use mlua::prelude::LuaTablePairs;
use mlua::{Lua, Table, Value};

use super::settings::Settings;
use super::{ARRAY, EMPTY_ARRAY, empty_array};
use crate::engine::kind;
use crate::limits::{TOO_LONG, overrun};
use crate::native::Raise;
use crate::number::general;
use crate::state::LONGEST_TEXT;

/// No value may nest deeper, whatever `encode_max_depth` says: every level takes room on the thread's stack.
const DEEPEST: usize = 1000;

type Result<T> = std::result::Result<T, Raise>;

pub(super) fn encode(lua: &Lua, value: &Value, settings: Settings) -> Result<Vec<u8>> {
    let mut writer = Writer {
        settings,
        most: DEEPEST.min(usize::try_from(settings.encode_max_depth).unwrap_or(DEEPEST)),
        precision: usize::try_from(settings.precision).unwrap_or(14),
        array: lua.named_registry_value(ARRAY)?,
        empty_array: lua.named_registry_value(EMPTY_ARRAY)?,
        out: Vec::new(),
    };
    writer.value(value)?;
    Ok(writer.out)
}

/// What a table is written as.
enum Shape {
    Array(usize),
    Object,
}

/// What of a table is not yet written.
enum Rest<'t> {
    Elements(RangeInclusive<usize>),
    Members(LuaTablePairs<'t, Value, Value>),
}

struct Writer {
    settings: Settings,
    most: usize,
    precision: usize,
    array: Table,
    empty_array: Table,
    out: Vec<u8>,
}

fn refused(what: &Value, why: &str) -> Raise {
    format!("Cannot serialise {}: {why}", kind(what)).into()
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Table(table) => self.table(table, 1),
            other => self.scalar(other).map(drop),
        }
    }

    /// What calls itself is kept small, since it takes room on the stack: all else is done by others.
    fn table(&mut self, table: &Table, depth: usize) -> Result<()> {
        let mut rest = self.open(table, depth)?;
        while let Some((before, value)) = self.next(table, &mut rest)? {
            match &value {
                Value::Table(inner) => self.table(inner, depth + 1)?,
                other => self.element(other, before)?,
            }
        }
        Ok(())
    }

    /// Writes what an array or object begins with.
    fn open<'t>(&mut self, table: &'t Table, depth: usize) -> Result<Rest<'t>> {
        let (byte, rest) = match self.shape(table, depth)? {
            Shape::Array(length) => (b'[', Rest::Elements(1..=length)),
            Shape::Object => (b'{', Rest::Members(table.pairs())),
        };
        self.out.push(byte);
        Ok(rest)
    }

    /// What comes before the next element, whose value is given with where that began; at the end what it ends with.
    fn next(&mut self, table: &Table, rest: &mut Rest<'_>) -> Result<Option<(usize, Value)>> {
        self.check()?;
        let before = self.out.len();
        // Nothing else ends so.
        let first = matches!(self.out.last(), Some(b'[' | b'{'));
        let value = match rest {
            Rest::Elements(places) => match places.next() {
                Some(place) => Some((None, table.raw_get(place)?)),
                None => None,
            },
            Rest::Members(pairs) => match pairs.next() {
                Some(pair) => {
                    let (key, value) = pair?;
                    Some((Some(key), value))
                }
                None => None,
            },
        };
        let Some((key, value)) = value else {
            self.out.push(match rest {
                Rest::Elements(_) => b']',
                Rest::Members(_) => b'}',
            });
            return Ok(None);
        };
        if !first {
            self.out.push(b',');
        }
        if let Some(key) = key {
            self.name(&key)?;
        }
        Ok(Some((before, value)))
    }

    /// Something that is no table. What is left out takes what was written `before` it along.
    fn element(&mut self, value: &Value, before: usize) -> Result<()> {
        if !self.scalar(value)? {
            self.out.truncate(before);
        }
        Ok(())
    }

    /// The same table or text may be there any number of times.
    fn check(&self) -> Result<()> {
        if overrun() {
            return Err(TOO_LONG.into());
        } else if self.out.len() > LONGEST_TEXT {
            return Err("not enough memory".into());
        }
        Ok(())
    }

    fn scalar(&mut self, value: &Value) -> Result<bool> {
        match value {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(number) => self.number(*number as f64, value)?,
            Value::Number(number) => self.number(*number, value)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            value if value.is_null() => self.out.extend_from_slice(b"null"),
            value if *value == empty_array() => self.out.extend_from_slice(b"[]"),
            _ if self.settings.skip_unsupported => return Ok(false),
            other => return Err(refused(other, "type not supported")),
        }
        Ok(true)
    }

    fn number(&mut self, number: f64, value: &Value) -> Result<()> {
        if number.is_finite() {
            general(number, self.precision, &mut self.out);
            return Ok(());
        }
        let text: &[u8] = match self.settings.encode_invalid_numbers {
            0 => return Err(refused(value, "must not be NaN or Infinity")),
            1 if number.is_nan() => b"NaN",
            1 if number > 0.0 => b"Infinity",
            1 => b"-Infinity",
            _ => b"null",
        };
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// Bytes that are no UTF-8 pass as they are, as with lua-cjson.
    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        let mut copied = 0;
        for (at, &byte) in text.iter().enumerate() {
            let escaped: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'/' if self.settings.escape_forward_slash => b"\\/",
                8 => b"\\b",
                b'\t' => b"\\t",
                b'\n' => b"\\n",
                12 => b"\\f",
                b'\r' => b"\\r",
                0..0x20 | 0x7F => b"",
                _ => continue,
            };
            self.out.extend_from_slice(&text[copied..at]);
            if escaped.is_empty() {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                self.out
                    .extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            } else {
                self.out.extend_from_slice(escaped);
            }
            copied = at + 1;
        }
        self.out.extend_from_slice(&text[copied..]);
        self.out.push(b'"');
    }

    fn shape(&self, table: &Table, depth: usize) -> Result<Shape> {
        if depth > self.most {
            return Err(format!("Cannot serialise, excessive depth ({depth})").into());
        }
        let metatable = table.metatable();
        if metatable.as_ref() == Some(&self.array) {
            return Ok(Shape::Array(table.raw_len()));
        }
        Ok(match self.length(table)? {
            Some(0)
                if self.settings.empty_table_as_object
                    && metatable.as_ref() != Some(&self.empty_array) =>
            {
                Shape::Object
            }
            Some(length) => Shape::Array(length),
            None => Shape::Object,
        })
    }

    /// How long the array is that a table is, `None` if it is an object.
    fn length(&self, table: &Table) -> Result<Option<usize>> {
        let (mut longest, mut count) = (0f64, 0f64);
        for pair in table.pairs::<Value, Value>() {
            let key = match pair?.0 {
                Value::Integer(key) => key as f64,
                Value::Number(key) => key,
                _ => return Ok(None),
            };
            if key < 1.0 || key.floor() != key {
                return Ok(None);
            }
            longest = longest.max(key);
            count += 1.0;
        }
        let (ratio, safe) = (self.settings.sparse_ratio, self.settings.sparse_safe);
        if ratio > 0 && longest > count * f64::from(ratio) && longest > f64::from(safe) {
            if !self.settings.sparse_convert {
                let table = Value::Table(table.clone());
                return Err(refused(&table, "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(longest as usize))
    }

    fn name(&mut self, key: &Value) -> Result<()> {
        match key {
            Value::String(name) => self.string(&name.as_bytes()),
            Value::Integer(_) | Value::Number(_) => {
                self.out.push(b'"');
                self.scalar(key)?;
                self.out.push(b'"');
            }
            other => return Err(refused(other, "table key must be a number or string")),
        }
        self.out.push(b':');
        Ok(())
    }
}
