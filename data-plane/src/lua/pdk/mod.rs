//! What the `kong` and `ngx` tables do on a node. One file per group; [`bind`] is the list.

use lua::mlua;
use lua::pdk::Host;

use super::{outbound, stores};

pub(crate) mod args;
mod body;
mod client;
pub(super) mod client_tls;
pub mod conf;
pub(super) mod ctx;
mod db;
mod documents;
pub(super) mod fields;
mod inspect;
mod log;
mod node;
mod request;
mod request_body;
pub(super) mod response;
mod serialize;
mod service;
mod service_request;
mod service_response;
#[cfg(test)]
mod tests;
mod values;
mod vault;

pub(super) use fields::any_status as status_of;
pub(super) use log::{error, print};
pub(super) use values::{kind, number};

/// Gives a machine what this node knows.
///
/// # Errors
/// When there is no memory.
pub fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    log::bind(host)?;
    ctx::bind(host)?;
    serialize::bind(host)?;
    request::bind(host)?;
    request_body::bind(host)?;
    client::bind(host)?;
    client_tls::bind(host)?;
    service::bind(host)?;
    node::bind(host)?;
    vault::bind(host)?;
    db::bind(host)?;
    service_request::bind(host)?;
    response::bind(host)?;
    stores::bind::bind(host)?;
    service_response::bind(host)?;
    super::ngx::bind(host)?;
    outbound::bind::provide(host.lua());
    Ok(())
}
