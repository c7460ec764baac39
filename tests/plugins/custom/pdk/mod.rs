//! The PDK table of the page (3.1, 3.2) and the `ngx` shim (4): each function in each phase, with arguments that are
//! wrong, and what it gives and does.
//!
//! [`Row`]s are Lua expressions and their results, in a [`Scene`]: a request. An [`Effect`] is Lua that a client or an
//! upstream sees the work of. `phases` says where each function may be called; `names` is the list of what must be tried.

mod client;
mod effects;
mod names;
mod ngx;
mod others;
mod phases;
mod request;
mod response;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use tests::{Request, Setup, eventually, http2, tls};

use super::Stage;

/// Phase, expression, and its results as a JSON array; or `!` and what the error it throws ends with. In the results
/// `"$number"` stands for any number, and so on by Lua's types; `"$proxy"` and `"$upstream"` for ports.
pub type Row = (&'static str, &'static str, &'static str);

/// A request, and what is asked while it is served.
pub struct Scene {
    pub name: &'static str,
    pub request: Request,
    /// What the upstream answers.
    pub answer: Value,
    pub rows: &'static [Row],
}

/// Phase, statements, and facts: `status`, `body`, `json`, `header:NAME` of the reply, `sent:method`, `sent:path`, `sent:body`,
/// `sent:header:NAME` of what the upstream gets. `-` is absence; `log` is a text in the node's log.
pub type Effect = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The phases of a plugin that filters, and of one that has the whole response.
const FILTERS: [&str; 6] = [
    "certificate",
    "rewrite",
    "access",
    "header_filter",
    "body_filter",
    "log",
];
const BUFFERED: [&str; 2] = ["response", "log"];

fn scenes() -> Vec<Scene> {
    let mut all = request::scenes();
    all.extend(client::scenes());
    all.extend(response::scenes());
    all.extend(others::scenes());
    all.extend(ngx::scenes());
    all
}

/// `pdk.lua` with the tables in it, for these phases.
fn handler(phases: &[&str]) -> String {
    let (mut rows, mut effects, mut matrix, mut methods) =
        (String::new(), String::new(), String::new(), String::new());
    for scene in scenes() {
        let mut by_phase: BTreeMap<&str, String> = BTreeMap::new();
        for (key, (phase, expression, _)) in scene.rows.iter().enumerate() {
            let text = by_phase.entry(phase).or_default();
            let _ = writeln!(text, "[\"{key}\"] = function() return {expression} end,");
        }
        let _ = writeln!(rows, "[\"{}\"] = {{", scene.name);
        for (phase, text) in by_phase {
            let _ = writeln!(rows, "{phase} = {{ {text} }},");
        }
        rows += "},\n";
    }
    for (key, (phase, statements, _)) in effects::all().iter().enumerate() {
        let _ = writeln!(
            effects,
            "[\"{key}\"] = {{ {phase} = function() {statements}\nend }},"
        );
    }
    for (name, arguments, _) in phases::MATRIX {
        let _ = writeln!(
            matrix,
            "[\"{name}\"] = function() return {name}{arguments} end,"
        );
    }
    for phase in phases {
        let _ = writeln!(
            methods,
            "function Pdk:{phase}() return play(\"{phase}\") end"
        );
    }
    // The results are told in place of an answer; the access phase does nothing else in the plugin for `response`.
    let buffered = phases.contains(&"response");
    methods += "local access = Pdk.access\nfunction Pdk:access()\n\
        if kong.request.get_header(\"x-dump\") == ";
    methods += if buffered {
        "\"response\""
    } else {
        "\"filters\""
    };
    methods += " then\nreturn kong.response.exit(200, cjson.encode(seen))\nend\n\
        return access and access()\nend\n";
    let text = include_str!("../lua/pdk.lua");
    let text = text
        .replace("--SCENES--", &rows)
        .replace("--EFFECTS--", &effects);
    text.replace("--MATRIX--", &matrix)
        .replace("--PHASES--", &methods)
}

/// The gateway of all tables: `/` has the plugin for everything, `/whole` has the one for `response` beside it, `/auth` asks
/// for a key, and `/captured` is found by a regular expression.
async fn stage() -> Stage {
    let mut setup = Setup::node_flags([
        "--workers",
        "1",
        "--custom-plugins-egress",
        "any",
        "--trusted-ips",
        "127.0.0.1/32",
    ]);
    setup.nodes = 1;
    let stage = Stage::with(setup).await;
    let admin = stage.gateway.admin();
    stage.push("pdk", &handler(&FILTERS)).await;
    stage
        .push(
            "pdk-whole",
            &handler(&BUFFERED).replace("PRIORITY = 1000", "PRIORITY = 900"),
        )
        .await;
    for (name, path) in [("all", "/"), ("whole", "/whole"), ("auth", "/auth")] {
        stage.route(name, path).await;
    }
    let captured = json!({
        "name": "captured", "paths": ["~/captured/(?<id>\\d+)/([a-z]+)"], "strip_path": false,
        "tags": ["one", "two"],
    });
    admin.create("/services/orders/routes", captured).await;
    let stripped = json!({ "name": "stripped", "paths": ["/stripped"] });
    admin.create("/services/orders/routes", stripped).await;
    let bob = json!({ "username": "bob", "custom_id": "c-bob", "id": client::BOB });
    admin.create("/consumers", bob).await;
    admin
        .create("/consumers/bob/key-auth", json!({ "key": "of-bob" }))
        .await;
    stage.plugin("auth", "key-auth", json!({})).await;
    stage.plugin("whole", "pdk-whole", json!({})).await;
    admin.plugin("", "pdk", json!({})).await;
    stage.gateway.settled().await;
    stage
}

/// What a plugin saw so far.
async fn seen(stage: &Stage, plugin: &str) -> Value {
    let path = if plugin == "response" { "/whole" } else { "/" };
    let reply = stage
        .ask(&Request::get(path).header("X-Dump", plugin))
        .await;
    reply.expect_status(200).json()
}

/// Which plugin is asked about a phase.
fn plugin_of(phase: &str) -> &'static str {
    if phase == "response" {
        "response"
    } else {
        "filters"
    }
}

/// Waits for the outcomes of a scene in a phase; the last phase ends after the answer.
async fn outcomes(stage: &Stage, scene: &str, phase: &str) -> Option<Value> {
    let found = tests::wait::eventually_some(std::time::Duration::from_secs(3), async || {
        let all = seen(stage, plugin_of(phase)).await;
        all[scene].get(phase).cloned()
    });
    found.await
}

/// An outcome in words that a row can be compared with.
fn told(outcome: &Value) -> (bool, Value) {
    let values = outcome["values"].as_str().unwrap_or("null");
    let values = serde_json::from_str(values).unwrap_or_default();
    (outcome["ok"] == true, values)
}

/// True if `got` is what `expected` stands for.
fn matches(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(kind), got) if kind.starts_with('$') => match &kind[1..] {
            "number" => got.is_number(),
            "string" => got.is_string(),
            "table" => got.is_object() || got.is_array(),
            "boolean" => got.is_boolean(),
            "any" => true,
            "function" => got == "<function>",
            other => panic!("no such kind of value: {other}"),
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| matches(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| matches(a, b)))
        }
        // An empty table has one form in JSON.
        (Value::Array(a), Value::Object(b)) => a.is_empty() && b.is_empty(),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

/// What is wrong with the outcome of a row, if anything.
fn judge(stage: &Stage, expected: &str, outcome: &Value) -> Option<String> {
    let (ok, values) = told(outcome);
    let right = match expected.strip_prefix('!') {
        Some(error) => !ok && values[0].as_str().is_some_and(|text| text.ends_with(error)),
        None => {
            let proxy = stage.gateway.node().proxy.port().to_string();
            let text = expected.replace("\"$proxy\"", &proxy);
            let text = text.replace("\"$upstream\"", &stage.upstream.port().to_string());
            let expected: Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{expected}: {error}"));
            // Results that are nil at the end may be left out.
            let trim = |value: &Value| {
                let mut list = value.as_array().cloned().unwrap_or_default();
                while list.last().is_some_and(Value::is_null) {
                    list.pop();
                }
                Value::Array(list)
            };
            ok && matches(&trim(&expected), &trim(&values))
        }
    };
    let verb = if ok { "gives" } else { "throws" };
    (!right).then(|| format!("{verb} {values}, expected {expected}"))
}

async fn play(stage: &Stage, scene: &Scene) -> Vec<String> {
    let script = tests::script(&scene.answer);
    let request = scene.request.clone().header("X-Scene", scene.name);
    let request = match scene.answer.is_null() {
        true => request,
        false => request.header("X-Script", script.trim_start_matches("/script/")),
    };
    let reply = stage.ask(&request).await;
    let mut problems = Vec::new();
    let mut phases: Vec<_> = scene.rows.iter().map(|row| row.0).collect();
    phases.sort_unstable();
    phases.dedup();
    for phase in phases {
        let Some(found) = outcomes(stage, scene.name, phase).await else {
            problems.push(format!("{} never came to {phase}: {reply}", scene.name));
            continue;
        };
        let rows = scene
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.0 == phase);
        for (key, (_, expression, expected)) in rows {
            let outcome = &found[key.to_string()];
            if let Some(why) = judge(stage, expected, outcome) {
                problems.push(format!("{}, {phase}: {expression} {why}", scene.name));
            }
        }
    }
    problems
}

#[tokio::test]
async fn every_function_does_what_the_page_says() {
    let stage = stage().await;
    let mut problems = Vec::new();
    let (mut rows, mut runs) = (0, 0);
    for scene in scenes() {
        rows += scene.rows.len();
        problems.extend(play(&stage, &scene).await);
    }
    for (key, effect) in effects::all().iter().enumerate() {
        runs += 1;
        problems.extend(effects::play(&stage, key, effect).await);
    }
    problems.extend(in_every_phase(&stage).await);
    println!(
        "{rows} rows, {runs} effects, {} functions in every phase",
        phases::MATRIX.len()
    );
    assert!(
        problems.is_empty(),
        "{} of them: {problems:#?}",
        problems.len()
    );
}

/// Each function works or throws the right message, phase by phase.
async fn in_every_phase(stage: &Stage) -> Vec<String> {
    let mut problems = Vec::new();
    // A handshake, then a request of each kind.
    drop(tls::connect(stage.gateway.node().proxy_tls, Some("gateway.test"), &[]).await);
    http2::exchange(
        stage.gateway.node().proxy_tls,
        &Request::get("/").header("X-Scene", "phases"),
    )
    .await;
    stage
        .ask(&Request::get("/whole").header("X-Scene", "phases"))
        .await;
    for phase in FILTERS.into_iter().chain(["response"]) {
        let Some(found) = outcomes(stage, "phases", phase).await else {
            problems.push(format!("the phases never came to {phase}"));
            continue;
        };
        for (name, _, letters) in phases::MATRIX {
            let (ok, values) = told(&found[*name]);
            let message = values[0].as_str().unwrap_or_default();
            if let Some(why) = phases::judge(phase, letters, ok, message) {
                problems.push(format!("{name} in {phase}: {why}"));
            }
        }
    }
    problems
}

#[test]
fn every_function_of_the_page_has_a_row() {
    let (rows, effects) = (scenes(), effects::all());
    let mut texts: Vec<&str> = rows
        .iter()
        .flat_map(|scene| scene.rows.iter().map(|row| row.1))
        .collect();
    texts.extend(effects.iter().map(|effect| effect.1));
    let tried = |name: &str| {
        texts.iter().any(|text| {
            text.match_indices(name).any(|(at, _)| {
                let after = text[at + name.len()..].chars().next().unwrap_or(' ');
                !after.is_alphanumeric() && after != '_'
            })
        })
    };
    let of_matrix = phases::MATRIX.iter().map(|row| row.0);
    let all = of_matrix.chain(names::ANYWHERE.iter().copied());
    let missing: Vec<_> = all.filter(|name| !tried(name)).collect();
    assert!(
        missing.is_empty(),
        "no row shows what these do: {missing:#?}"
    );
    let mut names: Vec<_> = scenes().iter().map(|scene| scene.name).collect();
    names.sort_unstable();
    let unique = names.len();
    names.dedup();
    assert_eq!(names.len(), unique, "scenes have names of their own");
}

/// In `init_worker` there is no request; only trusted plugins have it.
#[tokio::test]
async fn functions_in_init_worker_are_those_that_need_no_request() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let plugin = folder.path().join("starts");
    std::fs::create_dir(&plugin).expect("the folder can be made");
    let handler = handler(&["access"]).replace(
        "return Pdk\n",
        "function Pdk:init_worker() run(\"phases\", \"init_worker\", matrix) end\nreturn Pdk\n",
    );
    std::fs::write(plugin.join("handler.lua"), handler).expect("the folder can be written");
    std::fs::write(plugin.join("schema.lua"), super::schema("starts", ""))
        .expect("the folder can be written");
    let path = folder.path().display().to_string();
    let flags = ["--lua-plugins", &path, "--plugins", "bundled,starts"]
        .map(str::to_owned)
        .to_vec();
    let node = flags
        .iter()
        .cloned()
        .chain(["--workers", "1"].map(str::to_owned));
    let setup = Setup {
        data_plane: node.collect(),
        control_plane: flags,
        ..Setup::default()
    };
    let stage = Stage::with(setup).await;
    stage.route("all", "/").await;
    stage.plugin("all", "starts", json!({})).await;
    stage.gateway.settled().await;
    eventually("it has started", || async {
        seen(&stage, "filters").await["phases"]["init_worker"].is_object()
    })
    .await;
    let found = &seen(&stage, "filters").await["phases"]["init_worker"];
    let mut problems = Vec::new();
    for (name, _, letters) in phases::MATRIX {
        let (ok, values) = told(&found[*name]);
        let message = values[0].as_str().unwrap_or_default();
        if let Some(why) = phases::judge("init_worker", letters, ok, message) {
            problems.push(format!("{name}: {why}"));
        }
    }
    assert!(
        problems.is_empty(),
        "{} of them: {problems:#?}",
        problems.len()
    );
}
