//! The `resty.*` modules: what needs Rust is here, the Lua around it in files of their names.

mod asymmetric;
mod digest;
mod ipmatcher;
pub mod openssl;
#[cfg(test)]
mod tests;

use aws_lc_rs::rand;
use mlua::{Lua, Result, Table, Value};

use super::ngx::encoding::{hex, lenient};
use crate::native::{self, Raise};

pub(super) use asymmetric::natives as signatures;
pub(super) use digest::natives as digests;
pub(super) use ipmatcher::natives as nets;
pub(super) use openssl::natives as keys;

/// The longest run of random bytes that may be asked for at once.
const LONGEST_RANDOM: usize = 1 << 20;

/// Random bytes, fit for keys.
pub(super) fn random(count: usize) -> std::result::Result<Vec<u8>, Raise> {
    if count > LONGEST_RANDOM {
        return Err(format!("no more than {LONGEST_RANDOM} random bytes, got {count}").into());
    }
    let mut bytes = vec![0; count];
    rand::fill(&mut bytes).map_err(|_| Raise::from("no random bytes"))?;
    Ok(bytes)
}

/// `resty.string`.
pub(super) fn string(lua: &Lua) -> Result<Table> {
    let module = lua.create_table()?;
    for name in ["to_hex", "str_to_hex"] {
        let to_hex = native::function(lua, |lua, text: Value| {
            Ok(hex(&lenient(lua, &text)?.as_bytes()))
        })?;
        module.raw_set(name, to_hex)?;
    }
    let atoi = native::function(lua, |lua, text: Value| {
        let text = lenient(lua, &text)?;
        let bytes = text.as_bytes();
        let number = bytes.iter().try_fold(0f64, |number, byte| {
            byte.is_ascii_digit()
                .then(|| number * 10.0 + f64::from(byte - b'0'))
        });
        Ok(match number {
            Some(number) if !bytes.is_empty() => number,
            _ => -1.0,
        })
    })?;
    module.raw_set("atoi", atoi)?;
    Ok(module)
}

/// `resty.random`.
pub(super) fn random_module(lua: &Lua) -> Result<Table> {
    let module = lua.create_table()?;
    let bytes = native::function(lua, |lua, (count, _strong): (f64, Value)| {
        Ok(lua.create_string(random(count.max(0.0) as usize)?)?)
    })?;
    module.raw_set("bytes", bytes)?;
    Ok(module)
}

/// For files that draw random bytes: a function of how many.
pub(super) fn random_native(lua: &Lua) -> Result<Value> {
    let bytes = native::function(lua, |lua, count: f64| {
        Ok(lua.create_string(random(count.max(0.0) as usize)?)?)
    })?;
    Ok(Value::Function(bytes))
}
