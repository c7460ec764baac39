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
        drop(held);
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

#[cfg(test)]
mod tests {
    use lua::pdk::Phase;

    use super::*;
    use crate::lua::outbound::tests::local;
    use crate::lua::outbound::tests::lua::run;

    #[tokio::test]
    async fn who_waits_is_woken_in_turn() {
        local(async {
            let state = crate::lua::worker::state().expect("a state");
            // Names that trusted code sees, so that several handlers have the same one.
            let (globals, native) = (state.lua().globals(), natives(state.lua()).expect("memory"));
            let new: lua::mlua::Function = native.get("new").expect("it is there");
            let held: AnyUserData = new.call(0).expect("a semaphore");
            globals.set("native", native).expect("memory");
            globals.set("held", held).expect("memory");
            let wait = || run(Phase::Access, true, "return native.wait(held, 5)");
            let post = run(
                Phase::Access,
                true,
                "local waiting = native.count(held) native.post(held, 2) return waiting",
            );
            let (one, other, late, waiting) = tokio::join!(
                wait(),
                wait(),
                run(Phase::Access, true, "return native.wait(held, 0.05)"),
                post,
            );
            assert_eq!(waiting, "-3");
            assert_eq!((one.as_str(), other.as_str()), ("true nil", "true nil"));
            assert_eq!(late, "nil timeout", "there were two");
            let count = run(Phase::Access, true, "return native.count(held)").await;
            assert_eq!(count, "0");
        })
        .await;
    }
}
