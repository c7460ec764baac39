mod custom;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::entities::JwtAlgorithm;
use crate::plugins::KeyAuthConfig;
use crate::sync::canonical;
use crate::types::Secret;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_d1c2_7a00_7000_8000_0000_0000_0000 + n)
}

fn key(n: u128) -> Value {
    json!({ "id": id(n) })
}

/// Sets a document; its id is added.
fn set(state: &mut State, kind: &str, n: u128, mut document: Value) {
    document["id"] = json!(id(n));
    let payload = canonical(document.as_object().expect("a document is an object"));
    state.insert(&kind.into(), id(n), payload);
}

/// A service with a route, plugins on both, and a consumer with a key and a group.
fn shop() -> State {
    let mut state = State::new();
    set(
        &mut state,
        "services",
        1,
        json!({ "name": "shop", "host": "shop.test" }),
    );
    set(
        &mut state,
        "routes",
        2,
        json!({ "name": "orders", "paths": ["/orders"], "service": key(1) }),
    );
    set(&mut state, "consumers", 3, json!({ "username": "ada" }));
    set(
        &mut state,
        "plugins",
        4,
        json!({ "name": "key-auth", "config": {}, "service": key(1) }),
    );
    set(
        &mut state,
        "plugins",
        5,
        json!({ "name": "key-auth", "config": {}, "route": key(2) }),
    );
    set(
        &mut state,
        "plugins",
        6,
        json!({ "name": "key-auth", "config": {} }),
    );
    set(
        &mut state,
        "keyauth_credentials",
        7,
        json!({ "key": "secret", "consumer": key(3) }),
    );
    set(
        &mut state,
        "acls",
        8,
        json!({ "group": "staff", "consumer": key(3) }),
    );
    set(
        &mut state,
        "basicauth_credentials",
        9,
        json!({ "username": "ada", "password": "0".repeat(40), "consumer": key(3) }),
    );
    set(
        &mut state,
        "hmacauth_credentials",
        10,
        json!({ "username": "ada", "secret": "signing secret", "consumer": key(3) }),
    );
    set(
        &mut state,
        "jwt_secrets",
        11,
        json!({ "key": "ada", "secret": "signing secret", "consumer": key(3) }),
    );
    state
}

fn build(state: &State) -> Result<Model, Issues> {
    Model::build(state, None, Catalog::builtin())
}

fn built(state: &State) -> Model {
    build(state).unwrap_or_else(|issues| panic!("{issues}"))
}

fn rebuilt(state: &State, old: &State, model: &Model) -> Result<Model, Issues> {
    Model::build(state, Some((old, model)), Catalog::builtin())
}

/// The issues as text, sorted: their order follows the tables, which have none.
fn issues(state: &State) -> Vec<String> {
    let issues = build(state).map(|_| ()).unwrap_err();
    let mut texts: Vec<_> = issues.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

#[test]
fn documents_become_typed_and_what_they_lack_takes_its_default() {
    let model = built(&shop());
    let service = &model.services[&id(1)];
    // An optional field too: absent and null are not the same.
    assert_eq!(
        (&*service.host, service.port, service.retries),
        ("shop.test", 80, Some(5))
    );
    assert_eq!(service.connect_timeout, Some(60_000));
    let route = &model.routes[&id(2)];
    assert_eq!(
        (
            route.strip_path,
            route.https_redirect_status_code,
            route.protocols.len()
        ),
        (true, 426, 2)
    );
    assert_eq!(route.service.map(|service| service.uuid()), Some(id(1)));
    let key = model.key_auths[&id(7)].key.as_ref();
    assert_eq!(key.map(Secret::expose), Some("secret"));
    assert_eq!(model.basic_auths[&id(9)].username, "ada");
    let secret = model.hmac_auths[&id(10)].secret.as_ref();
    assert_eq!(secret.map(Secret::expose), Some("signing secret"));
    // A document of an older control plane that had no algorithms.
    assert_eq!(
        model.jwt_secrets[&id(11)].algorithm,
        Some(JwtAlgorithm::Hs256)
    );
    assert_eq!(model.acls[&id(8)].group, "staff");
    let plugin = &model.plugins[&id(6)];
    let config = plugin
        .config
        .as_ref()
        .and_then(|config| config.downcast::<KeyAuthConfig>());
    assert_eq!(
        config
            .expect("it is read through the catalog")
            .key_names
            .len(),
        1
    );
    assert!(model.warnings.is_empty());
}

#[test]
fn null_is_not_the_default() {
    let mut state = State::new();
    set(
        &mut state,
        "services",
        1,
        json!({ "host": "a.test", "retries": null }),
    );
    assert_eq!(built(&state).services[&id(1)].retries, None);
}

#[test]
fn a_field_of_a_later_version_is_ignored_with_a_warning() {
    let mut state = shop();
    set(
        &mut state,
        "services",
        1,
        json!({ "name": "shop", "host": "a.test", "sparkle": { "on": true } }),
    );
    let model = built(&state);
    let [warning] = &model.warnings[..] else {
        panic!("{:?}", model.warnings);
    };
    assert_eq!(
        (
            warning.kind.as_str(),
            warning.name.as_str(),
            warning.field.as_str()
        ),
        ("services", "shop", "sparkle")
    );
}

#[test]
fn disabled_documents_take_what_depends_on_them_along() {
    type Change = fn(&mut State);
    // What stays of services, routes and plugins 4 (service), 5 (route), 6 (global).
    let cases: [(&str, Change, &[u128]); 4] = [
        ("nothing", |_| {}, &[1, 2, 4, 5, 6]),
        (
            "the service",
            |state| {
                set(
                    state,
                    "services",
                    1,
                    json!({ "host": "a.test", "enabled": false }),
                )
            },
            &[6],
        ),
        (
            "a plugin",
            |state| {
                set(
                    state,
                    "plugins",
                    5,
                    json!({ "name": "key-auth", "config": {}, "route": key(2), "enabled": false }),
                )
            },
            &[1, 2, 4, 6],
        ),
        (
            "the service of another route",
            |state| {
                set(
                    state,
                    "services",
                    11,
                    json!({ "host": "b.test", "enabled": false }),
                );
                set(
                    state,
                    "routes",
                    12,
                    json!({ "paths": ["/b"], "service": key(11) }),
                );
                set(
                    state,
                    "plugins",
                    13,
                    json!({ "name": "key-auth", "config": {}, "route": key(12) }),
                );
            },
            &[1, 2, 4, 5, 6],
        ),
    ];
    for (name, change, expected) in cases {
        let base = shop();
        let mut state = base.clone();
        change(&mut state);
        let first = built(&base);
        for model in [built(&state), rebuilt(&state, &base, &first).unwrap()] {
            let ids = model
                .services
                .keys()
                .chain(model.routes.keys())
                .chain(model.plugins.keys());
            let mut left: Vec<_> = ids.map(|found| found.as_u128() - id(0).as_u128()).collect();
            left.sort_unstable();
            assert_eq!(left, expected, "{name} disabled");
        }
    }
}

#[test]
fn an_unknown_plugin_stays_and_has_nothing_to_run() {
    let mut state = shop();
    set(
        &mut state,
        "plugins",
        6,
        json!({ "name": "from-the-future", "config": { "a": [1] } }),
    );
    let model = built(&state);
    let plugin = &model.plugins[&id(6)];
    assert!(plugin.schema.is_none() && plugin.config.is_none());
    assert_eq!(plugin.document.name, "from-the-future");
}

#[test]
fn every_issue_is_found_and_names_document_and_field() {
    let mut state = shop();
    set(
        &mut state,
        "services",
        1,
        json!({ "name": "shop", "host": "shop.test", "port": "eighty" }),
    );
    set(
        &mut state,
        "routes",
        2,
        json!({ "name": "orders", "paths": ["/ok", "~("], "service": key(99) }),
    );
    set(
        &mut state,
        "plugins",
        4,
        json!({ "name": "key-auth", "config": { "key_names": 3 }, "consumer": key(98) }),
    );
    set(
        &mut state,
        "plugins",
        5,
        json!({ "name": "key-auth", "config": {}, "route": key(97), "service": key(96) }),
    );
    set(&mut state, "acls", 8, json!({ "consumer": key(3) }));
    state.insert(&"consumers".into(), id(30), Bytes::from_static(b"{\"id\":"));
    state.insert(
        &"consumers".into(),
        id(31),
        canonical(json!({ "id": id(32) }).as_object().unwrap()),
    );
    state.insert(&"gadgets".into(), id(40), Bytes::from_static(b"{}"));
    let found = issues(&state);
    let expected = [
        ("acls (", "missing field `group`"),
        ("consumers (0190d1c2-7a00-7000-8000-00000000001e): ", "EOF"),
        (
            "consumers (0190d1c2-7a00-7000-8000-00000000001f): id: ",
            "is not",
        ),
        ("gadgets (", "does not know the kind"),
        (
            "plugins 'key-auth' (0190d1c2-7a00-7000-8000-000000000004): config.key_names",
            "expected",
        ),
        (
            "plugins 'key-auth' (0190d1c2-7a00-7000-8000-000000000005): route: ",
            "does not exist",
        ),
        (
            "plugins 'key-auth' (0190d1c2-7a00-7000-8000-000000000005): service: ",
            "does not exist",
        ),
        (
            "routes 'orders' (0190d1c2-7a00-7000-8000-000000000002): paths[1]: ",
            "",
        ),
        (
            "services 'shop' (0190d1c2-7a00-7000-8000-000000000001): port: ",
            "expected u16",
        ),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (text, (start, contains)) in found.iter().zip(expected) {
        assert!(
            text.starts_with(start) && text.contains(contains),
            "{text}\nis not {start}…{contains}"
        );
    }
}

#[test]
fn a_value_of_the_wrong_type_is_not_quoted() {
    let mut state = State::new();
    set(&mut state, "consumers", 3, json!({ "username": "ada" }));
    set(
        &mut state,
        "keyauth_credentials",
        7,
        json!({ "key": "k", "tags": "hunter2", "consumer": key(3) }),
    );
    let found = issues(&state);
    assert!(
        found.len() == 1 && !found[0].contains("hunter2"),
        "{found:?}"
    );
}

#[test]
fn issues_beyond_a_hundred_are_counted() {
    let mut state = State::new();
    for n in 0..250 {
        set(
            &mut state,
            "acls",
            n,
            json!({ "group": "staff", "consumer": key(999) }),
        );
    }
    let issues = build(&state).map(|_| ()).unwrap_err();
    assert_eq!((issues.len(), issues.more()), (100, 150));
    assert!(issues.to_string().ends_with("(and 249 more)"), "{issues}");
}

#[test]
fn deleting_what_is_referred_to_is_found_though_nothing_else_changed() {
    let base = shop();
    let model = built(&base);
    for (kind, n, broken) in [("services", 1, 2), ("routes", 2, 1), ("consumers", 3, 5)] {
        let mut state = base.clone();
        state.remove(kind, &id(n));
        let issues = rebuilt(&state, &base, &model).map(|_| ()).unwrap_err();
        assert_eq!(issues.len(), broken, "{kind}: {issues:?}");
        assert_eq!(
            issues.len(),
            issues
                .iter()
                .filter(|issue| issue.message.contains(kind))
                .count()
        );
    }
}

#[test]
fn what_did_not_change_is_shared_with_the_previous_model() {
    let base = shop();
    let model = built(&base);
    let mut state = base.clone();
    set(
        &mut state,
        "routes",
        2,
        json!({ "name": "orders", "paths": ["/v2"], "service": key(1) }),
    );
    set(
        &mut state,
        "routes",
        20,
        json!({ "paths": ["/new"], "service": key(1) }),
    );
    state.remove("acls", &id(8));
    let next = rebuilt(&state, &base, &model).unwrap();
    assert!(Arc::ptr_eq(&model.services[&id(1)], &next.services[&id(1)]));
    assert!(Arc::ptr_eq(&model.plugins[&id(5)], &next.plugins[&id(5)]));
    assert!(!Arc::ptr_eq(&model.routes[&id(2)], &next.routes[&id(2)]));
    assert_eq!((next.routes.len(), next.acls.len()), (2, 0));
    assert_eq!(
        (model.routes.len(), model.acls.len()),
        (1, 1),
        "the previous model stays as it is"
    );
}

/// The property that lets a node build from changes alone.
#[test]
fn a_model_built_from_changes_is_the_one_built_from_everything() {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    fn apply(state: &mut State, (target, variant): (u8, u8)) {
        let enabled = variant != 0;
        match (target, variant) {
            (0, _) => set(
                state,
                "services",
                1,
                json!({ "host": "a.test", "enabled": enabled }),
            ),
            (1, 0) => drop(state.remove("routes", &id(2))),
            (1, _) => set(
                state,
                "routes",
                2,
                json!({ "paths": [format!("/{variant}")], "service": key(1) }),
            ),
            (2, 0) => drop(state.remove("plugins", &id(5))),
            (2, _) => set(
                state,
                "plugins",
                5,
                json!({ "name": "key-auth", "config": {}, "route": key(2) }),
            ),
            (_, 0) => drop(state.remove("services", &id(1))),
            (_, _) => set(
                state,
                "plugins",
                6,
                json!({ "name": "key-auth", "config": {}, "enabled": enabled }),
            ),
        }
    }

    fn shape(model: &Result<Model, Issues>) -> Result<[Vec<String>; 3], Vec<String>> {
        fn table<T: std::fmt::Debug>(table: &Table<T>) -> Vec<String> {
            let mut all: Vec<_> = table
                .iter()
                .map(|document| format!("{document:?}"))
                .collect();
            all.sort();
            all
        }
        match model {
            Ok(model) => Ok([
                table(&model.services),
                table(&model.routes),
                table(&model.plugins),
            ]),
            Err(issues) => {
                let mut all: Vec<_> = issues.iter().map(ToString::to_string).collect();
                all.sort();
                Err(all)
            }
        }
    }

    let steps = proptest::collection::vec(proptest::collection::vec((0..4u8, 0..3u8), 1..4), 1..8);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(48));
    let property = |steps: Vec<Vec<(u8, u8)>>| {
        let (mut old, mut model) = (State::new(), built(&State::new()));
        for step in steps {
            let mut state = old.clone();
            step.into_iter()
                .for_each(|change| apply(&mut state, change));
            let next = rebuilt(&state, &old, &model);
            prop_assert_eq!(shape(&next), shape(&build(&state)));
            if let Ok(next) = next {
                (old, model) = (state, next); // a refused state is not what the next is compared with
            }
        }
        Ok(())
    };
    runner.run(&steps, property).unwrap();
}

#[test]
fn a_target_needs_its_upstream() {
    let mut state = State::new();
    set(&mut state, "upstreams", 1, json!({ "name": "u.test" }));
    let target = json!({ "target": "10.0.0.1:80", "upstream": key(1) });
    set(&mut state, "targets", 2, target);
    let model = built(&state);
    assert_eq!(model.targets[&id(2)].weight(), 100);
    assert_eq!(model.upstreams[&id(1)].slots, Some(10_000));
    let mut alone = state.clone();
    alone.remove("upstreams", &id(1));
    let found = rebuilt(&alone, &state, &model).map(drop).unwrap_err();
    let text = found.iter().map(ToString::to_string).collect::<String>();
    let expected = format!(
        "upstream: refers to upstreams '{}', which does not exist",
        id(1)
    );
    assert!(text.contains(&expected), "{text}");
}
