//! Who the client is, as plugins see it: tables of the consumer and the credential.

use lua::mlua::Table;
use uuid::Uuid;

/// The tables of one request, each for whom it is of; that of another who was found later does not count.
#[derive(Debug, Default)]
pub struct Who {
    consumer: Option<(Option<Uuid>, Table)>,
    credential: Option<(Option<Uuid>, Table)>,
}

impl Who {
    /// The table of this consumer; that of one whom no document describes has no id.
    pub fn consumer(&self, id: Option<Uuid>) -> Option<Table> {
        of(&self.consumer, id)
    }

    /// The same for the credential.
    pub fn credential(&self, id: Option<Uuid>) -> Option<Table> {
        of(&self.credential, id)
    }

    /// Keeps a consumer's table.
    pub fn set_consumer(&mut self, id: Option<Uuid>, table: Option<Table>) {
        self.consumer = table.map(|table| (id, table));
    }

    /// Keeps a credential's table.
    pub fn set_credential(&mut self, id: Option<Uuid>, table: Option<Table>) {
        self.credential = table.map(|table| (id, table));
    }
}

fn of(place: &Option<(Option<Uuid>, Table)>, id: Option<Uuid>) -> Option<Table> {
    let (of, table) = place.as_ref()?;
    (*of == id).then(|| table.clone())
}
