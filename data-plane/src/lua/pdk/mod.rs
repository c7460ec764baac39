//! What the `kong` and `ngx` tables do on a node. One file per group; [`bind`] is the list.

use lua::mlua;
use lua::pdk::Host;

use super::{outbound, stores};

pub mod conf;
mod ctx;
mod fields;
mod inspect;
mod log;
mod request;
mod response;
mod service_request;
mod service_response;
#[cfg(test)]
mod tests;
mod values;

pub(super) use log::print;

/// Gives a machine what this node knows.
///
/// # Errors
/// When there is no memory.
pub fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    log::bind(host)?;
    ctx::bind(host)?;
    request::bind(host)?;
    service_request::bind(host)?;
    response::bind(host)?;
    stores::bind::bind(host)?;
    service_response::bind(host)?;
    outbound::bind::provide(host.lua());
    Ok(())
}
