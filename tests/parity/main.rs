//! Replays what the reference gateway was recorded to answer (`vectors/*.jsonl`, made with Kong 3.10.0) against real
//! planes. A vector that does not pass stands in `exceptions.toml` with its reason; one that stands there and passes
//! fails the test too, so the list stays true.
//!
//! `PARITY_REPORT=folder` writes what differs, one JSON file per area.

mod compare;
mod exceptions;
mod normal;
mod replay;
mod scenario;

use std::collections::BTreeMap;

use replay::Replayer;

#[tokio::test]
async fn the_admin_api_answers_as_recorded() {
    replay("admin").await;
}

#[tokio::test]
async fn request_transformer_behaves_as_recorded() {
    replay("request-transformer").await;
}

#[tokio::test]
async fn response_transformer_behaves_as_recorded() {
    replay("response-transformer").await;
}

#[tokio::test]
async fn routing_behaves_as_recorded() {
    replay("routing").await;
}

#[tokio::test]
async fn authentication_behaves_as_recorded() {
    replay("auth").await;
}

#[tokio::test]
async fn traffic_plugins_behave_as_recorded() {
    replay("traffic").await;
}

#[tokio::test]
async fn failures_are_answered_as_recorded() {
    replay("errors").await;
}

#[test]
fn every_exception_names_a_vector() {
    let areas = [
        "admin",
        "request-transformer",
        "response-transformer",
        "routing",
        "auth",
        "traffic",
        "errors",
    ];
    let scenarios: Vec<_> = areas.into_iter().flat_map(scenario::load).collect();
    assert!(
        scenarios.iter().all(|s| s.name.starts_with(&s.area)),
        "a vector is named after its area"
    );
    for name in exceptions::load().keys() {
        assert!(
            scenarios.iter().any(|s| &s.name == name),
            "exceptions.toml names no vector: {name}"
        );
    }
}

async fn replay(area: &str) {
    let exceptions = exceptions::load();
    let scenarios = scenario::load(area);
    let mut replayer = Replayer::start().await;
    let mut differing = BTreeMap::new();
    for scenario in &scenarios {
        let problems = replayer.play(scenario).await;
        if !problems.is_empty() {
            differing.insert(scenario.name.clone(), problems);
        }
    }
    report(area, &differing);
    let stale: Vec<_> = scenarios
        .iter()
        .map(|scenario| &scenario.name)
        .filter(|name| exceptions.contains_key(*name) && !differing.contains_key(*name))
        .collect();
    let passing = scenarios.len() - differing.len();
    println!(
        "{area}: {passing} of {} as recorded, {} known exceptions",
        scenarios.len(),
        differing.len()
    );
    differing.retain(|name, _| !exceptions.contains_key(name));
    assert!(
        differing.is_empty(),
        "{} of {} differ from the record: {differing:#?}",
        differing.len(),
        scenarios.len()
    );
    assert!(
        stale.is_empty(),
        "these pass now, take them out of exceptions.toml: {stale:#?}"
    );
}

fn report(area: &str, differing: &BTreeMap<String, Vec<String>>) {
    if let Ok(folder) = std::env::var("PARITY_REPORT") {
        let text = serde_json::to_string_pretty(differing).expect("texts are JSON");
        std::fs::write(format!("{folder}/{area}.json"), text)
            .expect("the report's folder can be written");
    }
}
