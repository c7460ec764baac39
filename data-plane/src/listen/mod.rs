//! Sockets, TLS and SNI, HTTP/1 and HTTP/2 downstream. The only room that knows which server library is used.

pub mod client_certificate;
mod connection;
mod doors;
mod gate;
mod sockets;
mod tls;
mod worker;

pub use connection::{Connection, Secured};
pub use doors::Doors;
pub use gate::{Gate, Node};
pub use sockets::{BindError, Bound, bind};
pub use tls::{Sides, TlsError, certificate, server_config};
pub use worker::{Worker, name, spawn};
