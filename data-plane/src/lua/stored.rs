//! Values of Lua that Rust keeps for longer than a call. A machine has room for some 7,990 references of Rust's, and panics
//! when a value of one machine is given to another. So they lie in a table of their machine, of which Rust knows the place.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lua::mlua::{self, FromLua, IntoLua, Lua, Table, Value, WeakLua};

/// A value that stays until this is dropped.
pub struct Stored {
    shelf: Rc<Shelf>,
    place: usize,
}

/// Where the values of one machine lie.
struct Shelf {
    lua: WeakLua,
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

    /// The value; none if it is of another machine, which this one has replaced.
    pub fn get<V: FromLua>(&self, lua: &Lua) -> Option<V> {
        let here = Shelf::of(lua).ok()?;
        let same = Rc::ptr_eq(&here, &self.shelf);
        same.then(|| self.shelf.values.raw_get(self.place).ok())?
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
