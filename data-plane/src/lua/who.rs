//! Who the client is, as plugins see it: tables of the consumer and the credential.

use lua::Stored;
use lua::mlua::{self, Lua, Table};
use uuid::Uuid;

/// The tables of one request, each for whom it is of; that of another who was found later does not count.
#[derive(Default)]
pub struct Who {
    consumer: Option<(Option<Uuid>, Stored)>,
    credential: Option<(Option<Uuid>, Stored)>,
}

impl Who {
    /// The table of this consumer; that of one whom no document describes has no id.
    pub fn consumer(&self, lua: &Lua, id: Option<Uuid>) -> Option<Table> {
        of(lua, &self.consumer, id)
    }

    /// The same for the credential.
    pub fn credential(&self, lua: &Lua, id: Option<Uuid>) -> Option<Table> {
        of(lua, &self.credential, id)
    }

    /// Keeps a consumer's table.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn set_consumer(
        &mut self,
        lua: &Lua,
        id: Option<Uuid>,
        table: Option<&Table>,
    ) -> mlua::Result<()> {
        self.consumer = stored(lua, id, table)?;
        Ok(())
    }

    /// Keeps a credential's table.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn set_credential(
        &mut self,
        lua: &Lua,
        id: Option<Uuid>,
        table: Option<&Table>,
    ) -> mlua::Result<()> {
        self.credential = stored(lua, id, table)?;
        Ok(())
    }
}

type Place = Option<(Option<Uuid>, Stored)>;

fn of(lua: &Lua, place: &Place, id: Option<Uuid>) -> Option<Table> {
    let (of, table) = place.as_ref()?;
    (*of == id).then(|| table.get(lua))?
}

fn stored(lua: &Lua, id: Option<Uuid>, table: Option<&Table>) -> mlua::Result<Place> {
    let stored = table.map(|table| Stored::new(lua, table)).transpose()?;
    Ok(stored.map(|stored| (id, stored)))
}
