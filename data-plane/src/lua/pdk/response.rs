//! `kong.response` (custom-plugins.md 3.1).

use http::{HeaderMap, StatusCode};
use lua::mlua::{self, Lua, Value};
use lua::pdk::Host;

use crate::lua::call::{self, Halted};
use crate::plugins::{Answer, AnswerBody};

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    host.waiting(
        "kong.response.exit",
        |_: Lua, (status, body): (u16, Value)| async move {
            let status = StatusCode::from_u16(status)
                .map_err(|_| "code must be a number between 100 and 599")?;
            let body = match body {
                Value::String(text) => AnswerBody::Exact(text.as_bytes().to_vec().into()),
                _ => AnswerBody::Exact(bytes::Bytes::new()),
            };
            let answer = Answer {
                status,
                headers: HeaderMap::new(),
                body,
            };
            call::halt(Halted::Answer(Box::new(answer))).await
        },
    )
}
