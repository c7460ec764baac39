//! `kong.client`: where the request came from, and from whom (custom-plugins.md 3.1, 3.2).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use lua::Raise;
use lua::mlua::{self, Lua, Table, Value};
use lua::pdk::Host;
use shared::entities::Consumer;
use uuid::Uuid;

use super::documents;
use crate::lua::call;
use crate::proxy::ctx::{Credential, Ctx};

/// What documents of credentials are called.
const CREDENTIALS: [&str; 4] = [
    "keyauth_credentials",
    "basicauth_credentials",
    "hmacauth_credentials",
    "jwt_secrets",
];

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.client.get_ip", |_, ()| Ok(peer()?.0.ip().to_string()))?;
    host.function("kong.client.get_port", |_, ()| Ok(peer()?.0.port()))?;
    host.function("kong.client.get_forwarded_ip", |_, ()| {
        Ok(peer()?.1.to_string())
    })?;
    host.function("kong.client.get_forwarded_port", |_, ()| {
        // An address out of a header comes without a port.
        let (peer, client) = peer()?;
        Ok((client == peer.ip()).then_some(peer.port()))
    })?;
    host.function("kong.client.get_protocol", |_, terminated: Value| {
        let terminated = !matches!(terminated, Value::Nil | Value::Boolean(false));
        call::with_request(|ctx| Ok(protocol(ctx, terminated)))
    })?;
    who(host)
}

/// The other end of the connection, and who is said to be behind it; in a handshake nobody says anything yet.
fn peer() -> Result<(SocketAddr, IpAddr), Raise> {
    call::with(|call| {
        if let Some(hello) = &call.hello {
            let ip = hello.peer.ip().to_canonical();
            return Ok((SocketAddr::new(ip, hello.peer.port()), ip));
        }
        let ctx = call.request()?;
        Ok((ctx.conn.peer, ctx.client_ip()))
    })
}

type Answer<T> = (Option<T>, Option<&'static str>);

/// The protocol of a route that has one, else what the client speaks; with `terminated`, to a trusted peer that took off
/// the TLS.
fn protocol(ctx: &Ctx, terminated: bool) -> Answer<String> {
    let Some(entry) = ctx.entry(&ctx.runtime) else {
        return (None, Some("No active route found"));
    };
    if let [only] = entry.route.protocols.as_slice() {
        return (Some(only.as_str().to_owned()), None);
    }
    let mut https = ctx.conn.tls;
    if !https && terminated && ctx.conn.trusted {
        let mut told = ctx.request.headers.get_all("x-forwarded-proto").iter();
        https = told
            .next()
            .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
        if told.next().is_some() {
            return (None, Some("Only one X-Forwarded-Proto header allowed"));
        }
    }
    (Some(if https { "https" } else { "http" }.to_owned()), None)
}

fn who(host: &mut Host<'_>) -> mlua::Result<()> {
    host.function("kong.client.get_consumer", |lua: &Lua, ()| {
        call::with_request(|ctx| consumer(lua, ctx))
    })?;
    host.function("kong.client.get_credential", |lua: &Lua, ()| {
        call::with_request(|ctx| credential(lua, ctx))
    })?;
    host.function("kong.client.get_consumer_groups", |lua: &Lua, ()| {
        call::with_request(|ctx| consumer_groups(lua, ctx))
    })?;
    host.function(
        "kong.client.authenticate",
        |lua: &Lua, (consumer, credential): (Value, Value)| {
            let table = |value, refusal: &'static str| match value {
                Value::Nil => Ok(None),
                Value::Table(table) => Ok(Some(table)),
                _ => Err(Raise::from(refusal)),
            };
            let consumer = table(consumer, "consumer must be a table or nil")?;
            let credential = table(credential, "credential must be a table or nil")?;
            if consumer.is_none() && credential.is_none() {
                return Err("either credential or consumer must be provided".into());
            }
            call::with_request(|ctx| authenticate(lua, ctx, consumer, credential))
        },
    )?;
    host.function(
        "kong.client.load_consumer",
        |lua: &Lua, (id, by_username): (Value, Value)| {
            let Value::String(text) = id else {
                return Err("consumer_id must be a string".into());
            };
            let text = text.to_string_lossy();
            let by_username = !matches!(by_username, Value::Nil | Value::Boolean(false));
            let id = Uuid::parse_str(&text).ok();
            if id.is_none() && !by_username {
                return Err("cannot load a consumer with an id that is not a uuid".into());
            }
            call::with_request(|ctx| {
                let by_id = id.and_then(|id| ctx.runtime.consumer(&id));
                let named = || {
                    ctx.runtime
                        .consumer_by_username(&text)
                        .filter(|_| by_username)
                };
                match by_id.or_else(named) {
                    Some(found) => {
                        documents::table(lua, &ctx.runtime, "consumers", &found.id.uuid())
                    }
                    None => Ok(None),
                }
            })
        },
    )
}

/// The table of who the client is: the same one for as long as it is the same consumer.
pub(super) fn consumer(lua: &Lua, ctx: &mut Ctx) -> Result<Option<Table>, Raise> {
    let id = ctx.consumer.as_ref().map(|consumer| consumer.id.uuid());
    let known = ctx.lua.as_ref().and_then(|kept| kept.who.consumer(lua, id));
    let (Some(found), None) = (id, &known) else {
        return Ok(known);
    };
    let table = documents::table(lua, &ctx.runtime, "consumers", &found)?;
    let kept = ctx.lua.get_or_insert_default();
    kept.who.set_consumer(lua, id, table.as_ref())?;
    Ok(table)
}

/// The table of what the client proved it with.
pub(super) fn credential(lua: &Lua, ctx: &mut Ctx) -> Result<Option<Table>, Raise> {
    let id = ctx.credential.as_ref().map(|credential| credential.id);
    let known = ctx
        .lua
        .as_ref()
        .and_then(|kept| kept.who.credential(lua, id));
    let (Some(found), None) = (id, &known) else {
        return Ok(known);
    };
    let mut table = None;
    for kind in CREDENTIALS {
        table = documents::table(lua, &ctx.runtime, kind, &found)?;
        if table.is_some() {
            break;
        }
    }
    let kept = ctx.lua.get_or_insert_default();
    kept.who.set_credential(lua, id, table.as_ref())?;
    Ok(table)
}

/// The groups that the consumer is a member of, by their names; nil without a consumer or a group.
fn consumer_groups(lua: &Lua, ctx: &mut Ctx) -> Result<Option<Table>, Raise> {
    let Some(consumer) = &ctx.consumer else {
        return Ok(None);
    };
    let mut groups: Vec<_> = ctx.runtime.model.groups_of(&consumer.id.uuid()).collect();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    let list = lua.create_table()?;
    for group in &groups {
        let table = documents::table(lua, &ctx.runtime, "consumer_groups", &group.id.uuid())?;
        list.raw_push(table)?;
    }
    Ok((!groups.is_empty()).then_some(list))
}

/// A member that is a text.
fn text(table: &Table, name: &str) -> Option<String> {
    match table.raw_get(name) {
        Ok(Value::String(text)) => Some(text.to_string_lossy()),
        _ => None,
    }
}

fn id(table: &Table) -> Option<Uuid> {
    Uuid::parse_str(&text(table, "id")?).ok()
}

/// Says who the client is, for the plugins that follow and for the logs.
fn authenticate(
    lua: &Lua,
    ctx: &mut Ctx,
    consumer: Option<Table>,
    credential: Option<Table>,
) -> Result<(), Raise> {
    ctx.consumer = consumer.as_ref().and_then(|table| {
        let id = id(table)?;
        ctx.runtime
            .consumer(&id)
            .cloned()
            .or_else(|| made(table, id))
    });
    ctx.credential = credential.as_ref().map(|table| {
        let id = id(table).unwrap_or_default();
        let named = ["username", "key"]
            .iter()
            .find_map(|name| text(table, name));
        Credential {
            id,
            identifier: named.unwrap_or_else(|| id.to_string()),
        }
    });
    let consumer_id = ctx.consumer.as_ref().map(|consumer| consumer.id.uuid());
    let credential_id = ctx.credential.as_ref().map(|credential| credential.id);
    let kept = ctx.lua.get_or_insert_default();
    kept.who.set_consumer(lua, consumer_id, consumer.as_ref())?;
    kept.who
        .set_credential(lua, credential_id, credential.as_ref())?;
    Ok(())
}

/// A consumer that no document describes.
fn made(table: &Table, id: Uuid) -> Option<Arc<Consumer>> {
    let document = serde_json::json!({
        "id": id,
        "username": text(table, "username"),
        "custom_id": text(table, "custom_id"),
    });
    serde_json::from_value(document).ok().map(Arc::new)
}
