//! Values of Lua that Rust keeps for longer than a moment. LuaJIT gives mlua room for some 7,990 references in one machine,
//! whatever they are for; so what is kept for a configuration, a timer, a light thread or a call that waits lies in a table of
//! its machine, of which Rust knows the place, and is fetched when it is needed.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::ptr;
use std::rc::Rc;

use mlua::state::RawLua;
use mlua::{FromLua, IntoLua, Lua, MultiValue, Table, Value, WeakLua, ffi};

/// A value that stays until this is dropped, which empties its place.
///
/// It must not lie in what Lua's collector drops, such as userdata and functions of Lua's: it would change a table amid a
/// collection.
pub struct Stored {
    shelf: Rc<Shelf>,
    place: usize,
}

/// Where the values of one machine lie.
struct Shelf {
    lua: WeakLua,
    /// The same, to compare with. No other has the address while there is `lua`.
    raw: *const RawLua,
    values: Table,
    /// Places that were given back.
    free: RefCell<Vec<usize>>,
    /// The last place that was ever taken.
    last: Cell<usize>,
}

impl Stored {
    /// Keeps a value of this machine.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(lua: &Lua, value: impl IntoLua) -> mlua::Result<Self> {
        let shelf = Shelf::of(lua)?;
        let free = shelf.free.borrow_mut().pop();
        let place = free.unwrap_or_else(|| {
            shelf.last.set(shelf.last.get() + 1);
            shelf.last.get()
        });
        // Made first, so that a place that cannot be filled is given back.
        let stored = Self { shelf, place };
        stored.shelf.values.raw_set(place, value)?;
        Ok(stored)
    }

    /// Keeps several values, nil among them, to be fetched with [`Stored::list`].
    ///
    /// # Errors
    /// When there is no memory.
    pub fn of_list(lua: &Lua, values: MultiValue) -> mlua::Result<Self> {
        let list = lua.create_table_with_capacity(values.len(), 1)?;
        list.raw_set("n", values.len())?;
        for (at, value) in values.into_iter().enumerate() {
            list.raw_set(at + 1, value)?;
        }
        Self::new(lua, list)
    }

    /// The value; none if it is of another machine, which this one has replaced.
    pub fn get<V: FromLua>(&self, lua: &Lua) -> Option<V> {
        let here = self.shelf.lua == lua.weak();
        here.then(|| self.shelf.values.raw_get(self.place).ok())?
    }

    /// The values of [`Stored::of_list`]; none if they are of another machine.
    pub fn list(&self, lua: &Lua) -> Option<MultiValue> {
        let list: Table = self.get(lua)?;
        let count: usize = list.raw_get("n").ok()?;
        let values = (1..=count).map(|at| list.raw_get::<Value>(at).ok());
        values.collect()
    }
}

/// The value as an argument or a result, without a reference; nil if it is of another machine.
impl IntoLua for &Stored {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        Ok(self.get(lua).unwrap_or(Value::Nil))
    }

    unsafe fn push_into_stack(self, lua: &RawLua) -> mlua::Result<()> {
        let state = lua.state();
        let place = c_int::try_from(self.place).ok();
        let place = place.filter(|_| ptr::eq(lua, self.shelf.raw));
        // SAFETY: there is room for two values, of which one stays. To read a table as it lies raises nothing.
        unsafe {
            if ffi::lua_checkstack(state, 2) == 0 {
                return Err(mlua::Error::StackError);
            }
            match place {
                Some(place) => {
                    lua.push(&self.shelf.values)?;
                    ffi::lua_rawgeti(state, -1, place.into());
                    ffi::lua_remove(state, -2);
                }
                None => ffi::lua_pushnil(state),
            }
        }
        Ok(())
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        // The machine may be gone, and its values with it.
        if self.shelf.lua.try_upgrade().is_some() {
            let _ = self.shelf.values.raw_set(self.place, Value::Nil);
        }
        self.shelf.free.borrow_mut().push(self.place);
    }
}

impl Shelf {
    fn of(lua: &Lua) -> mlua::Result<Rc<Self>> {
        if let Some(shelf) = lua.app_data_ref::<Rc<Self>>() {
            return Ok(shelf.clone());
        }
        let shelf = Rc::new(Self {
            lua: lua.weak(),
            raw: lua.exec_raw_lua(ptr::from_ref),
            values: lua.create_table()?,
            free: RefCell::default(),
            last: Cell::default(),
        });
        lua.set_app_data(shelf.clone());
        Ok(shelf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_kept_than_there_are_references() {
        let lua = Lua::new();
        let all: Vec<Stored> = (0..20_000)
            .map(|n| {
                let table = lua.create_table().expect("memory");
                table.raw_set("n", n).expect("memory");
                Stored::new(&lua, table).expect("memory")
            })
            .collect();
        for (n, stored) in all.iter().enumerate() {
            let table: Table = stored.get(&lua).expect("it is kept");
            assert_eq!(table.raw_get::<usize>("n").expect("a number"), n);
        }
        drop(all);
        let one = Stored::new(&lua, 1).expect("memory");
        assert!(one.place <= 20_000, "places are used again");
    }

    #[test]
    fn a_list_keeps_its_holes_and_its_length() {
        let lua = Lua::new();
        let text = lua.create_string("text").expect("memory");
        for values in [
            vec![],
            vec![Value::Nil],
            vec![
                Value::Nil,
                Value::Integer(1),
                Value::Nil,
                Value::String(text),
                Value::Nil,
            ],
        ] {
            let given = values.iter().cloned().collect();
            let stored = Stored::of_list(&lua, given).expect("memory");
            let list = stored.list(&lua).expect("it is kept");
            assert_eq!(list.into_iter().collect::<Vec<_>>(), values);
        }
    }

    #[test]
    fn what_is_dropped_can_be_collected() {
        let lua = Lua::new();
        let gone = Rc::new(());
        let value = lua.create_any_userdata(gone.clone()).expect("memory");
        let stored = Stored::new(&lua, value).expect("memory");
        lua.gc_collect().expect("no finalizer fails");
        assert_eq!(Rc::strong_count(&gone), 2);
        drop(stored);
        lua.gc_collect().expect("no finalizer fails");
        assert_eq!(Rc::strong_count(&gone), 1);
    }

    #[test]
    fn another_machine_has_none_of_it() {
        let (one, other) = (Lua::new(), Lua::new());
        let stored = Stored::new(&one, "text").expect("memory");
        assert_eq!(stored.get::<String>(&one).as_deref(), Some("text"));
        assert_eq!(stored.get::<String>(&other), None);
        drop(one);
        assert_eq!(stored.get::<String>(&other), None);
        drop(stored);
    }
}
