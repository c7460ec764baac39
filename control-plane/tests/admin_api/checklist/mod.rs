//! The conformance checklist of the design page (admin-api.md 16): one test per number, short, the place where the
//! number is proven. What else there is to say about a feature stands in the files beside this folder. Number 43 needs
//! decK and is in `tests/admin/deck.rs`.

mod bodies;
mod credentials;
mod declarative;
mod documents;
mod lists;
mod routes;
mod schemas;
mod transport;
mod upstreams;
