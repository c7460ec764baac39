//! The functions that `sandbox.lua` is given. None raises: each answers true and its results, or false and what is wrong,
//! so that a failure is always a text of Lua's.

use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

use crate::coroutine;
use crate::limits::overrun;
use crate::modules;
use crate::native::{Raise, answered};
use crate::pattern::{self, Capture, Found, Matcher};
use crate::state::LONGEST_TEXT;

/// The longest text that `string.rep` makes (custom-plugins.md 6.3).
const LONGEST_REPETITION: usize = 16 << 20;

/// A table of them.
pub(crate) fn functions(lua: &Lua, print: fn(&Lua, &str)) -> Result<Table> {
    let engine = lua.create_table()?;
    engine.set("null", Value::NULL)?;
    engine.set("waiting", coroutine::mark())?;
    engine.set("traceback", lua.create_function(traceback)?)?;
    let add = |name: &str, run: fn(&Lua, &[Value]) -> Answer| {
        let function = lua.create_function(move |lua, arguments: MultiValue| {
            let arguments: Vec<Value> = arguments.into_iter().collect();
            answered(lua, run(lua, &arguments).map(MultiValue::from_iter))
        })?;
        engine.set(name, function)
    };
    add("find", find)?;
    add("match", find_captures)?;
    add("scan", scan)?;
    add("gsub", gsub)?;
    add("rep", rep)?;
    add("texts", texts)?;
    add("module", module)?;
    engine.set(
        "print",
        lua.create_function(move |lua, text: LuaString| {
            print(lua, &text.to_string_lossy());
            Ok(())
        })?,
    )?;
    Ok(engine)
}

/// `module(name, environment, protect, owner)`: see [`modules::open`].
fn module(lua: &Lua, values: &[Value]) -> Answer {
    let name = shown(values.first());
    let [
        _,
        Value::Table(environment),
        Value::Function(protect),
        Value::Table(owner),
    ] = values
    else {
        return Err("not called by the sandbox".into());
    };
    let module = modules::open(lua, environment, protect, &name, owner)?;
    Ok(vec![module.unwrap_or(Value::Nil)])
}

type Answer = std::result::Result<Vec<Value>, Raise>;

/// Between a message and the way to where it was raised.
pub(crate) const TRACEBACK: &str = "\nstack traceback:";

/// Frames that say nothing to the author of a plugin.
const OURS: [&str; 4] = ["\t[C]:", "\tsandbox:", "\tengine:", "\tpdk:"];

/// The handler of an `xpcall`: a text with the way to where it was raised. In Rust, as a handler in Lua could not be
/// ended by a limit.
fn traceback(lua: &Lua, raised: Value) -> Result<Value> {
    let Value::String(text) = &raised else {
        return Ok(raised);
    };
    let way = lua.traceback(None, 1)?.to_string_lossy();
    let ours = |frame: &str| OURS.iter().any(|begin| frame.starts_with(begin));
    let mut frames = way
        .lines()
        .filter(|line| line.starts_with('\t') && !ours(line));
    let mut whole = text.as_bytes().to_vec();
    if let Some(first) = frames.next() {
        whole.extend_from_slice(TRACEBACK.as_bytes());
        for frame in std::iter::once(first).chain(frames) {
            whole.push(b'\n');
            whole.extend_from_slice(frame.as_bytes());
        }
    }
    Ok(Value::String(lua.create_string(whole)?))
}

/// Texts and numbers, as the arguments of string functions are read.
struct Arguments<'a> {
    function: &'static str,
    values: &'a [Value],
}

impl Arguments<'_> {
    fn wrong(&self, place: usize, expected: &str) -> Raise {
        let got = self.values.get(place).map_or("no value", kind);
        let function = self.function;
        format!(
            "bad argument #{} to '{function}' ({expected} expected, got {got})",
            place + 1
        )
        .into()
    }

    fn text(&self, lua: &Lua, place: usize) -> std::result::Result<LuaString, Raise> {
        match self.values.get(place) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(number @ (Value::Integer(_) | Value::Number(_))) => lua
                .coerce_string(number.clone())?
                .ok_or_else(|| self.wrong(place, "string")),
            _ => Err(self.wrong(place, "string")),
        }
    }

    /// A whole number; `None` if it is absent or nil.
    fn number(&self, lua: &Lua, place: usize) -> std::result::Result<Option<i64>, Raise> {
        match self.values.get(place) {
            None | Some(Value::Nil) => Ok(None),
            Some(value) => match lua.coerce_number(value.clone())? {
                Some(number) => Ok(Some(number as i64)),
                None => Err(self.wrong(place, "number")),
            },
        }
    }

    /// Where to begin, from 0: an `init` counts from 1, or from the end if it is negative. `None` is behind the text.
    fn begin(
        &self,
        lua: &Lua,
        place: usize,
        length: usize,
    ) -> std::result::Result<Option<usize>, Raise> {
        let init = self.number(lua, place)?.unwrap_or(1);
        let at = match init {
            1.. => usize::try_from(init - 1).unwrap_or(usize::MAX),
            0 => 0,
            _ => length.saturating_sub(usize::try_from(init.unsigned_abs()).unwrap_or(usize::MAX)),
        };
        Ok((at <= length).then_some(at))
    }
}

/// What Lua calls the kind of a value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        value if value.is_null() => "userdata",
        other => other.type_name(),
    }
}

fn shown(value: Option<&Value>) -> String {
    value
        .and_then(|value| value.as_string())
        .map_or_else(|| "?".to_owned(), |text| text.to_string_lossy())
}

fn place(at: usize) -> Value {
    Value::Number(at as f64)
}

const UNFINISHED: &str = "unfinished capture";

/// The captures of a match; the whole match if it has none.
fn captures(lua: &Lua, text: &[u8], found: &Found) -> Answer {
    let slice = |from: usize, to: usize| lua.create_string(&text[from..to]).map(Value::String);
    if found.captures.is_empty() {
        return Ok(vec![slice(found.start, found.end)?]);
    }
    let capture = |capture: &Capture| match *capture {
        Capture::Text(from, to) => Ok(slice(from, to)?),
        Capture::Place(at) => Ok(place(at)),
        Capture::Unfinished => Err(UNFINISHED.into()),
    };
    found.captures.iter().map(capture).collect()
}

fn find(lua: &Lua, values: &[Value]) -> Answer {
    let arguments = Arguments {
        function: "find",
        values,
    };
    let (text, pattern) = (arguments.text(lua, 0)?, arguments.text(lua, 1)?);
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let Some(from) = arguments.begin(lua, 2, text.len())? else {
        return Ok(vec![Value::Nil]);
    };
    let plain = values
        .get(3)
        .is_some_and(|plain| !matches!(plain, Value::Nil | Value::Boolean(false)));
    if plain || pattern::is_plain(&pattern) {
        let found = pattern::find_plain(&text, &pattern, from);
        return Ok(match found {
            Some(at) => vec![place(at + 1), place(at + pattern.len())],
            None => vec![Value::Nil],
        });
    }
    let Some(found) = Matcher::new(&text, &pattern).find(from, true)? else {
        return Ok(vec![Value::Nil]);
    };
    let mut answer = vec![place(found.start + 1), place(found.end)];
    if !found.captures.is_empty() {
        answer.extend(captures(lua, &text, &found)?);
    }
    Ok(answer)
}

fn find_captures(lua: &Lua, values: &[Value]) -> Answer {
    let arguments = Arguments {
        function: "match",
        values,
    };
    let (text, pattern) = (arguments.text(lua, 0)?, arguments.text(lua, 1)?);
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let Some(from) = arguments.begin(lua, 2, text.len())? else {
        return Ok(vec![Value::Nil]);
    };
    match Matcher::new(&text, &pattern).find(from, true)? {
        Some(found) => captures(lua, &text, &found),
        None => Ok(vec![Value::Nil]),
    }
}

/// `scan(text, pattern, from, anchors)`: place and end of the first match, and its captures.
fn scan(lua: &Lua, values: &[Value]) -> Answer {
    let arguments = Arguments {
        function: "scan",
        values,
    };
    let (text, pattern) = (arguments.text(lua, 0)?, arguments.text(lua, 1)?);
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let Some(from) = arguments.begin(lua, 2, text.len())? else {
        return Ok(vec![Value::Nil]);
    };
    let anchors = matches!(values.get(3), Some(Value::Boolean(true)));
    let Some(found) = Matcher::new(&text, &pattern).find(from, anchors)? else {
        return Ok(vec![Value::Nil]);
    };
    let mut answer = vec![place(found.start + 1), place(found.end)];
    answer.extend(captures(lua, &text, &found)?);
    Ok(answer)
}

/// `gsub` with a text to put in.
fn gsub(lua: &Lua, values: &[Value]) -> Answer {
    let arguments = Arguments {
        function: "gsub",
        values,
    };
    let (text, pattern, by) = (
        arguments.text(lua, 0)?,
        arguments.text(lua, 1)?,
        arguments.text(lua, 2)?,
    );
    let (text, pattern, by) = (text.as_bytes(), pattern.as_bytes(), by.as_bytes());
    let most = arguments
        .number(lua, 3)?
        .map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(0));
    let anchored = pattern.first() == Some(&b'^');
    let mut matcher = Matcher::new(&text, &pattern);
    let (mut out, mut count, mut copied, mut from) = (Vec::new(), 0, 0, 0);
    while count < most && from <= text.len() {
        let Some(found) = matcher.find(from, true)? else {
            break;
        };
        count += 1;
        out.extend_from_slice(&text[copied..found.start]);
        put(&by, &text, &found, &mut out)?;
        copied = found.end;
        from = found.end.max(found.start + 1);
        if anchored || overrun() {
            break;
        }
    }
    out.extend_from_slice(&text[copied..]);
    Ok(vec![Value::String(lua.create_string(out)?), place(count)])
}

/// Adds `by`, with the captures in place of `%0` to `%9`.
fn put(by: &[u8], text: &[u8], found: &Found, out: &mut Vec<u8>) -> std::result::Result<(), Raise> {
    let mut bytes = by.iter();
    while let Some(&byte) = bytes.next() {
        // One replacement may hold the whole text any number of times.
        if out.len() > LONGEST_TEXT {
            return Err("not enough memory".into());
        }
        match byte {
            b'%' => match bytes.next() {
                Some(b'0') => out.extend_from_slice(&text[found.start..found.end]),
                Some(digit @ b'1'..=b'9') => {
                    put_capture(usize::from(digit - b'1'), text, found, out)?
                }
                Some(&other) => out.push(other),
                None => return Err("invalid use of '%' in replacement string".into()),
            },
            other => out.push(other),
        }
    }
    Ok(())
}

fn put_capture(
    index: usize,
    text: &[u8],
    found: &Found,
    out: &mut Vec<u8>,
) -> std::result::Result<(), Raise> {
    match found.captures.get(index) {
        Some(&Capture::Text(from, to)) => out.extend_from_slice(&text[from..to]),
        Some(Capture::Place(at)) => out.extend_from_slice(at.to_string().as_bytes()),
        Some(Capture::Unfinished) => return Err(UNFINISHED.into()),
        // Without groups the first is the whole match.
        None if index == 0 && found.captures.is_empty() => {
            out.extend_from_slice(&text[found.start..found.end]);
        }
        None => return Err("invalid capture index".into()),
    }
    Ok(())
}

fn rep(lua: &Lua, values: &[Value]) -> Answer {
    let arguments = Arguments {
        function: "rep",
        values,
    };
    let text = arguments.text(lua, 0)?;
    let count = arguments
        .number(lua, 1)?
        .ok_or_else(|| arguments.wrong(1, "number"))?;
    let between = match values.get(2) {
        None | Some(Value::Nil) => lua.create_string("")?,
        Some(_) => arguments.text(lua, 2)?,
    };
    let (text, between) = (text.as_bytes(), between.as_bytes());
    let count = usize::try_from(count).unwrap_or(0);
    let length = (text.len() + between.len()).saturating_mul(count);
    if length > LONGEST_REPETITION {
        return Err("resulting string too large".into());
    }
    let mut out = Vec::with_capacity(length);
    // Nothing, however often, is nothing.
    let count = if length == 0 { 0 } else { count };
    for i in 0..count {
        if i > 0 {
            out.extend_from_slice(&between);
        }
        out.extend_from_slice(&text);
    }
    Ok(vec![Value::String(lua.create_string(out)?)])
}

/// `texts(function, text, pattern, …)`: checks the two that every one of them takes.
fn texts(lua: &Lua, values: &[Value]) -> Answer {
    let Some((function, values)) = values.split_first() else {
        return Err("no function".into());
    };
    let function = match shown(Some(function)).as_str() {
        "gsub" => "gsub",
        _ => "gmatch",
    };
    let arguments = Arguments { function, values };
    let (text, pattern) = (arguments.text(lua, 0)?, arguments.text(lua, 1)?);
    Ok(vec![Value::String(text), Value::String(pattern)])
}
