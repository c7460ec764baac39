//! `kong.cache` as Kong's plugins call it (custom-plugins.md 3.1), with the words of its cache library.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use lua::mlua::{self, FromLuaMulti, Lua, MultiValue, Table, Value};
use lua::pdk::Host;
use lua::{Coroutine, Raise, Stored};

use super::super::cache::{Cache, Entry, Found};
use super::super::{Owner, codec};

/// How long one waits for another who finds out the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what is past its time serves on when nothing better is found: Kong's `db_resurrect_ttl`.
const RESURRECT: Duration = Duration::from_secs(30);

/// Where an answer came from: the node's cache, the callback, the cache past its time, nowhere.
const KNOWN: i64 = 2;
const FOUND_OUT: i64 = 3;
const STALE: i64 = 4;
const NOWHERE: i64 = -1;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.waiting("kong.cache.get", |lua, given: MultiValue| async move {
        let asked = asked(given)?;
        let answer = fetch(&lua, asked, false).await?;
        three(&lua, answer, "failed to get from node cache")
    })?;
    host.waiting("kong.cache.renew", |lua, given: MultiValue| async move {
        let asked = asked(given)?;
        let answer = fetch(&lua, asked, true).await?;
        three(&lua, answer, "failed to renew key in node cache")
    })?;
    type Bulk = (Value, Value, Value);
    host.waiting("kong.cache.get_bulk", |lua, (_, bulk, options): Bulk| {
        get_bulk(lua, bulk, options)
    })?;
    host.function("kong.cache.probe", probe)?;
    host.function("kong.cache.safe_set", safe_set)?;
    for name in ["kong.cache.invalidate", "kong.cache.invalidate_local"] {
        host.function(name, |_, (_, key): (Value, Value)| {
            let key = key_of(&key)?;
            super::reach()?.stores.cache.remove(&super::owner(), &key);
            Ok(())
        })?;
    }
    host.function("kong.cache.purge", |_, _: MultiValue| {
        super::reach()?.stores.cache.purge(&super::owner());
        Ok(())
    })
}

fn key_of(key: &Value) -> Result<Vec<u8>, Raise> {
    match key {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        _ => Err("key must be a string".into()),
    }
}

/// What somebody wants to know.
struct Asked {
    owner: Owner,
    key: Vec<u8>,
    times: Times,
    /// The function that finds it out, and its arguments.
    callback: Option<MultiValue>,
}

#[derive(Clone, Copy)]
struct Times {
    ttl: Duration,
    neg_ttl: Duration,
    resurrect: Duration,
}

/// `self, key, opts, callback, …`
fn asked(given: MultiValue) -> Result<Asked, Raise> {
    let mut given = given.into_iter().skip(1);
    let mut next = || given.next().unwrap_or(Value::Nil);
    let (key, options, callback) = (key_of(&next())?, times(&next())?, next());
    Ok(Asked {
        owner: super::owner(),
        key,
        times: options,
        callback: called(callback, given)?,
    })
}

fn called(
    callback: Value,
    arguments: impl Iterator<Item = Value>,
) -> Result<Option<MultiValue>, Raise> {
    match callback {
        Value::Nil => Ok(None),
        Value::Function(_) => Ok(Some(std::iter::once(callback).chain(arguments).collect())),
        _ => Err("callback must be nil or a function".into()),
    }
}

fn times(options: &Value) -> Result<Times, Raise> {
    let usual = Times {
        ttl: Duration::ZERO,
        neg_ttl: Duration::ZERO,
        resurrect: RESURRECT,
    };
    let options = match options {
        Value::Nil => return Ok(usual),
        Value::Table(options) => options,
        _ => return Err("opts must be a table".into()),
    };
    let time = |name: &str, usual: Duration| -> Result<Duration, Raise> {
        match options.raw_get::<Value>(name)? {
            Value::Nil => Ok(usual),
            Value::Integer(number) if number >= 0 => Ok(super::seconds(number as f64)),
            Value::Number(number) if number >= 0.0 => Ok(super::seconds(number)),
            Value::Integer(_) | Value::Number(_) => Err(format!("opts.{name} must be >= 0").into()),
            _ => Err(format!("opts.{name} must be a number").into()),
        }
    };
    Ok(Times {
        ttl: time("ttl", usual.ttl)?,
        neg_ttl: time("neg_ttl", usual.neg_ttl)?,
        resurrect: time("resurrect_ttl", usual.resurrect)?,
    })
}

/// A value and where it came from, or why there is none.
type Fetched = Result<(Value, i64), String>;

fn three(lua: &Lua, fetched: Fetched, failed: &str) -> Result<MultiValue, Raise> {
    Ok(match fetched {
        Ok((value, level)) => MultiValue::from_iter([value, Value::Nil, Value::Integer(level)]),
        Err(why) => {
            let words = lua.create_string(format!("{failed}: {why}"))?;
            MultiValue::from_iter([Value::Nil, Value::String(words)])
        }
    })
}

/// Calls a callback, which may ask the cache with a callback, and so on: each takes room on the stack of the thread, which
/// ends the process when it is used up.
async fn call(lua: &Lua, callback: Stored) -> mlua::Result<(Value, Value, Value)> {
    const DEEPEST: u32 = 16;
    thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
    struct Up;
    impl Drop for Up {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    let mut values = callback.list(lua).unwrap_or_default();
    let Some(Value::Function(function)) = values.pop_front() else {
        return Ok((Value::Nil, Value::Nil, Value::Nil));
    };
    let mut call = Coroutine::new(lua, &function, values)?;
    drop(callback);
    let answer = poll_fn(|cx| {
        if DEPTH.get() >= DEEPEST {
            let words = "C stack overflow".to_owned();
            return Poll::Ready(Err(mlua::Error::RuntimeError(words)));
        }
        DEPTH.set(DEPTH.get() + 1);
        let _up = Up;
        Pin::new(&mut call).poll(cx)
    });
    FromLuaMulti::from_lua_multi(answer.await?, lua)
}

/// An error of a callback's as text; not by a `__tostring`, which could ask the cache again, and again.
fn words(error: &Value) -> String {
    match error {
        Value::Table(_) | Value::UserData(_) => error.type_name().to_owned(),
        other => other.to_string().unwrap_or_default(),
    }
}

/// What is known, or what the callback finds out; `anew`: it is asked in any case.
async fn fetch(lua: &Lua, mut asked: Asked, anew: bool) -> Result<Fetched, Raise> {
    let stores = super::reach()?.stores;
    let cache = &stores.cache;
    if !anew && let Some(known) = known(lua, cache, &asked)? {
        return Ok(Ok(known));
    }
    let Some(callback) = asked.callback.take() else {
        return Ok(Ok((Value::Nil, NOWHERE)));
    };
    let callback = Stored::of_list(lua, callback)?;
    let Asked { owner, key, .. } = &asked;
    let Ok(_turn) = tokio::time::timeout(PATIENCE, cache.turn(owner, key)).await else {
        return Ok(Err("could not acquire callback lock: timeout".to_owned()));
    };
    // Another may have found it out meanwhile.
    if !anew && let Some(known) = known(lua, cache, &asked)? {
        return Ok(Ok(known));
    }
    let answered = call(lua, callback).await;
    let (value, error, ttl): (Value, Value, Value) = match answered {
        Ok(values) => values,
        Err(error) => return Ok(Err(format!("callback threw an error: {}", said(&error)))),
    };
    if !error.is_nil() {
        return Ok(match cache.find(owner, key) {
            Found::Stale(stale) if !asked.times.resurrect.is_zero() => {
                let why = words(&error);
                let name = String::from_utf8_lossy(key);
                tracing::warn!(
                    key = &*name,
                    error = why,
                    "a plugin's cached value serves on"
                );
                cache.resurrect(owner, key, &stale, asked.times.resurrect);
                Ok((value_of(lua, &stale)?, STALE))
            }
            _ => Err(words(&error)),
        });
    }
    if let Err(why) = keep(cache, &asked, &value, &ttl) {
        return Ok(Err(why));
    }
    Ok(Ok((value, FOUND_OUT)))
}

/// Keeps what a callback found out, for as long as it says: less than nothing is not at all.
fn keep(cache: &Cache, asked: &Asked, value: &Value, ttl: &Value) -> Result<(), String> {
    let usual = match value {
        Value::Nil => asked.times.neg_ttl,
        _ => asked.times.ttl,
    };
    let ttl = match ttl {
        Value::Integer(number) if *number < 0 => return Ok(()),
        Value::Number(number) if *number < 0.0 => return Ok(()),
        Value::Integer(number) => super::seconds(*number as f64),
        Value::Number(number) => super::seconds(*number),
        _ => usual,
    };
    let bytes = match value {
        Value::Nil => None,
        value => Some(codec::write(value).map_err(|why| format!("could not cache value: {why}"))?),
    };
    cache.put(&asked.owner, &asked.key, Entry::new(bytes, ttl));
    Ok(())
}

fn known(lua: &Lua, cache: &Cache, asked: &Asked) -> mlua::Result<Option<(Value, i64)>> {
    let Found::Fresh(entry) = cache.find(&asked.owner, &asked.key) else {
        return Ok(None);
    };
    let level = if entry.resurrected { STALE } else { KNOWN };
    Ok(Some((value_of(lua, &entry)?, level)))
}

fn value_of(lua: &Lua, entry: &Entry) -> mlua::Result<Value> {
    let bytes = entry.value.as_ref();
    bytes.map_or(Ok(Value::Nil), |bytes| codec::read(lua, bytes))
}

/// What a callback raised, without the way there.
fn said(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::RuntimeError(text) => text.clone(),
        mlua::Error::CallbackError { cause, .. } => return said(cause),
        other => other.to_string(),
    };
    let text = text.split("\nstack traceback:").next();
    text.unwrap_or_default().to_owned()
}

/// `self, bulk, opts`: `bulk` holds key, options, callback, argument again and again, and `n`, how many; the answer value,
/// error, level.
async fn get_bulk(lua: Lua, bulk: Value, options: Value) -> Result<MultiValue, Raise> {
    let Value::Table(bulk) = bulk else {
        return Err("bulk must be a table".into());
    };
    if !matches!(options, Value::Nil | Value::Table(_)) {
        return Err("opts must be a table".into());
    }
    drop(options);
    let count = match bulk.raw_get::<Value>("n")? {
        Value::Nil => return Err("bulk must have n field".into()),
        count => super::number(&count).unwrap_or(0.0) as i64,
    };
    let answers = Stored::new(&lua, lua.create_table()?)?;
    let bulk = Stored::new(&lua, bulk)?;
    let table = |stored: &Stored| stored.get::<Table>(&lua).ok_or("its machine is gone");
    for n in 0..count {
        let asked = {
            let bulk = table(&bulk)?;
            let at = |place: i64| bulk.raw_get::<Value>(n * 4 + place);
            Asked {
                owner: super::owner(),
                key: key_of(&at(1)?)
                    .map_err(|_| format!("key at index {} must be a string", n * 4 + 1))?,
                times: times(&at(2)?)?,
                callback: called(at(3)?, std::iter::once(at(4)?))?,
            }
        };
        let (value, error, level) = match fetch(&lua, asked, false).await? {
            Ok((value, level)) => (value, Value::Nil, Value::Integer(level)),
            Err(why) => {
                let why = Value::String(lua.create_string(why)?);
                (Value::Nil, why, Value::Nil)
            }
        };
        let answers = table(&answers)?;
        for (place, value) in [value, error, level].into_iter().enumerate() {
            answers.raw_set(n * 3 + 1 + place as i64, value)?;
        }
    }
    let answers = table(&answers)?;
    answers.raw_set("n", count * 3)?;
    Ok(MultiValue::from_iter([Value::Table(answers)]))
}

/// `self, key`: the time that is left, nil, the value; nothing for what is not known.
fn probe(lua: &Lua, (_, key): (Value, Value)) -> Result<MultiValue, Raise> {
    let key = key_of(&key)?;
    let Found::Fresh(entry) = super::reach()?.stores.cache.find(&super::owner(), &key) else {
        return Ok(MultiValue::from_iter([Value::Nil]));
    };
    Ok(MultiValue::from_iter([
        Value::Number(entry.ttl().as_secs_f64()),
        Value::Nil,
        value_of(lua, &entry)?,
    ]))
}

/// `self, key, value, ttl`: true, or nil and why.
fn safe_set(
    _: &Lua,
    (_, key, value, ttl): (Value, Value, Value, Value),
) -> Result<(Option<bool>, Option<String>), Raise> {
    let key = key_of(&key)?;
    let bytes = match &value {
        Value::Nil => None,
        value => match codec::write(value) {
            Ok(bytes) => Some(bytes),
            Err(why) => return Ok((None, Some(why.to_string()))),
        },
    };
    let ttl = super::number(&ttl).map_or(Duration::ZERO, super::seconds);
    let entry = Entry::new(bytes, ttl);
    super::reach()?
        .stores
        .cache
        .put(&super::owner(), &key, entry);
    Ok((Some(true), None))
}
