//! Snippets of handlers, each run in a phase of a made-up request, and what they say: the tests of the PDK are tables of
//! these. [`Scene`] makes requests, [`said`] runs a snippet.

use std::collections::BTreeMap;
use std::rc::Rc;

use lua::mlua::{Function, Value};
use lua::pdk::Phase;
use lua::{Failure, Script};
use serde_json::json;
use uuid::Uuid;

use super::call::{Call, Halted, Identity, Limits, Outcome};
use super::worker;
use crate::proxy::ctx::Ctx;

mod client;
mod hostile;
mod many;
mod node;
mod plugin;
mod request;
mod service;

pub(crate) use crate::proxy::scene::Scene;

/// The configuration that snippets run for.
pub(crate) const INSTANCE: Uuid = Uuid::from_u128(0xABC);

/// Runs `source` as the body of a handler, `function(conf) … end`, of a sandboxed plugin `test`.
pub(crate) fn outcome(ctx: Option<&mut Ctx>, phase: Phase, source: &str) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let state = worker::state().expect("a machine");
    let source = format!("return function(conf) {source}\nend");
    let script = Script::module("test.lua", &source).expect("Lua that compiles");
    let own = state.own_modules(None, "test").expect("memory");
    let environment = state.plugin_environment(false, own).expect("memory");
    let handler = state
        .run_module(&script, environment, false, lua::limits::Limits::default())
        .expect("a function");
    let handler: Function = match handler {
        Value::Function(handler) => handler,
        other => panic!("{other:?} is no function"),
    };
    let identity = Rc::new(Identity::new(
        "test".into(),
        "test@1.0.0 00000000".into(),
        false,
        INSTANCE,
    ));
    let mut call = Call::new(phase, identity, ctx);
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        match phase.waits() {
            true => call.run(&state, handler, (), Limits::of(phase)).await,
            false => call.run_now(&state, handler, (), Limits::of(phase)),
        }
    })
}

/// What a snippet says: its results between commas, as Lua would write them (`'a', 1, nil, {1, 2, a = true}`), or `error:`
/// and the text without its place, or `exit` and the status.
pub(crate) fn said(ctx: Option<&mut Ctx>, phase: Phase, source: &str) -> String {
    match outcome(ctx, phase, source) {
        Outcome::Returned(values) => {
            let shown: Vec<String> = values.iter().map(shown).collect();
            shown.join(", ")
        }
        Outcome::Failed(Failure::Raised(text)) => {
            let text = text.split("\nstack traceback:").next().unwrap_or_default();
            let place = text.split_once(": ").filter(|(place, _)| {
                let line = place.rsplit_once(':').map(|(_, line)| line);
                line.is_some_and(|line| line.parse::<u32>().is_ok())
            });
            format!("error: {}", place.map_or(text, |(_, text)| text))
        }
        Outcome::Failed(other) => format!("error: {other}"),
        Outcome::Halted(Halted::Answer(answer)) => format!("exit {}", answer.status.as_u16()),
        Outcome::Halted(Halted::Quietly) => "exit".to_owned(),
        Outcome::TimedOut(_) => "timed out".to_owned(),
    }
}

/// A value as Lua would write it, the names of tables in order.
fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => format!("'{}'", text.to_string_lossy()),
        Value::Table(table) => {
            let length = table.raw_len();
            let list = (1..=length).map(|at| shown(&table.raw_get(at).expect("an element")));
            let mut named = BTreeMap::new();
            for pair in table.pairs::<Value, Value>() {
                let (name, value) = pair.expect("a pair");
                let name = match &name {
                    Value::Integer(at) if (1..=length as i64).contains(at) => continue,
                    Value::String(name) => name.to_string_lossy(),
                    other => format!("[{}]", shown(other)),
                };
                named.insert(name, shown(&value));
            }
            let named = named
                .into_iter()
                .map(|(name, value)| format!("{name} = {value}"));
            let all: Vec<String> = list.chain(named).collect();
            format!("{{{}}}", all.join(", "))
        }
        other => other.type_name().to_owned(),
    }
}

/// A request for a route `r` with `/api`, and its service `s`: the first two documents.
pub(crate) fn routed() -> Scene {
    let service = "00000000-0000-0000-0000-0000000000a0";
    Scene {
        documents: vec![
            (
                "services",
                json!({"id": service, "name": "s", "host": "up.test"}),
            ),
            (
                "routes",
                json!({
                    "id": "00000000-0000-0000-0000-0000000000a1",
                    "name": "r",
                    "paths": ["/api"],
                    "service": {"id": service},
                }),
            ),
        ],
        target: "/api",
        ..Scene::default()
    }
}

/// Runs a table of snippets, each in a request of its own.
pub(crate) fn check(scene: &Scene, cases: &[(Phase, &str, &str)]) {
    for (phase, source, expected) in cases {
        let mut ctx = scene.ctx();
        assert_eq!(said(Some(&mut ctx), *phase, source), *expected, "{source}");
    }
}

#[test]
fn a_snippet_says_what_it_returns_or_raises() {
    check(
        &Scene::default(),
        &[
            (
                Phase::Access,
                "return 'a', 1, nil, { 1, 2, a = true, [7] = 1.5 }",
                "'a', 1, nil, {1, 2, [7] = 1.5, a = true}",
            ),
            (Phase::Access, "error('no')", "error: no"),
            (Phase::Access, "return kong.response.exit(403)", "exit 403"),
            (
                Phase::Log,
                "kong.response.exit(403)",
                "error: function cannot be called in log phase (only in: rewrite, access, response, header_filter, preread)",
            ),
        ],
    );
    assert_eq!(
        said(None, Phase::Timer, "return kong.ctx.shared"),
        "error: function cannot be called in timer phase \
         (only in: rewrite, access, balancer, response, header_filter, body_filter, log)"
    );
}

/// What others still owe.
const OWED: [&str; 0] = [];

#[test]
fn every_declared_function_does_something() {
    let state = worker::state().expect("a machine");
    let mut unbound = lua::pdk::unbound(state.lua(), super::pdk::bind).expect("memory");
    unbound.sort_unstable();
    assert_eq!(unbound, OWED);
}
