//! Lua plugins on a node: the calls of their handlers, and what these may ask of a request and of the world.
//!
//! [`worker`] is the Lua of one thread, [`plugin`] a configured plugin, [`commit`] how a
//! new one comes to all workers, [`call`] one call of its handler,
//! [`limits`] what it may use, [`weight`] how much memory a
//! plugin holds, [`held`] what
//! becomes of a worker that it holds, [`health`] how calls end, [`trace`] what a test of a plugin shows; [`pdk`] is what the `kong` and `ngx` tables do,
//! [`outbound`] how plugins call other services.

pub mod call;
pub mod commit;
pub mod health;
pub mod held;
pub mod here;
mod kept;
pub mod limits;
mod ngx;
pub mod outbound;
pub mod pdk;
pub mod plugin;
mod reading;
pub(crate) mod retry;
pub mod stores;
#[cfg(test)]
pub(crate) mod tests;
mod threads;
pub mod trace;
pub mod weight;
mod who;
pub mod worker;

pub use kept::Kept;
pub use plugin::{Code, LuaPlugin};
