//! What the functions of the PDK do: tables of snippets.

mod log;
mod response;
