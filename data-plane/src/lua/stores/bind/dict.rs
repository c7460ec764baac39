//! `ngx.shared.<name>`: its methods, with the words of OpenResty.

use std::sync::Arc;
use std::time::Duration;

use lua::mlua::{self, Lua, MultiValue, Table, Value};
use lua::pdk::Host;
use lua::{Raise, function};

use super::super::dict::{Dict, End, Item, Set};
use crate::plugins::transform::lua_number;

type Answer = Result<MultiValue, Raise>;
type Method = fn(&Lua, &Dict, &[Value]) -> Answer;

/// The methods of the usual dictionary, by which they are declared; those of others are the same.
const METHODS: &[(&str, Method)] = &[
    ("ngx.shared.kong_plugins.add", |lua, dict, given| {
        set(lua, dict, given, Set::IfAbsent, false)
    }),
    ("ngx.shared.kong_plugins.capacity", |_, dict, _| {
        one(dict.capacity() as f64)
    }),
    ("ngx.shared.kong_plugins.delete", delete),
    ("ngx.shared.kong_plugins.expire", expire),
    ("ngx.shared.kong_plugins.flush_all", flush_all),
    ("ngx.shared.kong_plugins.flush_expired", flush_expired),
    ("ngx.shared.kong_plugins.free_space", |_, dict, _| {
        one(dict.free() as f64)
    }),
    ("ngx.shared.kong_plugins.get", get),
    ("ngx.shared.kong_plugins.get_keys", get_keys),
    ("ngx.shared.kong_plugins.get_stale", get_stale),
    ("ngx.shared.kong_plugins.incr", incr),
    ("ngx.shared.kong_plugins.llen", llen),
    ("ngx.shared.kong_plugins.lpop", |lua, dict, given| {
        pop(lua, dict, given, End::Left)
    }),
    ("ngx.shared.kong_plugins.lpush", |lua, dict, given| {
        push(lua, dict, given, End::Left)
    }),
    ("ngx.shared.kong_plugins.replace", |lua, dict, given| {
        set(lua, dict, given, Set::IfThere, false)
    }),
    ("ngx.shared.kong_plugins.rpop", |lua, dict, given| {
        pop(lua, dict, given, End::Right)
    }),
    ("ngx.shared.kong_plugins.rpush", |lua, dict, given| {
        push(lua, dict, given, End::Right)
    }),
    ("ngx.shared.kong_plugins.safe_add", |lua, dict, given| {
        set(lua, dict, given, Set::IfAbsent, true)
    }),
    ("ngx.shared.kong_plugins.safe_set", |lua, dict, given| {
        set(lua, dict, given, Set::Always, true)
    }),
    ("ngx.shared.kong_plugins.set", |lua, dict, given| {
        set(lua, dict, given, Set::Always, false)
    }),
    ("ngx.shared.kong_plugins.ttl", ttl),
];

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    for (name, method) in METHODS {
        let method = *method;
        host.function(name, move |lua, given: MultiValue| {
            called(lua, super::super::USUAL.0, method, given)
        })?;
    }
    let Some(reach) = super::super::current() else {
        return Ok(());
    };
    for &name in reach.stores.further() {
        let table = further(host.lua(), name)?;
        host.value(name, table)?;
    }
    Ok(())
}

/// A dictionary beside the usual one.
fn further(lua: &Lua, name: &'static str) -> mlua::Result<Table> {
    let own = name.rsplit('.').next().unwrap_or(name);
    let table = lua.create_table()?;
    for (method_name, method) in METHODS {
        let method = *method;
        let run = move |lua: &Lua, given: MultiValue| called(lua, own, method, given);
        let last = method_name.rsplit('.').next().unwrap_or(method_name);
        table.raw_set(last, function(lua, run)?)?;
    }
    Ok(table)
}

/// Runs a method; the first of what is given is the dictionary itself.
fn called(lua: &Lua, name: &str, method: Method, given: MultiValue) -> Answer {
    let given: Vec<Value> = given.into_iter().collect();
    if !matches!(given.first(), Some(Value::Table(_))) {
        return Err("bad \"zone\" argument".into());
    }
    let stores = super::reach()?.stores;
    let dict: Arc<Dict> = stores
        .dict(&super::owner(), name)
        .ok_or("bad \"zone\" argument")?;
    method(lua, &dict, &given[1..])
}

fn nth(given: &[Value], place: usize) -> &Value {
    given.get(place).unwrap_or(&Value::Nil)
}

fn one(number: f64) -> Answer {
    Ok(MultiValue::from_iter([Value::Number(number)]))
}

fn refused(lua: &Lua, first: Value, words: &str) -> Answer {
    let words = Value::String(lua::string(lua, words)?);
    Ok(MultiValue::from_iter([first, words]))
}

/// A key, or why it is none.
fn key(given: &[Value]) -> Result<Vec<u8>, &'static str> {
    const LONGEST: usize = 65535;
    let key = match nth(given, 0) {
        Value::Nil => return Err("nil key"),
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Number(number) => lua_number::print(*number).into_bytes(),
        // Not by a `__tostring`, which could look for a key again, and again.
        Value::Table(_) | Value::UserData(_) => nth(given, 0).type_name().into(),
        other => other.to_string().unwrap_or_default().into_bytes(),
    };
    match key.len() {
        0 => Err("empty key"),
        1..=LONGEST => Ok(key),
        _ => Err("key too long"),
    }
}

/// Seconds; nothing is for ever.
fn time(given: &[Value], place: usize, name: &str) -> Result<Duration, Raise> {
    match nth(given, place) {
        Value::Nil => Ok(Duration::ZERO),
        value => match super::number(value) {
            Some(seconds) if seconds >= 0.0 => Ok(super::seconds(seconds)),
            _ => Err(format!("bad \"{name}\" argument").into()),
        },
    }
}

fn item(value: &Value) -> Option<Item> {
    Some(match value {
        Value::Boolean(flag) => Item::Boolean(*flag),
        Value::Integer(number) => Item::Number(*number as f64),
        Value::Number(number) => Item::Number(*number),
        Value::String(text) => Item::Text(Arc::from(&*text.as_bytes())),
        _ => return None,
    })
}

/// `None`: it is a list, which cannot be got as a value.
fn value(lua: &Lua, item: &Item) -> mlua::Result<Option<Value>> {
    Ok(Some(match item {
        Item::Boolean(flag) => Value::Boolean(*flag),
        Item::Number(number) => Value::Number(*number),
        Item::Text(text) => Value::String(lua::string(lua, text)?),
        Item::List(_) => return Ok(None),
    }))
}

fn flags(flags: u32) -> Value {
    match flags {
        0 => Value::Nil,
        flags => Value::Integer(flags.into()),
    }
}

fn get(lua: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    let key = match key(given) {
        Ok(key) => key,
        Err(words) => return refused(lua, Value::Nil, words),
    };
    let Some((item, set)) = dict.get(&key) else {
        return Ok(MultiValue::from_iter([Value::Nil]));
    };
    match value(lua, &item)? {
        Some(value) => Ok(MultiValue::from_iter([value, flags(set)])),
        None => refused(lua, Value::Nil, "value is a list"),
    }
}

fn get_stale(lua: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    let key = match key(given) {
        Ok(key) => key,
        Err(words) => return refused(lua, Value::Nil, words),
    };
    let Some((item, set, stale)) = dict.get_stale(&key) else {
        return Ok(MultiValue::from_iter([Value::Nil]));
    };
    match value(lua, &item)? {
        Some(value) => Ok(MultiValue::from_iter([
            value,
            flags(set),
            Value::Boolean(stale),
        ])),
        None => refused(lua, Value::Nil, "value is a list"),
    }
}

fn set(lua: &Lua, dict: &Dict, given: &[Value], how: Set, safe: bool) -> Answer {
    let ttl = time(given, 2, "exptime")?;
    let key = match key(given) {
        Ok(key) => key,
        Err(words) => return refused(lua, Value::Nil, words),
    };
    let set_flags = match nth(given, 3) {
        Value::Nil => 0,
        value => super::number(value).ok_or("bad \"user_flags\" argument")? as u32,
    };
    let done = match nth(given, 1) {
        // Nothing in the place of something: it is gone.
        Value::Nil if how == Set::Always => {
            dict.delete(&key);
            Ok(false)
        }
        Value::Nil => return refused(lua, Value::Nil, "attempt to add or replace nil values"),
        other => match item(other) {
            Some(item) => dict.set(&key, item, (ttl, set_flags), how, safe),
            None => return refused(lua, Value::Nil, "bad value type"),
        },
    };
    stored(lua, done)
}

/// True, nil and whether others had to go; or false and why.
fn stored(lua: &Lua, done: Result<bool, (&str, bool)>) -> Answer {
    Ok(match done {
        Ok(pushed) => {
            MultiValue::from_iter([Value::Boolean(true), Value::Nil, Value::Boolean(pushed)])
        }
        Err((words, pushed)) => MultiValue::from_iter([
            Value::Boolean(false),
            Value::String(lua::string(lua, words)?),
            Value::Boolean(pushed),
        ]),
    })
}

fn delete(lua: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    match key(given) {
        Ok(key) => {
            dict.delete(&key);
            stored(lua, Ok(false))
        }
        Err(words) => refused(lua, Value::Nil, words),
    }
}

fn incr(lua: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    let key = match key(given) {
        Ok(key) => key,
        Err(words) => return refused(lua, Value::Nil, words),
    };
    let by = super::number(nth(given, 1)).ok_or("bad \"value\" argument")?;
    let init = match nth(given, 2) {
        Value::Nil if !nth(given, 3).is_nil() => {
            return Err("must provide \"init\" when providing \"init_ttl\"".into());
        }
        Value::Nil => None,
        value => {
            let init = super::number(value).ok_or_else(|| {
                let got = value.type_name();
                format!("bad init arg: number expected, got {got}")
            })?;
            Some((init, time(given, 3, "init_ttl")?))
        }
    };
    match dict.incr(&key, by, init) {
        Ok((sum, _)) if init.is_none() => one(sum),
        Ok((sum, pushed)) => Ok(MultiValue::from_iter([
            Value::Number(sum),
            Value::Nil,
            Value::Boolean(pushed),
        ])),
        Err((words, _)) => refused(lua, Value::Nil, words),
    }
}

fn expire(lua: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    if nth(given, 1).is_nil() {
        return Err("bad \"exptime\" argument".into());
    }
    let time = time(given, 1, "exptime")?;
    match key(given) {
        Err(words) => refused(lua, Value::Nil, words),
        Ok(key) if dict.expire(&key, time) => Ok(MultiValue::from_iter([Value::Boolean(true)])),
        Ok(_) => refused(lua, Value::Nil, "not found"),
    }
}

fn ttl(lua: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    match key(given).map(|key| dict.ttl(&key)) {
        Err(words) => refused(lua, Value::Nil, words),
        Ok(None) => refused(lua, Value::Nil, "not found"),
        Ok(Some(left)) => one(left.as_secs_f64()),
    }
}

fn flush_all(_: &Lua, dict: &Dict, _: &[Value]) -> Answer {
    dict.flush_all();
    Ok(MultiValue::new())
}

fn flush_expired(_: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    one(dict.flush_expired(most(given, 0)) as f64)
}

/// A count; nothing is `usual`, and 0 is all. `usual` 0 is all, too.
fn most(given: &[Value], usual: usize) -> usize {
    let asked = super::number(nth(given, 0)).map_or(usual, |count| count as usize);
    if asked == 0 { usize::MAX } else { asked }
}

fn get_keys(lua: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    let list = lua.create_table()?;
    for key in dict.keys(most(given, 1024)) {
        list.raw_push(lua::string(lua, &key)?)?;
    }
    Ok(MultiValue::from_iter([Value::Table(list)]))
}

fn push(lua: &Lua, dict: &Dict, given: &[Value], end: End) -> Answer {
    let key = match key(given) {
        Ok(key) => key,
        Err(words) => return refused(lua, Value::Nil, words),
    };
    let item = match item(nth(given, 1)) {
        Some(item @ (Item::Number(_) | Item::Text(_))) => item,
        _ => return refused(lua, Value::Nil, "bad value type"),
    };
    match dict.push(&key, item, end) {
        Ok(length) => one(length as f64),
        Err(words) => refused(lua, Value::Nil, words),
    }
}

fn pop(lua: &Lua, dict: &Dict, given: &[Value], end: End) -> Answer {
    let popped = match key(given) {
        Ok(key) => dict.pop(&key, end),
        Err(words) => Err(words),
    };
    match popped {
        Ok(Some(item)) => Ok(MultiValue::from_iter([
            value(lua, &item)?.unwrap_or(Value::Nil)
        ])),
        Ok(None) => Ok(MultiValue::from_iter([Value::Nil])),
        Err(words) => refused(lua, Value::Nil, words),
    }
}

fn llen(lua: &Lua, dict: &Dict, given: &[Value]) -> Answer {
    match key(given).and_then(|key| dict.length(&key)) {
        Ok(length) => one(length as f64),
        Err(words) => refused(lua, Value::Nil, words),
    }
}
