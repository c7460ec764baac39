//! What Lua keeps of one request: the tables that its plugins fill (custom-plugins.md 3.1, `kong.ctx`; 4, `ngx.ctx`), the
//! bodies they hold back, the answers they write piece by piece.

use std::rc::Rc;

use bytes::Bytes;
use http::StatusCode;
use lua::State;
use lua::mlua::{self, Lua, Table, Value};
use smallvec::SmallVec;
use uuid::Uuid;

/// What is kept of one request. Made when it is asked for, gone with the request.
#[derive(Default)]
pub struct Kept {
    /// The machine that its tables belong to.
    machine: Option<Rc<State>>,
    shared: Option<Table>,
    ngx: Option<Table>,
    plugins: SmallVec<[(Uuid, Table); 2]>,
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
    /// Whether a plugin has asked for the request's body, and the body if it fitted.
    pub body_asked: bool,
    /// See [`Kept::body_asked`].
    pub read_body: Option<Bytes>,
    /// Who the client is.
    pub who: super::who::Who,
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
    /// Whether the plugin has ended it early: what still comes is dropped.
    pub ended: bool,
}

/// One member of the document of `kong.log.serialize`.
#[derive(Clone, Debug)]
pub struct Serialized {
    /// Its dotted name.
    pub key: String,
    /// What it is to be; nil takes it away.
    pub value: Value,
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
    /// A call of this machine begins or ends. Tables of another one, which was replaced since, are of no use any more: no
    /// machine takes them.
    pub fn belongs_to(&mut self, state: &Rc<State>) {
        match &self.machine {
            Some(machine) if Rc::ptr_eq(machine, state) => {}
            None => self.machine = Some(state.clone()),
            Some(_) => {
                let old = std::mem::take(self);
                *self = Self {
                    machine: Some(state.clone()),
                    bodies: old.bodies,
                    status: old.status,
                    output: old.output,
                    uri: old.uri,
                    variables: old.variables,
                    body_asked: old.body_asked,
                    read_body: old.read_body,
                    ..Self::default()
                };
            }
        }
    }

    /// `kong.ctx.shared`: one for all plugins.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn shared(&mut self, lua: &Lua) -> mlua::Result<Table> {
        match &self.shared {
            Some(table) => Ok(table.clone()),
            None => Ok(self.shared.insert(lua.create_table()?).clone()),
        }
    }

    /// `ngx.ctx`, if it has been asked for.
    pub fn ngx(&self) -> Option<&Table> {
        self.ngx.as_ref()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_a_machine_that_was_replaced_are_forgotten() {
        let machine = || Rc::new(State::new(&lua::Options::default()).expect("a state"));
        let (old, new) = (machine(), machine());
        let mut kept = Kept::default();
        kept.belongs_to(&old);
        let shared = kept.shared(old.lua()).expect("memory");
        shared.raw_set("a", 1).expect("memory");
        kept.body_asked = true;
        kept.belongs_to(&old);
        assert!(
            kept.shared(old.lua())
                .expect("memory")
                .contains_key("a")
                .expect("a table")
        );
        kept.belongs_to(&new);
        let shared = kept.shared(new.lua()).expect("memory");
        assert!(!shared.contains_key("a").expect("a table"));
        new.lua()
            .globals()
            .set("mine", shared)
            .expect("it is this machine's");
        assert!(kept.body_asked);
    }
}
