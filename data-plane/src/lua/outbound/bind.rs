//! What `resty.http`, whose face is written in Lua, is given: functions over an [`Outbound`]. What fails because of the
//! other side is answered as nil and a text; arguments of a wrong type are raised.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue};
use hyper::ext::ReasonPhrase;
use lua::mlua::{
    self, AnyUserData, FromLuaMulti, Function, Lua, LuaString, MultiValue, Table, UserData, Value,
};
use lua::{Raise, function, waiting_function};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::request::Field;
use super::words::CLOSED;
use super::{
    Caller, Connection, Destination, Draft, Keep, Kept, OutRequest, Outbound, Proxy, Timeouts,
    TlsTerms,
};
use crate::lua::call;
use crate::plugins::transform::lua_number;

/// Lets a machine's `resty.http` call out, for the plugin of the current call and by the thread's [`Outbound`].
pub fn provide(lua: &Lua) {
    lua::modules::provide(lua, "resty.http", |lua| {
        Ok(Value::Table(natives(lua, Rc::new(of_current_call))?))
    });
}

/// Who calls out now and by what; or why nobody may.
pub type Way = Rc<dyn Fn() -> Result<(Caller, Rc<Outbound>), Raise>>;

pub(super) fn of_current_call() -> Result<(Caller, Rc<Outbound>), Raise> {
    let phase = lua::pdk::phase();
    if !phase.waits() {
        return Err(format!("API disabled in the context of {}", phase.context()).into());
    }
    let caller = call::with(|call| {
        Ok(Caller {
            plugin: call.plugin.name.clone(),
            trusted: call.plugin.trusted,
        })
    })?;
    let outbound = super::current().ok_or("no service can be called here")?;
    Ok((caller, outbound))
}

/// The functions, in a table:
///
/// | name | takes | answers |
/// |---|---|---|
/// | `send` | a request | status, reason, headers, whether there may be a body, body |
/// | `connect` | a destination | a connection |
/// | `secure` | connection, name, whether to verify, milliseconds | true |
/// | `request` | connection, a request | status, reason, headers, whether there may be a body |
/// | `piece` | connection, most bytes, milliseconds | text; nil at the end |
/// | `rest` | connection, milliseconds | text |
/// | `trailers` | connection | a table |
/// | `reused` | connection | a number |
/// | `keep` | connection, milliseconds, size | 1; 2 and why it is closed; nil and why |
/// | `close` | connection | 1 |
///
/// Those that wait answer nil and a text where they fail.
///
/// # Errors
/// When there is no memory.
pub fn natives(lua: &Lua, way: Way) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("send", send(lua, &way)?)?;
    table.set("connect", connect(lua, &way)?)?;
    type Secure = (LuaString, bool, Option<f64>);
    let secure = async |lua: &Lua, on: On<'_>, (name, verify, time): Secure| {
        let terms = TlsTerms {
            server_name: name.to_string_lossy(),
            verify,
        };
        drop(name);
        let timeouts = Timeouts {
            connect: pause(time),
            ..Timeouts::default()
        };
        let secured = on.outbound.secure(on.connection, terms, &timeouts).await;
        answered(lua, secured.map(|()| Value::Boolean(true)))
    };
    table.set("secure", step(lua, &way, secure)?)?;
    let request = async |lua: &Lua, on: On<'_>, fields: Table| {
        let (draft, timeouts) = (draft(&fields)?, timeouts(&fields)?);
        drop(fields);
        match on.connection.request(&draft, &timeouts).await {
            Ok(answer) => Ok(head(lua, &answer.parts, answer.has_body)?),
            Err(why) => answered(lua, Err(why.words)),
        }
    };
    table.set("request", step(lua, &way, request)?)?;
    type Piece = (f64, Option<f64>);
    let piece = async |lua: &Lua, on: On<'_>, (most, time): Piece| {
        let piece = on.connection.piece(most as usize, &reading(time)).await;
        match piece {
            Ok(Some(piece)) => answered(lua, Ok(Value::String(lua.create_string(&piece)?))),
            Ok(None) => answered(lua, Ok(Value::Nil)),
            Err(words) => answered(lua, Err(words)),
        }
    };
    table.set("piece", step(lua, &way, piece)?)?;
    let rest = async |lua: &Lua, on: On<'_>, time: Option<f64>| match on
        .connection
        .whole_body(&reading(time))
        .await
    {
        Ok(body) => answered(lua, Ok(Value::String(lua.create_string(&body)?))),
        Err(words) => answered(lua, Err(words)),
    };
    table.set("rest", step(lua, &way, rest)?)?;
    let trailers = |lua: &Lua, held: AnyUserData| {
        let held = held.borrow::<Held>()?;
        let connection = held.0.borrow();
        let none = HeaderMap::new();
        let trailers = connection.as_ref().map_or(&none, Connection::trailers);
        Ok(headers(lua, trailers)?)
    };
    table.set("trailers", function(lua, trailers)?)?;
    let reused = |_: &Lua, held: AnyUserData| {
        let held = held.borrow::<Held>()?;
        let connection = held.0.borrow();
        Ok(connection
            .as_ref()
            .map(|connection| connection.reused() as f64))
    };
    table.set("reused", function(lua, reused)?)?;
    let keep = move |_: &Lua, (held, time, size): (AnyUserData, Option<f64>, Option<f64>)| {
        let (_, outbound) = way()?;
        let connection = held.borrow::<Held>()?.0.take();
        let kept = connection.map_or(Kept::Closed, |c| outbound.keep(c, keeping(time, size)));
        Ok(match kept {
            Kept::Yes => (Some(1), None),
            Kept::Closed => (Some(2), Some("connection must be closed")),
            Kept::Unread => (None, Some("unread data in buffer")),
        })
    };
    table.set("keep", function(lua, keep)?)?;
    let close = |_: &Lua, held: AnyUserData| Ok(held.borrow::<Held>()?.0.take().map(|_| 1));
    table.set("close", function(lua, close)?)?;
    Ok(table)
}

fn send(lua: &Lua, way: &Way) -> mlua::Result<Function> {
    let way = way.clone();
    waiting_function(lua, move |lua: Lua, fields: Table| {
        let asked = way().and_then(|way| Ok((way, request(&fields)?)));
        async move {
            let ((caller, outbound), request) = asked?;
            match outbound.send(&caller, request).await {
                Ok(answer) => {
                    let mut values = head(&lua, &answer.head, answer.has_body)?;
                    values.push_back(Value::String(lua.create_string(&answer.body)?));
                    Ok(values)
                }
                Err(words) => answered(&lua, Err(words)),
            }
        }
    })
}

fn connect(lua: &Lua, way: &Way) -> mlua::Result<Function> {
    let way = way.clone();
    waiting_function(lua, move |lua: Lua, fields: Table| {
        let asked = way().and_then(|way| Ok((way, destination(&fields)?, timeouts(&fields)?)));
        async move {
            let ((caller, outbound), to, timeouts) = asked?;
            match outbound.connect(&caller, &to, &timeouts).await {
                Ok(connection) => {
                    let held =
                        lua.create_userdata(Held(Rc::new(RefCell::new(Some(connection)))))?;
                    answered(&lua, Ok(Value::UserData(held)))
                }
                Err(words) => answered(&lua, Err(words)),
            }
        }
    })
}

/// A connection in a plugin's hands; nothing once it is closed, and while something waits on it.
struct Held(Rc<RefCell<Option<Connection>>>);

impl UserData for Held {}

/// What a step works on.
struct On<'a> {
    connection: &'a mut Connection,
    outbound: &'a Outbound,
}

/// A function that waits on a connection. While it does nobody else finds the connection; given up, it is closed.
fn step<A: FromLuaMulti + 'static>(
    lua: &Lua,
    way: &Way,
    run: impl AsyncFn(&Lua, On<'_>, A) -> Result<MultiValue, Raise> + 'static,
) -> mlua::Result<Function> {
    let (way, run) = (way.clone(), Rc::new(run));
    waiting_function(lua, move |lua: Lua, (held, asked): (AnyUserData, A)| {
        let (way, run) = (way(), run.clone());
        let place = held.borrow::<Held>().map(|held| held.0.clone());
        async move {
            let ((_, outbound), place) = (way?, place?);
            let Some(mut connection) = place.take() else {
                return answered(&lua, Err(CLOSED.to_owned()));
            };
            let on = On {
                connection: &mut connection,
                outbound: &outbound,
            };
            let answer = run(&lua, on, asked).await;
            place.replace(Some(connection));
            answer
        }
    })
}

/// A value, or nil and a text.
pub(super) fn answered(lua: &Lua, answer: Result<Value, String>) -> Result<MultiValue, Raise> {
    Ok(match answer {
        Ok(value) => MultiValue::from_iter([value]),
        Err(words) => MultiValue::from_iter([Value::Nil, Value::String(lua.create_string(words)?)]),
    })
}

/// Status, reason, headers, whether there may be a body.
fn head(lua: &Lua, parts: &Parts, has_body: bool) -> mlua::Result<MultiValue> {
    let reason = parts.extensions.get::<ReasonPhrase>();
    let usual = || {
        parts
            .status
            .canonical_reason()
            .unwrap_or_default()
            .as_bytes()
    };
    let reason = reason.map_or_else(usual, ReasonPhrase::as_bytes);
    Ok(MultiValue::from_iter([
        Value::Integer(parts.status.as_u16().into()),
        Value::String(lua.create_string(reason)?),
        Value::Table(headers(lua, &parts.headers)?),
        Value::Boolean(has_body),
    ]))
}

/// By their names with capitals, `Content-Type`, as most services send them; what comes several times is a list.
fn headers(lua: &Lua, headers: &HeaderMap) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, headers.keys_len())?;
    for name in headers.keys() {
        let mut values = headers.get_all(name).iter();
        let text = |value: &HeaderValue| lua.create_string(value.as_bytes()).map(Value::String);
        let first = values.next().map_or(Ok(Value::Nil), text)?;
        let value = match values.next() {
            None => first,
            Some(second) => {
                let list = lua.create_sequence_from([first, text(second)?])?;
                for value in values {
                    list.raw_push(text(value)?)?;
                }
                Value::Table(list)
            }
        };
        table.raw_set(capitals(name.as_str()), value)?;
    }
    Ok(table)
}

fn capitals(name: &str) -> String {
    let mut begins = true;
    let capital = |c: char| {
        let begun = std::mem::replace(&mut begins, c == '-');
        if begun { c.to_ascii_uppercase() } else { c }
    };
    name.chars().map(capital).collect()
}

fn request(fields: &Table) -> Result<OutRequest, Raise> {
    let keep = !matches!(fields.raw_get("keepalive")?, Value::Boolean(false));
    let (time, size) = (
        number(fields, "keepalive_timeout")?,
        number(fields, "keepalive_pool")?,
    );
    Ok(OutRequest {
        to: destination(fields)?,
        draft: draft(fields)?,
        timeouts: timeouts(fields)?,
        keep: keep.then(|| keeping(time, size)),
    })
}

fn destination(fields: &Table) -> Result<Destination, Raise> {
    let host = words(fields, "host")?.unwrap_or_default();
    let port = |name| -> Result<u16, Raise> {
        let port = number(fields, name)?.unwrap_or_default();
        // As OpenResty's `tcpsock:connect`.
        match port.fract() == 0.0 && (0.0..=65535.0).contains(&port) {
            true => Ok(port as u16),
            false => Err(format!("bad port number: {port}").into()),
        }
    };
    let tls = match words(fields, "scheme")?.as_deref() {
        Some("https") => Some(TlsTerms {
            server_name: words(fields, "ssl_server_name")?.unwrap_or_else(|| host.clone()),
            verify: !matches!(fields.raw_get("ssl_verify")?, Value::Boolean(false)),
        }),
        _ => None,
    };
    let proxy = match words(fields, "proxy_host")? {
        Some(host) => Some(Proxy {
            host,
            port: port("proxy_port")?,
            authorization: text(fields, "proxy_authorization")?,
        }),
        None => None,
    };
    Ok(Destination {
        port: port("port")?,
        pool: words(fields, "pool")?,
        host,
        tls,
        proxy,
    })
}

fn draft(fields: &Table) -> Result<Draft, Raise> {
    Ok(Draft {
        method: text(fields, "method")?.unwrap_or_else(|| b"GET".to_vec()),
        path: text(fields, "path")?.unwrap_or_default(),
        query: match fields.raw_get("query")? {
            Value::Table(arguments) => query(&arguments)?,
            _ => text(fields, "query")?.unwrap_or_default(),
        },
        old: number(fields, "version")? == Some(1.0),
        headers: match fields.raw_get("headers")? {
            Value::Nil => Vec::new(),
            Value::Table(headers) => pairs(&headers)?,
            other => return Err(wrong("headers", "table", &other)),
        },
        body: text(fields, "body")?.map(Bytes::from),
    })
}

fn pairs(headers: &Table) -> Result<Vec<Field>, Raise> {
    let mut all = Vec::new();
    for pair in headers.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let name = plain(&name).ok_or_else(|| wrong("header name", "string", &name))?;
        match value {
            Value::Table(list) => {
                for value in list.sequence_values::<Value>() {
                    let value = value?;
                    let text = plain(&value).ok_or_else(|| wrong("header", "string", &value))?;
                    all.push((name.clone(), text));
                }
            }
            value => {
                let text = plain(&value).ok_or_else(|| wrong("header", "string", &value))?;
                all.push((name, text));
            }
        }
    }
    Ok(all)
}

/// What `ngx.escape_uri` lets stand.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// As `ngx.encode_args`: true is a name alone, false nothing, a list the name several times.
fn query(arguments: &Table) -> Result<Vec<u8>, Raise> {
    let mut out = String::new();
    for pair in arguments.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let name = plain(&name).ok_or_else(|| wrong("query", "string", &name))?;
        match value {
            Value::Table(list) => {
                for value in list.sequence_values::<Value>() {
                    argument(&name, &value?, &mut out)?;
                }
            }
            value => argument(&name, &value, &mut out)?,
        }
    }
    Ok(out.into_bytes())
}

fn argument(name: &[u8], value: &Value, out: &mut String) -> Result<(), Raise> {
    if matches!(value, Value::Boolean(false)) {
        return Ok(());
    }
    if !out.is_empty() {
        out.push('&');
    }
    out.extend(percent_encode(name, UNRESERVED));
    if !matches!(value, Value::Boolean(true)) {
        let text = plain(value).ok_or_else(|| wrong("query", "string", value))?;
        out.push('=');
        out.extend(percent_encode(&text, UNRESERVED));
    }
    Ok(())
}

fn timeouts(fields: &Table) -> Result<Timeouts, Raise> {
    Ok(Timeouts {
        connect: pause(number(fields, "connect_timeout")?),
        send: pause(number(fields, "send_timeout")?),
        read: pause(number(fields, "read_timeout")?),
    })
}

fn reading(milliseconds: Option<f64>) -> Timeouts {
    Timeouts {
        read: pause(milliseconds),
        ..Timeouts::default()
    }
}

/// The longest time that is told apart from for ever: over thirty years.
const LONGEST: f64 = 1e12;

/// A timeout: nothing, and 0, are the usual one.
pub(super) fn pause(milliseconds: Option<f64>) -> Duration {
    match milliseconds {
        Some(time) if time > 0.0 => Duration::from_secs_f64(time.min(LONGEST) / 1000.0),
        _ => Timeouts::default().read,
    }
}

/// How a connection is kept: nothing is the usual, a time of 0 for ever.
pub(super) fn keeping(milliseconds: Option<f64>, size: Option<f64>) -> Keep {
    let usual = Keep::default();
    Keep {
        timeout: match milliseconds {
            None => usual.timeout,
            Some(time) if time > 0.0 => Some(pause(milliseconds)),
            Some(_) => None,
        },
        size: size.map_or(usual.size, |size| size as usize),
    }
}

/// Texts, and what Lua makes texts of.
fn plain(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        Value::Number(number) => Some(lua_number::print(*number).into_bytes()),
        Value::Boolean(flag) => Some(flag.to_string().into_bytes()),
        _ => None,
    }
}

fn text(fields: &Table, name: &str) -> Result<Option<Vec<u8>>, Raise> {
    let value = fields.raw_get::<Value>(name)?;
    match value {
        Value::Nil => Ok(None),
        value => match plain(&value) {
            Some(text) => Ok(Some(text)),
            None => Err(wrong(name, "string", &value)),
        },
    }
}

fn words(fields: &Table, name: &str) -> Result<Option<String>, Raise> {
    let text = text(fields, name)?;
    Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

fn number(fields: &Table, name: &str) -> Result<Option<f64>, Raise> {
    match fields.raw_get::<Value>(name)? {
        Value::Nil => Ok(None),
        Value::Integer(number) => Ok(Some(number as f64)),
        Value::Number(number) => Ok(Some(number)),
        other => Err(wrong(name, "number", &other)),
    }
}

fn wrong(name: &str, expected: &str, got: &Value) -> Raise {
    let got = got.type_name();
    format!("bad {name} ({expected} expected, got {got})").into()
}
