//! What the comparison thinks of, and what it leaves alone. That it tells the truth is proven over the Admin API, where
//! its answer is held against what a real write then shows.

use super::*;
use shared::plugins::Catalog;
use shared::sync::State;
use std::sync::Arc;
use uuid::Uuid;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn with(state: &State, kind: &str, number: u128, mut document: Value) -> State {
    let mut next = state.clone();
    document["id"] = json!(id(number));
    next.insert(&Arc::from(kind), id(number), document.to_string().into());
    next
}

fn without(state: &State, kind: &str, number: u128) -> State {
    let mut next = state.clone();
    next.remove(kind, &id(number)).expect("it is there");
    next
}

fn model(state: &State) -> Model {
    Model::build(state, None, Catalog::builtin()).expect("good documents")
}

/// The impact of going from one state to the next, as it is answered.
fn told(before: &State, after: &State) -> Value {
    let old = model(before);
    let new = Model::build(after, Some((before, &old)), Catalog::builtin());
    between(&old, &new.expect("good documents")).render()
}

#[test]
fn one_change_among_ten_thousand_routes_compares_what_it_can_touch() {
    let mut before = State::new();
    for number in 1..=10_000 {
        let route =
            json!({ "paths": [format!("/p{number}/x")], "hosts": [format!("h{number}.test")] });
        before = with(&before, "routes", number, route);
    }
    let after = with(
        &before,
        "routes",
        10_001,
        json!({ "name": "new", "paths": ["/p7/x"], "hosts": ["h7.test"] }),
    );
    let impact = told(&before, &after);
    let routes = &impact["routes"];
    assert_eq!(routes["compared"], 1);
    // Two routes that ask for the same: the later id does not win.
    let loser = &routes["shadowed"][0];
    assert_eq!(
        (&routes["shadowed_total"], &loser["won_after"]),
        (&json!(1), &json!(0))
    );

    let after = with(
        &before,
        "routes",
        10_001,
        json!({ "name": "new", "methods": ["GET"] }),
    );
    let impact = told(&before, &after);
    assert_eq!(impact["routes"]["shadowed_total"], 0, "more criteria win");
    assert_eq!(impact["routes"]["newly_matched"][0]["route"]["name"], "new");
}

#[test]
fn requests_are_made_where_routes_meet() {
    let before = with(
        &State::new(),
        "routes",
        1,
        json!({ "name": "path", "paths": ["/a/b"] }),
    );
    let after = with(
        &before,
        "routes",
        2,
        json!({ "name": "host", "hosts": ["*.h.test"], "paths": ["/a"] }),
    );
    let routes = &told(&before, &after)["routes"];
    // Neither route's own criteria alone make this request: the host of one and the path of the other.
    let moved = routes["moved"].as_array().expect("a list");
    let meeting = moved
        .iter()
        .find(|one| one["path"] == "/a/b")
        .expect("where they meet");
    assert_eq!(meeting["host"], "probe.h.test");
    assert_eq!(
        (&meeting["before"]["name"], &meeting["after"]["name"]),
        (&json!("path"), &json!("host"))
    );
    assert_eq!(routes["shadowed"][0]["route"]["name"], "path");
}

#[test]
fn every_kind_of_criterion_is_made_into_a_request() {
    let route = json!({
        "name": "all", "protocols": ["https"], "methods": ["PURGE"], "hosts": ["a.*:8443"], "snis": ["*.s.test"],
        "paths": [r"~/v\d+/(?<x>[a-c]+)$"], "headers": { "x-a": ["~*^v[0-9]$"], "x-b": ["one", "two"] },
    });
    let after = with(&State::new(), "routes", 1, route);
    let routes = &told(&State::new(), &after)["routes"];
    assert_eq!(routes["newly_matched"][0]["won_after"], 2);
    let request = |value: &str| {
        json!({
            "method": "PURGE", "host": "a.probe:8443", "path": "/v0/a", "sni": "probe.s.test", "https": true,
            "headers": { "x-a": "v0", "x-b": value },
            "before": null, "after": { "id": id(1), "name": "all" },
        })
    };
    assert_eq!(routes["moved"], json!([request("one"), request("two")]));
    assert_eq!(routes["not_probed"], json!([]));
}

#[test]
fn a_route_that_no_request_can_be_made_for_is_named() {
    let route = json!({ "name": "odd", "paths": [r"~/a\bb"] });
    let after = with(&State::new(), "routes", 1, route);
    let routes = &told(&State::new(), &after)["routes"];
    assert_eq!(
        routes["not_probed"],
        json!([{ "id": id(1), "name": "odd" }])
    );
    assert_eq!(routes["compared"], 0);
    let route =
        json!({ "name": "raw", "protocols": ["tcp"], "sources": [{ "port": 1 }], "paths": null });
    let after = with(&State::new(), "routes", 1, route);
    assert_eq!(
        told(&State::new(), &after)["routes"]["not_probed"],
        json!([])
    );
}

#[test]
fn a_service_that_is_switched_off_takes_its_routes_along() {
    let service = |enabled: bool| json!({ "host": "h", "enabled": enabled });
    let before = with(&State::new(), "services", 1, service(true));
    let route = json!({ "name": "r", "paths": ["/r"], "service": { "id": id(1) } });
    let before = with(&before, "routes", 2, route);
    let after = with(&before, "services", 1, service(false));
    let routes = &told(&before, &after)["routes"];
    assert_eq!(
        (&routes["unmatched_total"], &routes["shadowed_total"]),
        (&json!(1), &json!(0))
    );
    let gone = without(&before, "routes", 2);
    assert_eq!(
        told(&before, &gone)["routes"]["unmatched"][0]["before"]["name"],
        "r"
    );
}

#[test]
fn a_route_that_gives_a_path_up_is_not_shadowed_there() {
    let before = with(
        &State::new(),
        "routes",
        1,
        json!({ "name": "a", "paths": ["/a/x", "/b"] }),
    );
    let before = with(
        &before,
        "routes",
        2,
        json!({ "name": "all", "paths": ["/"] }),
    );
    let after = with(
        &before,
        "routes",
        1,
        json!({ "name": "a", "paths": ["/b"] }),
    );
    let routes = &told(&before, &after)["routes"];
    assert_eq!(routes["shadowed"], json!([]));
    assert_eq!(routes["newly_matched"][0]["route"]["name"], "all");
}

#[test]
fn a_change_that_no_request_notices_has_no_impact() {
    let before = with(
        &State::new(),
        "routes",
        1,
        json!({ "name": "a", "paths": ["/a"] }),
    );
    let before = with(
        &before,
        "plugins",
        2,
        json!({ "name": "correlation-id", "config": {} }),
    );
    let after = with(
        &before,
        "plugins",
        2,
        json!({ "name": "correlation-id", "config": {}, "tags": ["x"] }),
    );
    let after = with(&after, "routes", 1, json!({ "name": "b", "paths": ["/a"] }));
    let impact = told(&before, &after);
    assert_eq!(
        (&impact["routes"]["moved"], &impact["plugins"]["chains"]),
        (&json!([]), &json!([]))
    );
}
