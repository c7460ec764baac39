//! What both planes of Headgate must agree on: no sockets, no SQL, no clock.
//!
//! Read in this order: [`schema`] is what an entity may be told, as a value; [`entities`] and [`plugins`] are the two
//! lists everything else follows from; [`model`] turns documents into typed, cross-referenced structs or says what is
//! wrong with them; [`declarative`] reads and writes whole configurations as files; [`router`] and [`chain`] say which
//! route and which plugins a request gets; [`sync`] holds versions, digests and frames; [`settings`] is how either plane
//! reads its own.

extern crate self as shared; // what the derives write resolves here as well

pub mod chain;
pub mod declarative;
pub mod entities;
pub mod model;
pub mod parallel;
pub mod plugins;
pub mod router;
pub mod schema;
pub mod settings;
pub mod sync;
pub mod types;
