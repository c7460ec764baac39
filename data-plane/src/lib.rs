//! The data plane: applies each snapshot atomically and proxies the traffic.
//!
//! Read [`proxy`] first: it is the path of a request, in order. [`runtime`] is what a request reads, built aside and
//! swapped; [`balancer`] spreads the requests to an upstream over its targets; [`carried`] is what outlives a swap; [`sync`] keeps up with the control plane; [`listen`] owns sockets and
//! threads. It must not know how the control plane stores anything.

pub mod balancer;
pub mod carried;
pub mod cli;
pub mod config;
pub mod listen;
pub mod lua;
pub mod plugins;
pub mod proxy;
pub use shared::router;
pub mod runtime;
mod start;
pub mod sync;
pub mod telemetry;

pub use config::Config;
pub use start::{Running, StartError, start};
