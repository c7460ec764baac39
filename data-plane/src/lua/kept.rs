//! What Lua keeps of one request: the tables that its plugins fill (custom-plugins.md 3.1, `kong.ctx`; 4, `ngx.ctx`).

use lua::mlua::{self, Lua, Table};
use uuid::Uuid;

/// The tables of one request. Made when they are asked for, gone with the request.
#[derive(Default)]
pub struct Kept {
    shared: Option<Table>,
    ngx: Option<Table>,
    plugins: Vec<(Uuid, Table)>,
}

impl Kept {
    /// `kong.ctx.shared`: one for all plugins.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn shared(&mut self, lua: &Lua) -> mlua::Result<Table> {
        of(&mut self.shared, lua)
    }

    /// `ngx.ctx`.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn ngx(&mut self, lua: &Lua) -> mlua::Result<Table> {
        of(&mut self.ngx, lua)
    }

    /// `ngx.ctx = table`.
    pub fn set_ngx(&mut self, table: Table) {
        self.ngx = Some(table);
    }

    /// `kong.ctx.plugin`: one for each configuration.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn plugin(&mut self, lua: &Lua, id: Uuid) -> mlua::Result<Table> {
        if let Some((_, table)) = self.plugins.iter().find(|(of, _)| *of == id) {
            return Ok(table.clone());
        }
        let table = lua.create_table()?;
        self.plugins.push((id, table.clone()));
        Ok(table)
    }
}

fn of(place: &mut Option<Table>, lua: &Lua) -> mlua::Result<Table> {
    match place {
        Some(table) => Ok(table.clone()),
        None => Ok(place.insert(lua.create_table()?).clone()),
    }
}
