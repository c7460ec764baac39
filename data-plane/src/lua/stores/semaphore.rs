//! `ngx.semaphore`: one plugin's coroutines of one worker wait for each other.

use std::cell::Cell;
use std::time::Duration;

use lua::mlua::{self, AnyUserData, Lua, Table, UserData, Value};
use lua::{Raise, function, waiting_function};
use tokio::sync::Semaphore;

/// What Lua holds.
struct Held {
    resources: std::rc::Rc<Semaphore>,
    waiting: std::rc::Rc<Cell<u32>>,
}

impl UserData for Held {}

/// One who waits, for as long as that lasts.
struct Waiting(std::rc::Rc<Cell<u32>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Lets a machine's `ngx.semaphore` wait.
pub(super) fn provide(lua: &Lua) {
    lua::modules::provide(lua, "ngx.semaphore", |lua| Ok(Value::Table(natives(lua)?)));
}

fn natives(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let new = |lua: &Lua, count: f64| {
        let held = Held {
            resources: std::rc::Rc::new(Semaphore::new(room(count, 0))),
            waiting: std::rc::Rc::default(),
        };
        Ok(lua.create_userdata(held)?)
    };
    table.set("new", function(lua, new)?)?;
    let post = |_: &Lua, (held, count): (AnyUserData, f64)| {
        let held = held.borrow::<Held>()?;
        let there = held.resources.available_permits();
        held.resources.add_permits(room(count, there));
        Ok(true)
    };
    table.set("post", function(lua, post)?)?;
    let count = |_: &Lua, held: AnyUserData| {
        let held = held.borrow::<Held>()?;
        let there = held.resources.available_permits() as f64;
        Ok(there - f64::from(held.waiting.get()))
    };
    table.set("count", function(lua, count)?)?;
    let wait = |_: Lua, (held, seconds): (AnyUserData, f64)| async move {
        let (resources, waiting) = {
            let held = held.borrow::<Held>()?;
            (held.resources.clone(), held.waiting.clone())
        };
        if let Ok(one) = resources.try_acquire() {
            one.forget();
            return Ok((Some(true), None));
        }
        let phase = lua::pdk::phase();
        if seconds <= 0.0 {
            return Ok((None, Some("timeout")));
        } else if !phase.waits() {
            let context = phase.context();
            return Err(Raise::Text(format!(
                "API disabled in the context of {context}"
            )));
        }
        waiting.set(waiting.get() + 1);
        let _waiting = Waiting(waiting);
        let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        match tokio::time::timeout(limit, resources.acquire()).await {
            Ok(Ok(one)) => {
                one.forget();
                Ok((Some(true), None))
            }
            _ => Ok((None, Some("timeout"))),
        }
    };
    table.set("wait", waiting_function(lua, wait)?)?;
    Ok(table)
}

/// As many more as there may be.
fn room(count: f64, there: usize) -> usize {
    (count as usize).min(Semaphore::MAX_PERMITS - there)
}
