//! What a change does to traffic, told before it is made: which requests go to another route, and which plugins run
//! for them.
//!
//! Nothing here imitates a node. [`probe`] makes up requests from what the routes ask for, [`routes`] puts them to the
//! router that nodes use (`shared::router`) as it would be before and after, [`chains`] does the same with the choice of
//! plugins (`shared::chain`). Only what the change can touch is compared. It is pure: two models in, one [`Impact`] out.
//!
//! What it can tell: every request it lists goes as it says. What it cannot: requests that it did not think of (an
//! overlap of two regular expressions, a host that only a wildcard covers beside the one that was tried), and what
//! plugins do with a request; `complete` says whether it stopped at a limit.

mod chains;
mod probe;
mod routes;
mod sample;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};
use shared::entities::{Consumer, Route};
use shared::model::Model;

pub use chains::Chains;
pub use routes::Traffic;

/// Entries that a list of the answer holds at most; its total says how many there are.
const SHOWN: usize = 100;

/// What a change does to traffic.
#[derive(Debug)]
pub struct Impact<'m> {
    pub traffic: Traffic<'m>,
    pub chains: Chains<'m>,
}

/// Compares what nodes do with `before` and with `after`.
pub fn between<'m>(before: &'m Model, after: &'m Model) -> Impact<'m> {
    Impact {
        traffic: routes::compare(before, after),
        chains: chains::compare(before, after),
    }
}

impl Impact<'_> {
    /// As the answer to a dry run shows it.
    pub fn render(&self) -> Value {
        json!({ "routes": self.traffic.render(), "plugins": self.chains.render() })
    }
}

/// Id and name of a route.
fn route(route: &Route) -> Value {
    json!({ "id": route.id.uuid(), "name": route.name.as_deref() })
}

fn consumer(consumer: &Consumer) -> Value {
    json!({ "id": consumer.id.uuid(), "username": consumer.username })
}

/// The first entries of a list.
fn few<T>(all: &[T], show: impl Fn(&T) -> Value) -> Vec<Value> {
    all.iter().take(SHOWN).map(show).collect()
}
