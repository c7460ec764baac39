//! Ranges of addresses, for `resty.ipmatcher`.

use std::net::IpAddr;

use mlua::{AnyUserData, Lua, LuaString, Result, Table, Value};

use crate::modules::kong::ip;
use crate::native;

/// The first address of a range, and how many of its bits count.
struct Net {
    first: IpAddr,
    bits: u8,
}

impl Net {
    fn parse(text: &str) -> Option<Self> {
        let (first, bits) = ip(text)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        Some(Self {
            first,
            bits: bits.unwrap_or(most),
        })
    }

    fn contains(&self, address: IpAddr) -> bool {
        // A shift by all bits leaves nothing, which is equal.
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differ = first.to_bits() ^ address.to_bits();
                differ.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differ = first.to_bits() ^ address.to_bits();
                differ.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The place of the first range that the address is in, 0 if it is in none.
fn place(nets: &AnyUserData, address: IpAddr) -> Result<usize> {
    let nets = nets.borrow::<Vec<Net>>()?;
    let place = nets.iter().position(|net| net.contains(address));
    Ok(place.map_or(0, |place| place + 1))
}

/// `nets(list)`: ranges, or nil and the text that is none; `within(nets, text)` and `within_bytes(nets, bytes)`: a place,
/// 0 for none, nil for what is no address; `kind(text)`, `number(text)`.
pub(in crate::modules) fn natives(lua: &Lua) -> Result<Value> {
    let natives: Table = lua.create_table()?;
    natives.raw_set(
        "nets",
        native::function(lua, |lua, texts: Vec<String>| {
            let mut nets = Vec::with_capacity(texts.len());
            for text in texts {
                match Net::parse(&text) {
                    Some(net) => nets.push(net),
                    None => return Ok((Value::Nil, Some(text))),
                }
            }
            Ok((Value::UserData(lua.create_any_userdata(nets)?), None))
        })?,
    )?;
    natives.raw_set(
        "within",
        native::function(lua, |_, (nets, text): (AnyUserData, LuaString)| {
            let address = text.to_string_lossy().parse().ok();
            Ok(address.map(|address| place(&nets, address)).transpose()?)
        })?,
    )?;
    natives.raw_set(
        "within_bytes",
        native::function(lua, |_, (nets, bytes): (AnyUserData, LuaString)| {
            let bytes = bytes.as_bytes();
            let address = match bytes.len() {
                4 => <[u8; 4]>::try_from(&bytes[..]).ok().map(IpAddr::from),
                16 => <[u8; 16]>::try_from(&bytes[..]).ok().map(IpAddr::from),
                _ => None,
            };
            Ok(address.map(|address| place(&nets, address)).transpose()?)
        })?,
    )?;
    natives.raw_set(
        "kind",
        native::function(lua, |_, text: LuaString| {
            let address: Option<IpAddr> = text.to_string_lossy().parse().ok();
            Ok(address.map(|address| if address.is_ipv4() { "ipv4" } else { "ipv6" }))
        })?,
    )?;
    natives.raw_set(
        "number",
        native::function(lua, |_, text: LuaString| {
            let address: Option<std::net::Ipv4Addr> = text.to_string_lossy().parse().ok();
            Ok(address.map(|address| f64::from(address.to_bits())))
        })?,
    )?;
    Ok(Value::Table(natives))
}
