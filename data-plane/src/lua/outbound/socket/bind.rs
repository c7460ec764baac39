//! `ngx.socket` as Lua calls it: functions over [`Socket`] and [`Datagrams`]; the methods around them are `socket.lua`.

use std::cell::Cell;
use std::rc::Rc;

use lua::mlua::{
    self, AnyUserData, FromLuaMulti, Function, Lua, LuaString, MultiValue, Table, UserData, Value,
};
use lua::pdk::Host;
use lua::{Raise, function, waiting_function};

use super::read::{Short, Want};
use super::udp::Datagrams;
use super::{Closes, Place, Socket};
use crate::lua::call;
use crate::lua::ngx::output;
use crate::lua::outbound::bind::{Way, answered, keeping, of_current_call, pause};
use crate::lua::outbound::{Timeouts, words::CLOSED};

/// Gives `ngx.socket` to a machine.
///
/// # Errors
/// When there is no memory.
pub fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    let natives = natives(host.lua(), Rc::new(of_current_call))?;
    let faces = host.lua().load(include_str!("socket.lua"));
    let faces: Table = faces.set_name("=ngx.socket").call(natives)?;
    let tcp: Function = faces.get("tcp")?;
    for name in ["ngx.socket.tcp", "ngx.socket.stream"] {
        let tcp = tcp.clone();
        host.function(name, move |_, _: MultiValue| Ok(tcp.call::<Value>(())?))?;
    }
    let udp: Function = faces.get("udp")?;
    host.function("ngx.socket.udp", move |_, _: MultiValue| {
        Ok(udp.call::<Value>(())?)
    })?;
    host.written("ngx.socket.connect", faces.get("connect")?);
    Ok(())
}

/// A socket in a plugin's hands.
struct Held<S>(Rc<S>);

impl<S: 'static> UserData for Held<S> {}

/// The functions, in a table. Those that wait answer nil and a text where they fail.
fn natives(lua: &Lua, way: Way) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    stream(lua, &table, way.clone())?;
    datagrams(lua, &table, way)?;
    Ok(table)
}

fn stream(lua: &Lua, table: &Table, way: Way) -> mlua::Result<()> {
    let new = move |lua: &Lua, ()| {
        let (caller, outbound) = way()?;
        opened(lua, Socket::new(outbound, caller))
    };
    table.set("tcp", function(lua, new)?)?;
    type Place = (Value, Value, Option<LuaString>, Option<f64>);
    let connect = async |_: &Lua, socket: &Socket, (host, port, pool, size): Place| {
        let place = place(&host, &port)?;
        drop((host, port));
        let pool = pool.map(|name| name.to_string_lossy());
        let size = size.map(|size| size as usize);
        let connected = socket.connect(place, pool, size).await;
        Ok(connected.map(|()| Value::Integer(1)))
    };
    table.set("connect", step(lua, connect)?)?;
    let secure = async |_: &Lua, socket: &Socket, (name, verify): (Option<LuaString>, bool)| {
        let name = name.map(|name| name.to_string_lossy());
        let secured = socket.secure(name, verify).await;
        Ok(secured.map(|()| Value::Boolean(true)))
    };
    table.set("secure", step(lua, secure)?)?;
    let send = async |lua: &Lua, socket: &Socket, data: Value| {
        let text = flat(lua, &data)?;
        drop(data);
        let sent = socket.send(&text).await;
        Ok(sent.map(|()| Value::Number(text.len() as f64)))
    };
    table.set("send", step(lua, send)?)?;
    let shut = async |_: &Lua, socket: &Socket, ()| {
        let ended = socket.end().await;
        Ok(ended.map(|()| Value::Integer(1)))
    };
    table.set("shutdown", step(lua, shut)?)?;
    receiving(lua, table)?;
    let timeouts = |_: &Lua, (held, connect, send, read): (AnyUserData, Time, Time, Time)| {
        held.borrow::<Held<Socket>>()?.0.set_timeouts(Timeouts {
            connect: pause(connect),
            send: pause(send),
            read: pause(read),
        });
        Ok(())
    };
    table.set("timeouts", function(lua, timeouts)?)?;
    let keep = |lua: &Lua, (held, time, size): (AnyUserData, Time, Option<f64>)| {
        let socket = &held.borrow::<Held<Socket>>()?.0;
        let kept = socket.keep(keeping(time, size), size.is_some());
        answered(lua, kept.map(|()| Value::Integer(1)))
    };
    table.set("keep", function(lua, keep)?)?;
    let reused = |lua: &Lua, held: AnyUserData| {
        let times = held.borrow::<Held<Socket>>()?.0.reused();
        let times = times.map(|times| Value::Number(times as f64));
        answered(lua, times.ok_or_else(|| CLOSED.to_owned()))
    };
    table.set("reused", function(lua, reused)?)?;
    let close = |lua: &Lua, held: AnyUserData| {
        let closed = held.borrow::<Held<Socket>>()?.0.close();
        answered(lua, closed.and_then(closed_now))
    };
    table.set("close", function(lua, close)?)?;
    let option = |lua: &Lua, (held, name, value): (AnyUserData, LuaString, Option<f64>)| {
        let socket = &held.borrow::<Held<Socket>>()?.0;
        answered(lua, option(socket, &name.to_string_lossy(), value))
    };
    table.set("option", function(lua, option)?)
}

/// Milliseconds.
type Time = Option<f64>;

fn closed_now(was_open: bool) -> Result<Value, String> {
    match was_open {
        true => Ok(Value::Integer(1)),
        false => Err(CLOSED.to_owned()),
    }
}

/// What waits for the other side's bytes.
fn receiving(lua: &Lua, table: &Table) -> mlua::Result<()> {
    async fn received(
        lua: &Lua,
        socket: &Socket,
        want: &Want,
    ) -> mlua::Result<(
        Option<LuaString>,
        Option<String>,
        Option<LuaString>,
        Option<f64>,
    )> {
        Ok(match socket.receive(want).await {
            Ok(got) => {
                let left = got.left.map(|left| left as f64);
                (Some(lua.create_string(&got.data)?), None, None, left)
            }
            Err(Short { words, partial }) => {
                (None, Some(words), Some(lua.create_string(&partial)?), None)
            }
        })
    }
    let receive = |lua: Lua, (held, what, size): (AnyUserData, String, f64)| {
        let socket = socket_of(&held);
        async move {
            let socket = socket?;
            let want = match what.as_str() {
                "line" => Want::Line,
                "all" => Want::All,
                "any" => Want::Any(size as usize),
                _ => Want::Bytes(size as usize),
            };
            Ok(received(&lua, &socket, &want).await?)
        }
    };
    table.set("receive", waiting_function(lua, receive)?)?;
    type Until = (AnyUserData, LuaString, bool, Option<f64>, Option<f64>);
    let until = |lua: Lua, (held, mark, inclusive, most, left): Until| {
        let socket = socket_of(&held);
        let want = Want::Until {
            mark: mark.as_bytes().to_vec(),
            inclusive,
            most: most.map(|most| most as usize),
            left: left.map(|left| left as usize),
        };
        async move { Ok(received(&lua, &*socket?, &want).await?) }
    };
    table.set("until", waiting_function(lua, until)?)
}

fn datagrams(lua: &Lua, table: &Table, way: Way) -> mlua::Result<()> {
    let new = move |lua: &Lua, ()| {
        let (caller, outbound) = way()?;
        opened(lua, Datagrams::new(outbound, caller))
    };
    table.set("udp", function(lua, new)?)?;
    let peer = async |_: &Lua, socket: &Datagrams, (host, port): (Value, Value)| {
        let place = place(&host, &port)?;
        drop((host, port));
        let connected = socket.set_peer(place).await;
        Ok(connected.map(|()| Value::Integer(1)))
    };
    table.set("peer", step(lua, peer)?)?;
    let send = async |lua: &Lua, socket: &Datagrams, data: Value| {
        let text = flat(lua, &data)?;
        drop(data);
        let sent = socket.send(&text).await;
        Ok(sent.map(|()| Value::Integer(1)))
    };
    table.set("send_datagram", step(lua, send)?)?;
    let receive = async |lua: &Lua, socket: &Datagrams, most: f64| {
        Ok(match socket.receive(most as usize).await {
            Ok(datagram) => Ok(Value::String(lua.create_string(datagram)?)),
            Err(words) => Err(words),
        })
    };
    table.set("receive_datagram", step(lua, receive)?)?;
    let timeout = |_: &Lua, (held, time): (AnyUserData, Time)| {
        let time = pause(time);
        held.borrow::<Held<Datagrams>>()?.0.set_timeouts(Timeouts {
            connect: time,
            send: time,
            read: time,
        });
        Ok(())
    };
    table.set("timeout", function(lua, timeout)?)?;
    let close = |lua: &Lua, held: AnyUserData| {
        let closed = held.borrow::<Held<Datagrams>>()?.0.close();
        answered(lua, closed_now(closed))
    };
    table.set("close_datagrams", function(lua, close)?)
}

/// For Lua, and to be closed with the request or timer that runs.
fn opened<S: Closes + 'static>(lua: &Lua, socket: S) -> Result<AnyUserData, Raise> {
    let socket = Rc::new(socket);
    let weak = Rc::downgrade(&socket);
    call::with(|call| {
        call.sockets().add(weak);
        Ok(())
    })?;
    Ok(lua.create_userdata(Held(socket))?)
}

fn socket_of<S: 'static>(held: &AnyUserData) -> Result<Rc<S>, Raise> {
    let phase = lua::pdk::phase();
    if !phase.waits() {
        return Err(format!("API disabled in the context of {}", phase.context()).into());
    }
    Ok(held.borrow::<Held<S>>()?.0.clone())
}

/// A function that waits on a socket.
fn step<S: 'static, A: FromLuaMulti + 'static>(
    lua: &Lua,
    run: impl AsyncFn(&Lua, &S, A) -> Result<Result<Value, String>, Raise> + 'static,
) -> mlua::Result<Function> {
    let run = Rc::new(run);
    waiting_function(lua, move |lua: Lua, (held, asked): (AnyUserData, A)| {
        let (socket, run) = (socket_of::<S>(&held), run.clone());
        drop(held);
        async move {
            let answer = run(&lua, &*socket?, asked).await?;
            answered(&lua, answer)
        }
    })
}

/// `connect("unix:/path")`, or host and port.
fn place(host: &Value, port: &Value) -> Result<Place, Raise> {
    let host = match host {
        Value::String(host) => host.to_string_lossy(),
        Value::Integer(_) | Value::Number(_) => host.to_string()?,
        other => {
            let got = other.type_name();
            return Err(
                format!("bad argument #1 to 'connect' (string expected, got {got})").into(),
            );
        }
    };
    if let Some(path) = host.strip_prefix("unix:") {
        return Ok(Place::Path(path.to_owned()));
    }
    let number = match port {
        Value::String(text) => text.to_string_lossy().trim().parse().ok(),
        other => crate::lua::pdk::number(other),
    };
    let Some(number) = number else {
        let got = match port {
            Value::Nil => "no value",
            other => other.type_name(),
        };
        return Err(format!("bad argument #2 to 'connect' (number expected, got {got})").into());
    };
    match number.fract() == 0.0 && (0.0..=65535.0).contains(&number) {
        true => Ok(Place::Host(host, number as u16)),
        false => Err(format!("bad port number: {number}").into()),
    }
}

/// A text, or a list of texts and lists, as one.
fn flat(lua: &Lua, data: &Value) -> Result<Vec<u8>, Raise> {
    let mut text = Vec::new();
    output::push(lua, &mut text, data).map_err(|kind| {
        format!(
            "bad argument #1 to 'send' (string, number, boolean, nil, or array table expected, got {kind})"
        )
    })?;
    Ok(text)
}

/// Reads an option, or sets it.
fn option(socket: &Socket, name: &str, value: Option<f64>) -> Result<Value, String> {
    let said = Cell::new(false);
    let done = socket.with_system(|system| {
        let flag = value.map(|value| value != 0.0);
        let size = value.map(|value| value.max(0.0) as usize);
        let number = |flag: bool| Value::Integer(flag.into());
        let one = |()| Value::Integer(1);
        match (name, value) {
            ("keepalive", None) => system.keepalive().map(number),
            ("keepalive", _) => system.set_keepalive(flag == Some(true)).map(one),
            ("reuseaddr", None) => system.reuse_address().map(number),
            ("reuseaddr", _) => system.set_reuse_address(flag == Some(true)).map(one),
            ("tcp-nodelay", None) => system.tcp_nodelay().map(number),
            ("tcp-nodelay", _) => system.set_tcp_nodelay(flag == Some(true)).map(one),
            ("sndbuf", None) => system.send_buffer_size().map(size_value),
            ("sndbuf", _) => system.set_send_buffer_size(size.unwrap_or(0)).map(one),
            ("rcvbuf", None) => system.recv_buffer_size().map(size_value),
            ("rcvbuf", _) => system.set_recv_buffer_size(size.unwrap_or(0)).map(one),
            _ => {
                said.set(true);
                Ok(Value::Nil)
            }
        }
    });
    if said.get() {
        return Err(format!("unsupported option {name}"));
    }
    let done = done.ok_or_else(|| CLOSED.to_owned())?;
    done.map_err(|error| super::words::of_io(&error))
}

fn size_value(size: usize) -> Value {
    Value::Number(size as f64)
}
