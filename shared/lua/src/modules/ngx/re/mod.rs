//! `ngx.re` (custom-plugins.md 4): PCRE2 with limits, in the words of OpenResty. What calls Lua is in `re.lua`.

mod cache;
mod pcre;
mod replace;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

use crate::engine::kind;
use crate::limits::TOO_LONG;
use crate::native::{self, Raise};
use cache::{Cache, Options};
use pcre::{Failure, Groups, Regex};

type Answer<T> = std::result::Result<T, Raise>;

/// Why a function of `ngx.re` has no result.
enum Refusal {
    /// It answers nil and this.
    Told(String),
    /// It raises this.
    Raised(Raise),
}

impl From<mlua::Error> for Refusal {
    fn from(error: mlua::Error) -> Self {
        Refusal::Raised(error.into())
    }
}

impl From<Raise> for Refusal {
    fn from(raise: Raise) -> Self {
        Refusal::Raised(raise)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Overrun => Refusal::Raised(TOO_LONG.into()),
            Failure::Code(code) => Refusal::Told(format!("pcre_exec() failed: {code}")),
        }
    }
}

/// What the natives of `re.lua` have in common: text, pattern and options are their first three arguments.
struct Call {
    text: LuaString,
    regex: Rc<Regex>,
    options: Options,
    rest: std::collections::VecDeque<Value>,
}

/// `tostring`, without metamethods.
fn spelled(lua: &Lua, value: Option<Value>) -> Answer<LuaString> {
    Ok(match value {
        Some(Value::String(text)) => text,
        None | Some(Value::Nil) => lua.create_string("nil")?,
        Some(Value::Boolean(value)) => lua.create_string(value.to_string())?,
        Some(value) => super::encoding::lenient(lua, &value)?,
    })
}

impl Call {
    fn read(
        lua: &Lua,
        cache: &RefCell<Cache>,
        mut arguments: MultiValue,
    ) -> std::result::Result<Self, Refusal> {
        let text = spelled(lua, arguments.pop_front())?;
        let pattern = spelled(lua, arguments.pop_front())?;
        let options = match arguments.pop_front() {
            None | Some(Value::Nil) => Options::default(),
            Some(Value::String(letters)) => {
                Options::parse(&letters.as_bytes()).map_err(|letter| {
                    let (letter, letters) = (char::from(letter), letters.to_string_lossy());
                    Raise::Text(format!("unknown flag \"{letter}\" (flags \"{letters}\")"))
                })?
            }
            Some(other) => {
                let kind = kind(&other);
                return Err(
                    Raise::Text(format!("bad options: string expected, got {kind}")).into(),
                );
            }
        };
        let bytes = pattern.as_bytes();
        let regex = cache.borrow_mut().get(&bytes, options).map_err(|wrong| {
            let pattern = String::from_utf8_lossy(&bytes);
            let mut said = format!("pcre2_compile() failed: {} in \"{pattern}\"", wrong.message);
            if wrong.at < bytes.len() {
                let rest = String::from_utf8_lossy(&bytes[wrong.at..]);
                said.push_str(&format!(" at \"{rest}\""));
            }
            Refusal::Told(said)
        })?;
        Ok(Self {
            text,
            regex,
            options,
            rest: arguments.into_iter().collect(),
        })
    }

    /// A place, from 1; what is below is the first.
    fn place(&self, lua: &Lua, at: usize) -> Answer<usize> {
        let place = match self.rest.get(at) {
            Some(value) => lua.coerce_number(value.clone())?,
            None => None,
        };
        Ok((place.unwrap_or(1.0).max(1.0) as usize).saturating_sub(1))
    }
}

/// The functions that `re.lua` is built on. Each answers true and its results, false and what to answer, or raises.
pub(super) fn natives(lua: &Lua) -> Result<Table> {
    let cache = Rc::new(RefCell::new(Cache::default()));
    let natives = lua.create_table()?;
    let add = |name: &str, run: fn(&Lua, Call) -> std::result::Result<Vec<Value>, Refusal>| {
        let cache = cache.clone();
        let function = lua.create_function(move |lua, arguments: MultiValue| {
            let answer = Call::read(lua, &cache, arguments).and_then(|call| run(lua, call));
            let (done, mut values) = match answer {
                Ok(values) => (true, values),
                Err(Refusal::Told(said)) => (false, vec![Value::String(lua.create_string(said)?)]),
                Err(Refusal::Raised(raise)) => return native::answered(lua, Err(raise)),
            };
            values.insert(0, Value::Boolean(done));
            native::answered(lua, Ok(values.into_iter().collect()))
        })?;
        natives.raw_set(name, function)
    };
    add("match", captures)?;
    add("find", find)?;
    add("sub", replace::sub)?;
    Ok(natives)
}

/// `match(text, pattern, options, from, table)`: the captures, in a table that was given or a new one, and the places of
/// the first and last byte. Nothing if there is no match.
fn captures(lua: &Lua, mut call: Call) -> std::result::Result<Vec<Value>, Refusal> {
    let from = call.place(lua, 0)?;
    let text = call.text.as_bytes();
    let mut groups = Groups::new();
    if !call.regex.find(&text, from, &mut groups)? {
        return Ok(Vec::new());
    }
    let into = match call.rest.remove(1) {
        Some(Value::Table(table)) => table,
        _ => lua.create_table_with_capacity(groups.len(), call.regex.named().len())?,
    };
    let mut values = Vec::with_capacity(groups.len());
    for (i, group) in groups.iter().enumerate() {
        let value = match *group {
            Some((start, end)) => Value::String(lua.create_string(&text[start..end])?),
            None => Value::Boolean(false),
        };
        into.raw_set(i, &value)?;
        values.push(value);
    }
    let mut seen: Option<&[u8]> = None;
    for (name, group) in call.regex.named() {
        let value = values.get(*group).cloned().unwrap_or(Value::Boolean(false));
        let key = lua.create_string(name)?;
        if !call.options.duplicates {
            into.raw_set(key, value)?;
            continue;
        }
        // A list of those that took part; names come sorted.
        let list: Table = match seen == Some(name) {
            true => into.raw_get(&key)?,
            false => {
                let list = lua.create_table()?;
                into.raw_set(key, &list)?;
                list
            }
        };
        seen = Some(name);
        if value != Value::Boolean(false) {
            list.raw_push(value)?;
        }
    }
    let (start, end) = groups[0].unwrap_or_default();
    Ok(vec![
        Value::Table(into),
        place(start + 1),
        place(end),
        place(after(&call.regex, &text, (start, end)) + 1),
    ])
}

/// `find(text, pattern, options, from, group)`: the places of the first and last byte of a group, and where the whole
/// match ends. Nothing if there is no match.
fn find(lua: &Lua, call: Call) -> std::result::Result<Vec<Value>, Refusal> {
    let from = call.place(lua, 0)?;
    let group = match call.rest.get(1) {
        None | Some(Value::Nil) => 0.0,
        Some(value) => lua.coerce_number(value.clone())?.unwrap_or(-1.0),
    };
    if !(0.0..=call.regex.groups() as f64).contains(&group) {
        return Err(Refusal::Told("nth out of bound".to_owned()));
    }
    let text = call.text.as_bytes();
    let mut groups = Groups::new();
    if !call.regex.find(&text, from, &mut groups)? {
        return Ok(Vec::new());
    }
    let end = groups[0].unwrap_or_default().1;
    Ok(match groups.get(group as usize).copied().flatten() {
        Some((start, stop)) => vec![place(start + 1), place(stop), place(end)],
        None => vec![Value::Nil, Value::Nil, place(end)],
    })
}

fn place(at: usize) -> Value {
    Value::Number(at as f64)
}

/// Where to look for the next match: an empty one is followed by the next character.
fn after(regex: &Regex, text: &[u8], (start, end): (usize, usize)) -> usize {
    if end > start {
        return end;
    }
    let mut next = end + 1;
    while regex.is_utf() && text.get(next).is_some_and(|byte| byte & 0xC0 == 0x80) {
        next += 1;
    }
    next
}
