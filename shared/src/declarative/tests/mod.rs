use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::plugins::Catalog;
use crate::schema::Document;
use crate::sync::State;

mod custom_plugins;
mod errors;
mod ids;
mod loading;
mod properties;

const NOW: f64 = 1_700_000_000.0;

/// Loads a text over what exists.
fn load_over(text: &str, state: &State, mode: Mode, now: f64) -> Result<Vec<Loaded>, Report> {
    let counter = AtomicU64::new(0);
    let options = Options {
        catalog: Catalog::builtin(),
        now,
        new_id: &Uuid::new_v4,
        random_text: &|| format!("made-up-{}", counter.fetch_add(1, Ordering::Relaxed)),
        lenient_config: true,
        base: Base::new(state, mode),
    };
    load(&parse(text)?, &options)
}

fn load_text(text: &str) -> Result<Vec<Loaded>, Report> {
    load_over(text, &State::new(), Mode::Replace, NOW)
}

/// What must load, as documents by kind in the order of the file.
fn documents(text: &str, kind: &str) -> Vec<Document> {
    let loaded = load_text(text).unwrap_or_else(|report| panic!("{}\n{text}", report.message()));
    let of_kind = loaded.into_iter().filter(|one| one.entity.kind == kind);
    of_kind.map(|one| one.document).collect()
}

/// The state after a load.
fn state_of(loaded: &[Loaded]) -> State {
    let mut state = State::new();
    for one in loaded {
        state.insert(&one.entity.kind.into(), one.id, one.payload.clone());
    }
    state
}

/// The `fields` of what must not load.
fn fields(text: &str) -> Value {
    load_text(text).expect_err(text).fields()
}

/// A file of format 3.0 with these members.
fn file(members: Value) -> String {
    let mut root = json!({ "_format_version": "3.0" });
    if let (Value::Object(root), Value::Object(members)) = (&mut root, members) {
        root.extend(members);
    }
    root.to_string()
}
