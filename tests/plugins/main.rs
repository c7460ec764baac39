//! Plugins end to end: configured through the Admin API, seen by a real upstream and a real client.

mod access;
mod basic_auth;
mod bodies;
mod documentation;
mod hmac_auth;
mod jwt;
mod scopes;
mod small;
mod transformers;
