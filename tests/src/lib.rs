//! The harness of the end-to-end tests: a [`gateway::Gateway`] of real processes, an [`upstream::Upstream`] that answers
//! as scripted, an [`admin::Admin`] client, and clients that send exact bytes ([`wire`]), speak HTTP/2
//! ([`http2`]) or keep asking ([`traffic`]).
//!
//! Read `gateway`, then `wire`. `README.md` says which kind of test to write when. Nothing here knows how the planes are
//! built: it sees what an operator and a client see.

pub mod admin;
pub mod authority;
pub mod coding;
pub mod curl;
pub mod gateway;
pub mod http2;
pub mod installed;
pub mod port;
pub mod process;
pub mod relay;
pub mod tls;
pub mod traffic;
pub mod upstream;
pub mod wait;
pub mod wire;

pub use gateway::{Gateway, Setup};
pub use port::Port;
pub use upstream::{Upstream, script};
pub use wait::eventually;
pub use wire::Request;
