//! Recorded scenarios as they stand in `vectors/*.jsonl`.

use serde::Deserialize;
use serde_json::Value;

/// Requests, and what the reference gateway answered to each of the `steps`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    pub area: String,
    #[serde(default)]
    #[expect(dead_code, reason = "for the reader of the file")]
    note: Option<String>,
    #[serde(default)]
    pub opts: Opts,
    #[serde(default)]
    pub setup: Vec<Step>,
    pub steps: Vec<Step>,
    pub expect: Vec<Value>,
    /// The text of setup and steps: an id that stands there is not a generated one.
    #[serde(skip)]
    pub source: String,
}

/// What the comparison must not level out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opts {
    #[serde(default)]
    pub ordered: bool,
    #[serde(default)]
    pub case: bool,
    #[serde(default)]
    pub raw_query: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    #[default]
    Admin,
    Proxy,
    ProxySsl,
}

/// One request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(default)]
    pub target: Target,
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: Vec<(String, Option<String>)>,
    pub body: Option<Body>,
    /// Sent byte for byte instead of a built request.
    pub raw: Option<String>,
    pub version: Option<String>,
    pub sni: Option<String>,
    /// Seconds.
    pub timeout: Option<f64>,
    pub sleep_ms: Option<u64>,
    /// The name under which the answer's members are remembered.
    #[serde(rename = "as")]
    pub remembered: Option<String>,
    /// Just these facts are compared.
    pub only: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Body {
    Text(String),
    B64(String),
}

/// Every scenario of an area.
pub fn load(area: &str) -> Vec<Scenario> {
    let file = format!("{}/parity/vectors/{area}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    // PEM markers are stored without their dashes.
    let text = text.replace("{{dashes}}", "-----");
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| parse(&file, line))
        .collect()
}

fn parse(file: &str, line: &str) -> Scenario {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}"));
    let setup = value.get("setup").map(Value::to_string).unwrap_or_default();
    let source = format!("{setup}{}", value["steps"]);
    let scenario: Scenario =
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{file}: {error}"));
    Scenario { source, ..scenario }
}
