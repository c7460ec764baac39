//! What Lua keeps of one request: the tables that its plugins fill (custom-plugins.md 3.1, `kong.ctx`; 4, `ngx.ctx`), the
//! bodies they hold back, the answers they write piece by piece.

use bytes::Bytes;
use http::StatusCode;
use lua::Stored;
use lua::mlua::{self, Lua, Table};
use smallvec::SmallVec;
use uuid::Uuid;

/// What is kept of one request. Made when it is asked for, gone with the request.
#[derive(Default)]
pub struct Kept {
    shared: Option<Stored>,
    ngx: Option<Stored>,
    plugins: SmallVec<[(Uuid, Stored); 2]>,
    bodies: SmallVec<[(Uuid, Body); 1]>,
    /// The status that a plugin wants of an answer that it writes piece by piece.
    pub status: Option<StatusCode>,
    /// That answer.
    pub output: Output,
    /// What plugins add to the document of `kong.log.serialize`, in order.
    pub serialized: Vec<Serialized>,
    /// The path that `ngx.var.uri` tells, if a plugin has set one.
    pub uri: Option<Vec<u8>>,
    /// What says where the request goes after a target has failed it.
    pub retry: Option<super::retry::Callback>,
    /// Variables of nginx that a plugin has set and that lead nowhere here.
    pub variables: Vec<(&'static str, Vec<u8>)>,
    /// The request's body, while plugins read it.
    pub reading: super::reading::Reading,
    /// Whether a plugin has asked for the request's body, and the body if it fitted.
    pub body_asked: bool,
    /// See [`Kept::body_asked`].
    pub read_body: Option<Bytes>,
    /// Who the client is.
    pub who: super::who::Who,
    /// What a plugin says of the client's certificate.
    pub client_verify: Option<String>,
    /// The sockets that its plugins have opened.
    pub sockets: super::outbound::socket::Owned,
}

/// An answer that a plugin writes piece by piece: `ngx.say` and its like.
#[derive(Debug, Default)]
pub struct Output {
    /// Its body so far.
    pub bytes: Vec<u8>,
    /// Whether its head counts as sent.
    pub begun: bool,
    /// Whether nothing more may be written.
    pub ended: bool,
}

/// The body of an answer, as one plugin sees it.
#[derive(Debug, Default)]
pub struct Body {
    /// What the plugin holds back of it.
    pub withheld: Vec<u8>,
    /// Whether the body is too long to be held back.
    pub is_passing: bool,
    /// Whether the plugin has ended it early: what still comes is dropped.
    pub ended: bool,
}

/// One member of the document of `kong.log.serialize`.
pub struct Serialized {
    /// Its dotted name.
    pub key: String,
    /// What it is to be; nil takes it away.
    pub value: Stored,
    /// When it is set.
    pub mode: Mode,
}

/// When a member is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In any case.
    Set,
    /// If there is none.
    Add,
    /// If there is one.
    Replace,
}

impl Kept {
    /// `kong.ctx.shared`: one for all plugins.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn shared(&mut self, lua: &Lua) -> mlua::Result<Table> {
        table(lua, &mut self.shared)
    }

    /// `ngx.ctx`, if it has been asked for.
    pub fn ngx(&self, lua: &Lua) -> Option<Table> {
        self.ngx.as_ref()?.get(lua)
    }

    /// `ngx.ctx = table`.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn set_ngx(&mut self, lua: &Lua, table: Table) -> mlua::Result<()> {
        self.ngx = Some(Stored::new(lua, table)?);
        Ok(())
    }

    /// `kong.ctx.plugin`: one for each configuration.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn plugin(&mut self, lua: &Lua, id: Uuid) -> mlua::Result<Table> {
        let known = self.plugins.iter().position(|(of, _)| *of == id);
        let mut stored = known.map(|place| self.plugins.swap_remove(place).1);
        let table = table(lua, &mut stored)?;
        self.plugins.extend(stored.map(|stored| (id, stored)));
        Ok(table)
    }

    /// The body of the answer as a configuration sees it.
    pub fn body(&mut self, id: Uuid) -> &mut Body {
        let known = self.bodies.iter().position(|(of, _)| *of == id);
        let place = known.unwrap_or_else(|| {
            self.bodies.push((id, Body::default()));
            self.bodies.len() - 1
        });
        &mut self.bodies[place].1
    }

    /// Whether a configuration has ended the body early.
    pub fn has_ended(&self, id: Uuid) -> bool {
        self.bodies.iter().any(|(of, body)| *of == id && body.ended)
    }
}

/// What is stored, or a new table: also when the machine that had it was replaced.
fn table(lua: &Lua, place: &mut Option<Stored>) -> mlua::Result<Table> {
    if let Some(table) = place.as_ref().and_then(|stored| stored.get(lua)) {
        return Ok(table);
    }
    let table = lua.create_table()?;
    *place = Some(Stored::new(lua, &table)?);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_was_replaced_takes_its_tables_along() {
        let (old, new) = (Lua::new(), Lua::new());
        let mut kept = Kept::default();
        let id = Uuid::from_u128(1);
        let tables = |kept: &mut Kept, lua: &Lua| {
            let plugin = kept.plugin(lua, id).expect("memory");
            [kept.shared(lua).expect("memory"), plugin]
        };
        for table in tables(&mut kept, &old) {
            table.raw_set("a", 1).expect("memory");
        }
        kept.set_ngx(&old, old.create_table().expect("memory"))
            .expect("memory");
        for table in tables(&mut kept, &old) {
            assert_eq!(table.raw_get::<u8>("a").expect("a number"), 1);
        }
        for table in tables(&mut kept, &new) {
            assert!(table.is_empty());
            new.globals().set("t", table).expect("one of its own");
        }
        assert!(kept.ngx(&new).is_none());
    }
}
