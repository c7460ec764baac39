//! Plugins end to end: configured through the Admin API, seen by a real upstream and a real client.

mod access;
mod bodies;
mod documentation;
mod scopes;
mod small;
