//! The Admin API and the commands, where the recorded vectors do not reach.

mod access;
mod apis;
mod backup;
mod bad_input;
mod commands;
mod deck;
mod declarative;
mod dry_run;
mod examples;
mod openapi;
mod plugin_commands;
mod quickstart;
mod revisions;
