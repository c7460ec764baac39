use serde_json::{Value, json};
use shared::entities;
use shared::plugins::Catalog;
use shared::sync::canonical;
use uuid::Uuid;

use super::*;
use crate::config::Config;

const VAULT: Uuid = Uuid::from_u128(1);
const SEALED: Uuid = Uuid::from_u128(2);
const OPEN: Uuid = Uuid::from_u128(3);

/// A state with one more document, or another one in place of its own.
fn with(state: &State, kind: &str, document: Value) -> State {
    let entity = entities::find(kind).expect("a known kind");
    let document = document.as_object().expect("an object").clone();
    let document = entity.schema.complete(None, document);
    let id = Uuid::parse_str(document["id"].as_str().expect("an id")).expect("an id");
    let mut state = state.clone();
    state.insert(&kind.into(), id, canonical(&document));
    state
}

/// The vault `mine`, which holds the variables that begin so.
fn vault(begins: &str) -> Value {
    json!({ "id": VAULT, "name": "env", "prefix": "mine", "config": { "prefix": begins } })
}

#[test]
fn a_handler_is_built_anew_when_a_vault_that_it_refers_to_has_changed() {
    crate::lua::worker::configure(lua::Options::default());
    let schema = "return { name = 'demo', fields = { { config = { type = 'record', fields = {
        { secret = { type = 'string', referenceable = true } } } } } } }";
    let handler = "return { PRIORITY = 1, VERSION = '1.0.0', access = function() end }";
    let custom =
        json!({ "id": Uuid::from_u128(4), "name": "demo", "schema": schema, "handler": handler });
    let plugin = |id: Uuid, secret: &str| json!({ "id": id, "name": "demo", "config": { "secret": secret } });
    let first = with(&State::new(), "vaults", vault("CARGO_PKG_VERSION_"));
    let first = with(&first, "custom_plugins", custom);
    let first = with(&first, "plugins", plugin(SEALED, "{vault://mine/major}"));
    let first = with(&first, "plugins", plugin(OPEN, "as it is"));
    let unrelated = with(
        &first,
        "services",
        json!({ "id": Uuid::from_u128(5), "host": "a.test" }),
    );
    let moved = with(&unrelated, "vaults", vault("CARGO_PKG_VERSION_X_"));

    let settings = Arc::new(ProxySettings::new(&Config::default()));
    let mut last: Option<(State, Arc<Model>, Runtime)> = None;
    let mut kept = Vec::new();
    for state in [&first, &unrelated, &moved, &first] {
        let previous = last.as_ref().map(|(state, model, _)| (state, &**model));
        let model = Model::build(state, previous, Catalog::builtin()).expect("good documents");
        let (model, before) = (Arc::new(model), last.take().map(|(_, _, runtime)| runtime));
        let runtime = Runtime::build(model.clone(), None, before.as_ref(), settings.clone());
        kept.extend(before.map(|before| {
            [SEALED, OPEN].map(|id| {
                let of = |runtime: &Runtime| runtime.plugins.handler(&id).expect("a handler");
                Arc::ptr_eq(&of(&before), &of(&runtime))
            })
        }));
        last = Some((state.clone(), model, runtime));
    }
    assert_eq!(kept, [[true, true], [false, true], [false, true]]);
}
