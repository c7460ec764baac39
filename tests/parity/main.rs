//! Replays what the reference gateway was recorded to answer (`vectors/*.jsonl`, made with Kong 3.10.0) against real
//! planes, and the vectors of the transformers' design page beside them. A vector that does not pass stands in
//! `exceptions.toml` with its reason; one that stands there and passes fails the test too, so the list stays true.
//!
//! `PARITY_REPORT=folder` writes what differs, one JSON file per area.

mod compare;
mod exceptions;
mod normal;
mod page;
mod replay;
mod scenario;

use std::collections::BTreeMap;

use replay::Replayer;
use tests::Setup;

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

#[tokio::test]
async fn pre_function_and_the_pdk_behave_as_recorded() {
    replay("lua").await;
}

/// Recorded with a setting of the sandbox.
#[tokio::test]
async fn functions_with_cjson_behave_as_recorded() {
    let requires = ["--untrusted-lua-sandbox-requires", "cjson,cjson.safe"];
    replay_with(Setup::node_flags(requires), "lua-cjson").await;
}

/// Every Q, R and A vector of transformers.md, its tables of differences, and the cases it describes.
#[tokio::test]
async fn the_transformers_do_what_their_page_says() {
    let sets: Vec<_> = page::FILES
        .iter()
        .map(|(file, plugin)| (*plugin, page::load(file)))
        .collect();
    let tabled = |file: &str| file.starts_with("transformers-");
    let from_tables = page::FILES.iter().zip(&sets).filter(|(f, _)| tabled(f.0));
    let tabled: usize = from_tables.map(|(_, (_, vectors))| vectors.len()).sum();
    assert!(tabled >= 300, "the page's tables hold 300 vectors alone");
    let mut stage = page::Stage::start(&sets).await;
    let (mut names, mut differing) = (Vec::new(), BTreeMap::new());
    for vector in sets.iter().flat_map(|(_, vectors)| vectors) {
        let problems = stage.play(vector).await;
        if !problems.is_empty() {
            differing.insert(vector.id.clone(), problems);
        }
        names.push(vector.id.clone());
    }
    judge("transformers", &names, differing);
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
        "lua",
        "lua-cjson",
    ];
    let scenarios: Vec<_> = areas.into_iter().flat_map(scenario::load).collect();
    assert!(
        scenarios.iter().all(|s| s.name.starts_with(&s.area)),
        "a vector is named after its area"
    );
    let vectors: Vec<_> = page::FILES
        .iter()
        .flat_map(|(file, _)| page::load(file))
        .collect();
    for name in exceptions::load().keys() {
        let is_vector = |id: &String| id == name;
        assert!(
            scenarios.iter().any(|s| is_vector(&s.name))
                || vectors.iter().any(|v| is_vector(&v.id)),
            "exceptions.toml names no vector: {name}"
        );
    }
}

async fn replay(area: &str) {
    replay_with(Setup::default(), area).await;
}

async fn replay_with(setup: Setup, area: &str) {
    let scenarios = scenario::load(area);
    let mut replayer = Replayer::start(setup).await;
    let mut differing = BTreeMap::new();
    for scenario in &scenarios {
        let problems = replayer.play(scenario).await;
        if !problems.is_empty() {
            differing.insert(scenario.name.clone(), problems);
        }
    }
    let names: Vec<_> = scenarios.into_iter().map(|s| s.name).collect();
    judge(area, &names, differing);
}

/// Fails unless exactly the vectors that are listed as exceptions differ.
fn judge(area: &str, names: &[String], mut differing: BTreeMap<String, Vec<String>>) {
    let exceptions = exceptions::load();
    report(area, &differing);
    let stale: Vec<_> = names
        .iter()
        .filter(|name| exceptions.contains_key(*name) && !differing.contains_key(*name))
        .collect();
    println!(
        "{area}: {} of {} as they should be, {} differ",
        names.len() - differing.len(),
        names.len(),
        differing.len()
    );
    differing.retain(|name, _| !exceptions.contains_key(name));
    assert!(
        differing.is_empty(),
        "{} of {} differ: {differing:#?}",
        differing.len(),
        names.len()
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
