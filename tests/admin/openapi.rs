//! `/openapi.json` is what the Admin API does: schemathesis makes requests of it and compares every answer.

use std::path::Path;
use std::time::Duration;

use tests::process::{Finished, Launch};
use tests::{Gateway, Setup, installed};

const REQUESTS: u64 = 2000;
/// Two minutes on two idle cores.
const LIMIT: Duration = Duration::from_secs(900);
const FAILURES: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection";

async fn python(program: &Path, folder: &Path, args: &[&str]) -> Finished {
    Launch::other(program.to_owned(), folder)
        .args(args.iter().copied())
        .variable("HOME", &folder.display().to_string())
        .run_within(LIMIT)
        .await
}

/// How many requests the summary counts: `41017 generated, …`.
fn generated(stdout: &str) -> Option<u64> {
    let counted = stdout
        .lines()
        .find_map(|line| line.split_once(" generated"))?
        .0;
    counted.trim().parse().ok()
}

#[tokio::test]
async fn generated_requests_are_answered_as_the_document_says() {
    let name = "generated_requests_are_answered_as_the_document_says";
    let Some(schemathesis) = installed::find("schemathesis", "python/bin") else {
        return installed::skipped(name, "schemathesis is not installed (.ci/run does it)");
    };
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let url = format!("http://{}/openapi.json", gateway.admin().address());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let args = [
        "run",
        &url,
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        "5",
        "--seed",
        "1",
        "--generation-deterministic",
        "--generation-with-security-parameters",
        "false",
        "--no-shrink",
        "--continue-on-failure",
        "--no-color",
        "--warnings",
        "off",
        "--checks",
        FAILURES,
    ];
    let finished = python(&schemathesis, folder.path(), &args).await;
    assert_eq!(
        finished.code,
        Some(0),
        "{}\n{}",
        finished.stdout,
        finished.stderr
    );
    let requests = generated(&finished.stdout);
    assert!(
        requests.is_some_and(|requests| requests >= REQUESTS),
        "{requests:?}: {}",
        finished.stdout
    );
}

#[tokio::test]
async fn the_document_is_valid_openapi() {
    let name = "the_document_is_valid_openapi";
    let Some(validator) = installed::find("openapi-spec-validator", "python/bin") else {
        return installed::skipped(
            name,
            "openapi-spec-validator is not installed (.ci/run does it)",
        );
    };
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let document = gateway
        .admin()
        .get("/openapi.json")
        .await
        .expect_status(200);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("openapi.json"), &document.body)
        .expect("the temporary folder can be written");
    let args = ["--schema", "3.1", "openapi.json"];
    let finished = python(&validator, folder.path(), &args).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[tokio::test]
async fn the_document_and_the_list_of_addresses_agree() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let document = gateway
        .admin()
        .get("/openapi.json")
        .await
        .expect_status(200)
        .json();
    let listed = gateway
        .admin()
        .get("/endpoints")
        .await
        .expect_status(200)
        .json();
    let paths = document["paths"].as_object().expect("an object").keys();
    let listed = listed["data"].as_array().expect("a list").iter();
    let listed: Vec<&str> = listed.map(|path| path.as_str().expect("text")).collect();
    assert_eq!(paths.collect::<Vec<_>>(), listed);
}
