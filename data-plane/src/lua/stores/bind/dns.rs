//! `kong.dns`: what names lead to, by the node's resolver (custom-plugins.md 3.2).

use std::net::IpAddr;

use lua::Raise;
use lua::mlua::{self, Lua, MultiValue, Table, Value};
use lua::pdk::Host;
use tokio::time::Instant;

use crate::carried::dns::{Dns, DnsError, Holds, Place};

/// Types of records.
const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// What Kong says of an address, or of a name in the hosts file: ten years.
const LONG: f64 = 10.0 * 365.0 * 24.0 * 60.0 * 60.0;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.waiting(
        "kong.dns.resolve",
        |lua, (name, _): (Value, MultiValue)| async move {
            let name = name_of(name)?;
            let (found, holds) = places(&super::reach()?.dns, &name).await;
            let list = match found {
                Ok(places) => lua.create_sequence_from(
                    places
                        .iter()
                        .map(|place| record(&lua, &name, place, holds))
                        .collect::<mlua::Result<Vec<_>>>()?,
                )?,
                Err(error) => return failed(&lua, &error),
            };
            Ok(MultiValue::from_iter([Value::Table(list)]))
        },
    )?;
    host.waiting(
        "kong.dns.toip",
        |lua, (name, port, _): (Value, Value, MultiValue)| async move {
            let name = name_of(name)?;
            let port = match &port {
                Value::Nil => None,
                port => {
                    let number = super::number(port).filter(|n| (0.0..=65535.0).contains(n));
                    Some(number.ok_or("port must be a number between 0 and 65535")? as u16)
                }
            };
            match super::reach()?.dns.resolve(&name, port.unwrap_or(0)).await {
                Ok(addresses) => {
                    let address = addresses.first();
                    let ip = lua.create_string(address.ip().to_string())?;
                    let port = match (address.port(), port) {
                        (0, None) => Value::Nil,
                        (port, _) => Value::Integer(port.into()),
                    };
                    Ok(MultiValue::from_iter([Value::String(ip), port]))
                }
                Err(error) => failed(&lua, &error),
            }
        },
    )
}

fn name_of(name: Value) -> Result<String, Raise> {
    match name {
        Value::String(name) => Ok(name.to_string_lossy()),
        _ => Err("name must be a string".into()),
    }
}

async fn places(dns: &Dns, name: &str) -> (Result<Vec<Place>, DnsError>, Holds) {
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(name).parse::<IpAddr>() {
        let place = Place {
            ip,
            port: None,
            weight: None,
            name: None,
        };
        return (Ok(vec![place]), Holds::ForEver);
    }
    dns.places(name).await
}

/// As Kong's resolver words it.
fn failed(lua: &Lua, error: &DnsError) -> Result<MultiValue, Raise> {
    let words = match error {
        DnsError::NotFound => "dns server error: 3 name error".to_owned(),
        DnsError::Failed { reason, .. } => format!("dns server error: {reason}"),
    };
    let words = Value::String(lua.create_string(words)?);
    Ok(MultiValue::from_iter([Value::Nil, words]))
}

fn record(lua: &Lua, name: &str, place: &Place, holds: Holds) -> mlua::Result<Table> {
    let record = lua.create_table()?;
    let kind = match (place.weight, place.ip) {
        (Some(_), _) => SRV,
        (None, IpAddr::V4(_)) => A,
        (None, IpAddr::V6(_)) => AAAA,
    };
    record.raw_set("name", name)?;
    record.raw_set("type", kind)?;
    record.raw_set("class", 1)?;
    let ttl = match holds {
        Holds::ForEver => LONG,
        Holds::Once => 0.0,
        Holds::Until(at) => {
            let left = at.saturating_duration_since(Instant::now());
            left.as_secs_f64().ceil()
        }
    };
    record.raw_set("ttl", ttl)?;
    let address = place.ip.to_string();
    match kind {
        SRV => {
            record.raw_set("target", address)?;
            record.raw_set("port", place.port.unwrap_or(0))?;
            record.raw_set("weight", place.weight)?;
            record.raw_set("priority", 1)?;
        }
        _ => record.raw_set("address", address)?,
    }
    Ok(record)
}
