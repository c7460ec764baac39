//! The control plane: keeps the configuration behind a Kong-compatible Admin API and streams it to the data planes.
//!
//! Read in this order: [`start()`] is what a process does, [`admin`] decodes, checks and answers, [`store`] makes one
//! commit of a write and gives it a revision, [`impact`] foretells what a write does to traffic, [`sync`] brings
//! revisions to the nodes. Entities and their rules are declared in `shared`; nothing here serves traffic.

pub mod admin;
pub mod cli;
pub mod config;
mod impact;
mod start;
pub mod store;
pub mod sync;
pub mod telemetry;

pub use config::Config;
pub use start::{Running, StartError, run, start};
