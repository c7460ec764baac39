//! The client's body while a plugin reads it: taken out of the request, as nothing of a request may be held over a wait, and
//! brought back in any case. Of several light threads that read it one does, and the others wait for it.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use lua::Raise;
use tokio::sync::Mutex;

use super::call;
use crate::proxy::body::{BodyError, RequestBody};
use crate::proxy::ctx::Ctx;

/// Where the body of one request is read.
#[derive(Clone, Default)]
pub struct Reading(Rc<Place>);

#[derive(Default)]
struct Place {
    turn: Mutex<()>,
    /// What somebody has read of, or has given up to read.
    left: RefCell<Option<RequestBody>>,
}

/// A body in the hands of its reader.
struct Held<'p> {
    body: RequestBody,
    place: &'p Place,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        self.place.left.replace(Some(body));
    }
}

/// What became of reading it.
pub struct Read {
    /// The body, which stays to be sent.
    pub body: Result<Bytes, BodyError>,
    /// How long it is, in bytes, as far as that can be told.
    pub length: Option<usize>,
}

/// Reads the body of the current call's request, as far as `limit` says.
///
/// # Errors
/// See [`call::with_request`].
pub async fn read(limit: impl FnOnce(&mut Ctx) -> usize) -> Result<Read, Raise> {
    let Reading(place) =
        call::with_request(|ctx| Ok(ctx.lua.get_or_insert_default().reading.clone()))?;
    let _turn = place.turn.lock().await;
    let (mut held, limit) = call::with_request(|ctx| {
        bring_back(ctx);
        let limit = limit(ctx);
        let body = std::mem::take(&mut ctx.request.body);
        let place = &*place;
        Ok((Held { body, place }, limit))
    })?;
    let body = held.body.read(limit).await;
    let length = held.body.known_length();
    drop(held);
    call::with_request(|ctx| {
        bring_back(ctx);
        Ok(Read { body, length })
    })
}

/// Gives the request back the body that a reader had, unless it was given another one meanwhile.
pub fn bring_back(ctx: &mut Ctx) {
    let left = ctx.lua.as_ref().and_then(|kept| kept.reading.0.left.take());
    if let (Some(body), RequestBody::Empty) = (left, &ctx.request.body) {
        ctx.request.body = body;
    }
}
