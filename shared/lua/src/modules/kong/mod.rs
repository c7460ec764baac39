//! The `kong.tools` and their neighbours. What needs Rust is here.

#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use mlua::{Lua, LuaString, Result, Table, Value};

use crate::limits::{TOO_LONG, overrun};
use crate::native::{self, Raise};

/// The longest text that comes out of gzip: a few bytes could stand for all memory.
const LONGEST_INFLATED: usize = 16 << 20;

/// How much is coded between two looks at the clock.
const CHUNK: usize = 64 << 10;

type Answer<T> = std::result::Result<T, Raise>;

pub(super) fn natives(lua: &Lua) -> Result<Value> {
    let natives: Table = lua.create_table()?;
    natives.raw_set(
        "validate_utf8",
        native::function(lua, |_, text: LuaString| {
            let bytes = text.as_bytes();
            Ok(match std::str::from_utf8(&bytes) {
                Ok(_) => (true, None),
                Err(error) => (false, Some(error.valid_up_to() as f64 + 1.0)),
            })
        })?,
    )?;
    natives.raw_set(
        "ip",
        native::function(lua, |_, text: LuaString| {
            let text = text.to_string_lossy();
            Ok(match ip(&text) {
                Some((address, prefix)) => {
                    let kind = if address.is_ipv4() { "ipv4" } else { "ipv6" };
                    (Some(kind), prefix.map(f64::from), Some(spelled(address)))
                }
                None => (None, None, None),
            })
        })?,
    )?;
    natives.raw_set(
        "time_ns",
        native::function(lua, |_, ()| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            Ok(since.unwrap_or_default().as_nanos() as f64)
        })?,
    )?;
    natives.raw_set(
        "days",
        native::function(lua, |_, (year, month, day): (f64, f64, f64)| {
            Ok(days(year, month, day))
        })?,
    )?;
    natives.raw_set("deflate_gzip", native::function(lua, deflate)?)?;
    natives.raw_set("inflate_gzip", native::function(lua, inflate)?)?;
    Ok(Value::Table(natives))
}

/// An address, and the length of its prefix if one is given.
pub(in crate::modules) fn ip(text: &str) -> Option<(IpAddr, Option<u8>)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|prefix| *prefix <= most)?)
        }
        Some(_) => return None,
        None => None,
    };
    Some((address, prefix))
}

/// As Kong has it: every group of an IPv6 address, with four digits.
fn spelled(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let groups = address.segments().map(|group| format!("{group:04x}"));
            groups.join(":")
        }
    }
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: f64, month: f64, day: f64) -> f64 {
    // The year begins in March, so that the odd day is its last.
    let shifted = if month <= 2.0 { year - 1.0 } else { year };
    let era = (shifted / 400.0).floor();
    let of_era = shifted - era * 400.0;
    let month = (month + 9.0) % 12.0;
    let of_year = ((153.0 * month + 2.0) / 5.0).floor() + day - 1.0;
    let of_era = of_era * 365.0 + (of_era / 4.0).floor() - (of_era / 100.0).floor() + of_year;
    era * 146_097.0 + of_era - 719_468.0
}

fn deflate(lua: &Lua, text: LuaString) -> Answer<Value> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for chunk in text.as_bytes().chunks(CHUNK) {
        let written = encoder.write_all(chunk);
        written.map_err(|error| Raise::Text(error.to_string()))?;
        if overrun() {
            return Err(TOO_LONG.into());
        }
    }
    let bytes = encoder.finish();
    let bytes = bytes.map_err(|error| Raise::Text(error.to_string()))?;
    Ok(Value::String(lua.create_string(bytes)?))
}

/// The text, or nil and what is wrong.
fn inflate(lua: &Lua, text: LuaString) -> Answer<(Value, Option<String>)> {
    let bytes = text.as_bytes();
    let mut decoder = MultiGzDecoder::new(&bytes[..]);
    let mut out = Vec::new();
    loop {
        let chunk = (&mut decoder).take(CHUNK as u64).read_to_end(&mut out);
        match chunk {
            Ok(0) => return Ok((Value::String(lua.create_string(out)?), None)),
            Ok(_) if overrun() => return Err(TOO_LONG.into()),
            Ok(_) if out.len() > LONGEST_INFLATED => {
                let said = format!("longer than {LONGEST_INFLATED} bytes");
                return Ok((Value::Nil, Some(said)));
            }
            Ok(_) => {}
            Err(error) => return Ok((Value::Nil, Some(error.to_string()))),
        }
    }
}
