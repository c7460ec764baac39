//! Plugins end to end: configured through the Admin API, seen by a real upstream and a real client.

mod access;
mod basic_auth;
mod bodies;
mod bodies_encoded;
mod bodies_framing;
mod bodies_memory;
mod bodies_streamed;
mod custom;
mod documentation;
mod hmac_auth;
mod jwt;
mod lua;
mod lua_service;
mod scopes;
mod small;
mod transformers;
