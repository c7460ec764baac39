//! Plugins end to end: configured through the Admin API, seen by a real upstream and a real client.

mod access;
mod documentation;
mod scopes;
mod small;
