//! Lua values as bytes, for they leave the machine that they were made in. Functions and the like are refused; metatables
//! are left behind, as are the differences between tables that are the same and tables that are alike.

use lua::mlua::{self, Lua, Table, Value};

/// The longest value.
const LONGEST: usize = 32 << 20;

/// How deep tables may nest.
const DEEPEST: usize = 100;

const FALSE: u8 = 0;
const TRUE: u8 = 1;
const NUMBER: u8 = 2;
const TEXT: u8 = 3;
const TABLE: u8 = 4;
const END: u8 = 5;
const NULL: u8 = 6;

/// Why a value cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Unkept {
    /// A kind that means something in its machine alone.
    #[error("cannot serialise {0}: type not supported")]
    Kind(&'static str),
    /// A table within itself, or as good as that.
    #[error("cannot serialise, excessive depth")]
    TooDeep,
    /// It is larger than what may be kept.
    #[error("cannot serialise, value is too large")]
    TooLong,
    /// Of the machine.
    #[error("{0}")]
    Engine(#[from] mlua::Error),
}

/// The bytes of a value that is not nil.
///
/// # Errors
/// See [`Unkept`].
pub fn write(value: &Value) -> Result<Box<[u8]>, Unkept> {
    let mut out = Vec::new();
    put(value, 0, &mut out)?;
    Ok(out.into())
}

fn put(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), Unkept> {
    if out.len() > LONGEST {
        return Err(Unkept::TooLong);
    }
    match value {
        Value::Boolean(false) => out.push(FALSE),
        Value::Boolean(true) => out.push(TRUE),
        Value::Integer(number) => put_number(*number as f64, out),
        Value::Number(number) => put_number(*number, out),
        Value::String(text) => {
            let bytes = text.as_bytes();
            let length = u32::try_from(bytes.len()).map_err(|_| Unkept::TooLong)?;
            out.push(TEXT);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        Value::Table(_) if depth == DEEPEST => return Err(Unkept::TooDeep),
        Value::Table(table) => {
            out.push(TABLE);
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair?;
                put(&key, depth + 1, out)?;
                put(&value, depth + 1, out)?;
            }
            out.push(END);
        }
        null if null.is_null() => out.push(NULL),
        other => return Err(Unkept::Kind(other.type_name())),
    }
    Ok(())
}

fn put_number(number: f64, out: &mut Vec<u8>) {
    out.push(NUMBER);
    out.extend_from_slice(&number.to_le_bytes());
}

/// The value of what [`write()`] wrote.
///
/// # Errors
/// When the machine has no memory.
pub fn read(lua: &Lua, bytes: &[u8]) -> mlua::Result<Value> {
    let mut reader = Reader { lua, bytes };
    Ok(reader.value()?.unwrap_or(Value::Nil))
}

struct Reader<'a> {
    lua: &'a Lua,
    bytes: &'a [u8],
}

impl Reader<'_> {
    /// `None` is the end of a table.
    fn value(&mut self) -> mlua::Result<Option<Value>> {
        let kind = self.take::<1>()?[0];
        Ok(Some(match kind {
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            NUMBER => Value::Number(f64::from_le_bytes(self.take()?)),
            TEXT => {
                let length = u32::from_le_bytes(self.take()?) as usize;
                let (text, rest) = self.bytes.split_at_checked(length).ok_or_else(broken)?;
                self.bytes = rest;
                Value::String(self.lua.create_string(text)?)
            }
            TABLE => Value::Table(self.table()?),
            NULL => Value::NULL,
            _ => return Ok(None),
        }))
    }

    fn table(&mut self) -> mlua::Result<Table> {
        let table = self.lua.create_table()?;
        while let Some(key) = self.value()? {
            let value = self.value()?.ok_or_else(broken)?;
            table.raw_set(key, value)?;
        }
        Ok(table)
    }

    fn take<const N: usize>(&mut self) -> mlua::Result<[u8; N]> {
        let (first, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(broken)?;
        self.bytes = rest;
        Ok(*first)
    }
}

fn broken() -> mlua::Error {
    mlua::Error::RuntimeError("a kept value is broken".to_owned())
}

#[cfg(test)]
mod tests {
    use lua::mlua::LuaString;

    use super::*;

    fn there_and_back(source: &str) -> Result<String, Unkept> {
        let lua = Lua::new();
        let value: Value = lua.load(source).eval().expect("a value");
        let bytes = write(&value)?;
        let other = Lua::new();
        let back = read(&other, &bytes).expect("it reads back");
        let show = "local show
            function show(v)
              if type(v) ~= 'table' then return tostring(v) end
              local keys, parts = {}, {}
              for k in pairs(v) do keys[#keys + 1] = k end
              table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
              for i, k in ipairs(keys) do parts[i] = tostring(k) .. '=' .. show(v[k]) end
              return '{' .. table.concat(parts, ',') .. '}' .. (getmetatable(v) and 'M' or '')
            end
            return show((...))";
        let shown: LuaString = other.load(show).call(back).expect("shown");
        Ok(shown.to_string_lossy())
    }

    #[test]
    fn values_come_back_in_another_machine() {
        for (source, expected) in [
            ("true", "true"),
            ("false", "false"),
            ("1", "1"),
            ("-1.5", "-1.5"),
            ("2^53", "9.007199254741e+15"),
            ("1/0", "inf"),
            ("'text'", "text"),
            ("''", ""),
            ("'\\0\\255'", "\0\u{fffd}"),
            ("{}", "{}"),
            ("{1, 2, 3}", "{1=1,2=2,3=3}"),
            ("{a = {b = {c = true}}}", "{a={b={c=true}}}"),
            ("{[1.5] = 'x', [true] = 'y'}", "{1.5=x,true=y}"),
            ("setmetatable({a = 1}, {__index = print})", "{a=1}"),
            (
                "(function() local t = {1} return {t, t} end)()",
                "{1={1=1},2={1=1}}",
            ),
        ] {
            let back = there_and_back(source);
            assert_eq!(back.expect(source), expected, "{source}");
        }
        let lua = Lua::new();
        let null = read(&lua, &write(&Value::NULL).expect("kept")).expect("back");
        assert!(null.is_null());
    }

    #[test]
    fn what_belongs_to_its_machine_is_refused() {
        for (source, expected) in [
            ("print", "cannot serialise function: type not supported"),
            (
                "{a = {print}}",
                "cannot serialise function: type not supported",
            ),
            (
                "{[print] = 1}",
                "cannot serialise function: type not supported",
            ),
            (
                "coroutine.create(print)",
                "cannot serialise thread: type not supported",
            ),
            ("io.stdout", "cannot serialise userdata: type not supported"),
            (
                "(function() local t = {} t.t = t return t end)()",
                "cannot serialise, excessive depth",
            ),
            (
                "(function() local t = {} t[t] = 1 return t end)()",
                "cannot serialise, excessive depth",
            ),
            (
                // Each level holds the one before twice: the whole would be beyond all bounds.
                "(function() local t = {('x'):rep(1000)} for _ = 1, 60 do t = {t, t} end return t end)()",
                "cannot serialise, value is too large",
            ),
        ] {
            let error = there_and_back(source).expect_err(source);
            assert_eq!(error.to_string(), expected, "{source}");
        }
    }
}
