//! The Admin API over a real socket and a real store: the conformance checklist of the design page, item by item.

mod access;
mod apis;
mod bodies;
mod certificates;
mod checklist;
mod client;
mod credentials;
mod crud;
mod declarative;
mod groups;
mod lists;
mod nested;
mod passwords;
mod pem;
mod plugins;
mod references;
mod schemas;
mod secrets;
mod start;
mod steering;
mod targets;
mod transport;
mod vaults_and_keys;
