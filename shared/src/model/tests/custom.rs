//! Custom plugins in a state: read first, once, and whatever names them again when they change.

use serde_json::{Value, json};

use super::*;
use crate::plugins::custom::{LuaConfig, OFF};
use crate::plugins::tests::custom::{handler, install, schema};

/// Sets a custom plugin whose configuration has these fields.
fn custom(state: &mut State, n: u128, name: &str, fields: &[&str], priority: i32) {
    let source =
        json!({ "name": name, "schema": schema(name, fields), "handler": handler(priority) });
    set(state, "custom_plugins", n, source);
}

fn plugin(state: &mut State, n: u128, name: &str, config: Value) {
    set(
        state,
        "plugins",
        n,
        json!({ "name": name, "config": config }),
    );
}

/// A plugin `greeter`, its configuration, and one of a plugin of the program.
fn greeting() -> State {
    install();
    let mut state = State::new();
    custom(&mut state, 1, "greeter", &["greeting hello"], 7);
    plugin(&mut state, 2, "greeter", json!({}));
    plugin(&mut state, 3, "key-auth", json!({}));
    state
}

fn config(model: &Model, n: u128) -> Value {
    let config = model.plugins[&id(n)].config.as_ref().expect("it is known");
    let config = config.downcast::<LuaConfig>().expect("it came as source");
    Value::Object(config.0.clone())
}

#[test]
fn plugins_may_name_custom_plugins_of_the_same_state() {
    let model = built(&greeting());
    let plugin = &model.plugins[&id(2)];
    let custom = plugin.custom().expect("it came as source");
    assert_eq!(
        (plugin.priority(), &*custom.handler),
        (7, handler(7).as_str())
    );
    assert_eq!(config(&model, 2), json!({ "greeting": "hello" }));
    let listed: Vec<&str> = model.catalog.custom().map(|custom| &*custom.name).collect();
    assert_eq!(listed, ["greeter"]);
    assert!(model.plugins[&id(3)].custom().is_none());
}

#[test]
fn what_did_not_change_is_neither_loaded_nor_read_again() {
    let old = greeting();
    let model = built(&old);
    let mut state = old.clone();
    custom(&mut state, 4, "other", &[], 1);
    let next = rebuilt(&state, &old, &model).expect("good");
    for n in [2, 3] {
        assert!(
            Arc::ptr_eq(&model.plugins[&id(n)], &next.plugins[&id(n)]),
            "{n}"
        );
    }
    let (before, after) = (
        model.catalog.plugin("greeter"),
        next.catalog.plugin("greeter"),
    );
    assert!(Arc::ptr_eq(before.expect("there"), after.expect("there")));
    // A label says nothing about the source.
    let mut labelled = state.clone();
    let source = json!({
        "name": "greeter", "schema": schema("greeter", &["greeting hello"]),
        "handler": handler(7), "tags": ["label"],
    });
    set(&mut labelled, "custom_plugins", 1, source);
    let labelled = rebuilt(&labelled, &state, &next).expect("good");
    assert!(Arc::ptr_eq(
        &model.plugins[&id(2)],
        &labelled.plugins[&id(2)]
    ));
}

#[test]
fn a_new_source_has_its_plugins_read_again() {
    let old = greeting();
    let model = built(&old);
    let mut state = old.clone();
    custom(
        &mut state,
        1,
        "greeter",
        &["greeting hello", "times integer"],
        9,
    );
    let next = rebuilt(&state, &old, &model).expect("good");
    assert_eq!(
        config(&next, 2),
        json!({ "greeting": "hello", "times": null })
    );
    assert_eq!(next.plugins[&id(2)].priority(), 9);
    assert!(Arc::ptr_eq(&model.plugins[&id(3)], &next.plugins[&id(3)]));
    // Only the handler: the configuration says the same, and what runs does not.
    let mut newer = state.clone();
    custom(
        &mut newer,
        1,
        "greeter",
        &["greeting hello", "times integer"],
        10,
    );
    let newest = rebuilt(&newer, &state, &next).expect("good");
    assert_eq!(newest.plugins[&id(2)].priority(), 10);
    assert!(!Arc::ptr_eq(
        &next.plugins[&id(2)].document,
        &newest.plugins[&id(2)].document
    ));
}

#[test]
fn a_plugin_that_comes_and_goes_opens_and_closes_what_names_it() {
    let mut without = greeting();
    without.remove("custom_plugins", &id(1));
    let closed = built(&without);
    assert!(closed.plugins[&id(2)].schema.is_none(), "nobody knows it");
    let open = rebuilt(&greeting(), &without, &closed).expect("good");
    assert!(open.plugins[&id(2)].config.is_some());
    let again = rebuilt(&without, &greeting(), &open).expect("good");
    assert!(again.plugins[&id(2)].schema.is_none() && again.plugins[&id(2)].config.is_none());
    assert_eq!(again.plugins[&id(2)].priority(), i32::MAX);
}

#[test]
fn issues_name_the_custom_plugin_and_the_line() {
    let change = |change: fn(&mut State)| {
        let mut state = greeting();
        change(&mut state);
        issues(&state)
    };
    let at = |n: u128| id(n).to_string();
    type Case = (fn(&mut State), Vec<String>);
    let cases: [Case; 5] = [
        (
            |state| {
                let source =
                    json!({ "name": "bad", "schema": "no table", "handler": "unexpected" });
                set(state, "custom_plugins", 5, source);
            },
            vec![
                format!(
                    "custom_plugins 'bad' ({}): handler: handler.lua:3: unexpected",
                    at(5)
                ),
                format!(
                    "custom_plugins 'bad' ({}): schema: schema.lua:3: no table",
                    at(5)
                ),
            ],
        ),
        (
            |state| custom(state, 5, "key-auth", &[], 1),
            vec![format!(
                "custom_plugins 'key-auth' ({}): name: 'key-auth' is the name of a built-in plugin",
                at(5)
            )],
        ),
        (
            |state| plugin(state, 6, "greeter", json!({ "gretting": "hi" })),
            vec![format!(
                "plugins 'greeter' ({}): config.gretting: unknown field",
                at(6)
            )],
        ),
        (
            |state| {
                let document = json!({
                    "name": "greeter", "config": {}, "protocols": ["tcp"],
                });
                set(state, "plugins", 6, document);
            },
            vec![format!(
                "plugins 'greeter' ({}): protocols: expected one of: http, https",
                at(6)
            )],
        ),
        (
            // The source that changes is not to blame, the configuration that does not is.
            |state| custom(state, 1, "greeter", &["other string!"], 7),
            vec![format!(
                "plugins 'greeter' ({}): config.other: required field missing",
                at(2)
            )],
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(change(given), expected);
    }
}

#[test]
fn a_source_that_invalidates_what_is_there_is_refused_in_a_later_build_too() {
    let old = greeting();
    let model = built(&old);
    let mut state = old.clone();
    custom(&mut state, 1, "greeter", &["other string!"], 7);
    let issues = rebuilt(&state, &old, &model).expect_err("the configuration lacks a field");
    let expected = format!(
        "plugins 'greeter' ({}): config.other: required field missing",
        id(2)
    );
    assert_eq!(issues.to_string(), expected);
    // Both in one version are fine.
    plugin(&mut state, 2, "greeter", json!({ "other": "there" }));
    let next = rebuilt(&state, &old, &model).expect("they fit");
    assert_eq!(config(&next, 2), json!({ "other": "there" }));
}

#[test]
fn switched_off_they_may_be_there_but_not_be_used() {
    let off = Catalog::builtin().clone().streaming(false);
    let mut state = State::new();
    set(
        &mut state,
        "custom_plugins",
        1,
        json!({ "name": "greeter", "schema": "never", "handler": "read" }),
    );
    let unused = Model::build(&state, None, &off).expect("nothing uses it");
    assert!(unused.catalog.plugin("greeter").is_none());
    let mut disabled = state.clone();
    set(
        &mut disabled,
        "plugins",
        2,
        json!({ "name": "greeter", "config": {}, "enabled": false }),
    );
    let model = Model::build(&disabled, Some((&state, &unused)), &off).expect("nothing runs it");
    let mut used = disabled.clone();
    plugin(&mut used, 2, "greeter", json!({}));
    let refused = Model::build(&used, Some((&disabled, &model)), &off).expect_err("used");
    assert_eq!(
        refused.to_string(),
        format!("plugins 'greeter' ({}): name: {OFF}", id(2))
    );
}
