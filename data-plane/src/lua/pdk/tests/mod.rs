//! What the functions of the PDK do: tables of snippets.

mod body;
mod ctx;
mod log;
mod response;
mod serialize;
