//! What the functions of the PDK do: tables of snippets.

mod ctx;
mod log;
mod response;
mod serialize;
