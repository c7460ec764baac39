//! What came of a run, and its form for programs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use shared::plugins::custom::CustomPlugin;

use super::asked::Asked;
use super::client::Reply;
use super::upstream::{Got, headers};
use crate::lua::trace::{Answering, Asking, End, Line, Traced};
use crate::proxy::ctx::Promise;

/// What came of a run.
pub(super) struct Report {
    pub(super) name: String,
    /// The request line.
    pub(super) asked: String,
    /// What the handler declares; nothing if it does not load.
    pub(super) plugin: Option<Arc<CustomPlugin>>,
    /// Why it does not load.
    pub(super) problems: Vec<Problem>,
    /// What happened, if it loads.
    pub(super) run: Option<Run>,
}

/// What happened.
pub(super) struct Run {
    /// When the request was sent.
    pub(super) sent: Instant,
    pub(super) calls: Vec<Traced>,
    pub(super) upstream: Option<Got>,
    pub(super) reply: Result<Reply, String>,
    /// Lines that are of no call: warnings of the node.
    pub(super) others: Vec<Line>,
}

/// Something that is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) place: String,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(place: String, message: &str) -> Self {
        Self {
            place,
            message: message.to_owned(),
        }
    }
}

impl Report {
    /// A plugin that does not load.
    pub(super) fn refused(asked: &Asked, problems: Vec<Problem>) -> Self {
        Self {
            name: asked.name.clone(),
            asked: format!("{} {}", asked.method, asked.target),
            plugin: None,
            problems,
            run: None,
        }
    }

    /// A plugin that ran.
    pub(super) fn ran(asked: &Asked, plugin: Option<Arc<CustomPlugin>>, mut run: Run) -> Self {
        // What the node says of a call that failed is in the call.
        let label = format!("[{}@", asked.name);
        run.others.retain(|line| !line.text.contains(&label));
        Self {
            plugin,
            run: Some(run),
            ..Self::refused(asked, Vec::new())
        }
    }

    /// Whether it loads, did not fail, and the client has its answer.
    pub(super) fn is_ok(&self) -> bool {
        let Some(run) = &self.run else {
            return false;
        };
        let failed = |call: &Traced| matches!(call.end, End::Failed(_));
        let whole = matches!(&run.reply, Ok(reply) if reply.broken.is_none());
        whole && !run.calls.iter().any(failed)
    }

    /// The phases that the handler has methods for and that were not called.
    pub(super) fn idle(&self) -> Vec<&'static str> {
        let Some((plugin, run)) = self.plugin.as_ref().zip(self.run.as_ref()) else {
            return Vec::new();
        };
        let called = |phase: &&'static str| run.calls.iter().any(|call| call.phase == *phase);
        let phases = plugin.phases.iter().copied();
        phases.filter(|phase| !called(phase)).collect()
    }

    /// The form for programs; README.md of `deploy/examples` shows one.
    pub(super) fn json(&self) -> Value {
        let plugin = self.plugin.as_ref().map(|plugin| {
            json!({
                "version": plugin.version, "priority": plugin.priority, "phases": plugin.phases,
                "sha256": plugin.sha256,
            })
        });
        let mut out = json!({ "ok": self.is_ok(), "name": self.name, "plugin": plugin });
        let problem =
            |problem: &Problem| json!({ "place": problem.place, "message": problem.message });
        out["problems"] = self.problems.iter().map(problem).collect();
        let Some(run) = &self.run else {
            return out;
        };
        out["calls"] = run
            .calls
            .iter()
            .map(|traced| call(traced, run.sent))
            .collect();
        out["not_called"] = self.idle().into();
        out["upstream"] = run.upstream.as_ref().map_or(Value::Null, |got| {
            json!({
                "method": got.method, "path": got.target, "headers": headers(&got.headers),
                "body": body(&got.body),
            })
        });
        out["answer"] = match &run.reply {
            Ok(reply) => json!({
                "status": reply.status, "headers": headers(&reply.headers), "body": body(&reply.body),
                "broken": reply.broken,
            }),
            Err(error) => json!({ "error": error }),
        };
        out["logs"] = run.others.iter().map(line).collect();
        out
    }
}

fn call(traced: &Traced, sent: Instant) -> Value {
    let mut out = json!({
        "phase": traced.phase,
        "plugin": traced.plugin,
        "at_ms": ms(traced.begun.saturating_duration_since(sent)),
        "wall_ms": ms(traced.wall),
        "cpu_ms": ms(traced.cpu),
        "logs": traced.lines.iter().map(line).collect::<Value>(),
    });
    if let Some((before, after)) = &traced.request {
        out["request"] = json!({ "before": asking(before), "after": asking(after) });
    }
    if let Some((before, after)) = &traced.response {
        out["response"] = json!({ "before": answering(before), "after": answering(after) });
    }
    if !traced.promised.is_empty() {
        out["promised"] = traced.promised.iter().map(promise).collect();
    }
    if let Some(piece) = &traced.piece {
        out["piece"] = json!({ "before": piece.before, "after": piece.after, "last": piece.last });
    }
    let (end, more) = match &traced.end {
        End::Returned => ("returned", None),
        End::Quietly => ("ended", None),
        End::Failed(error) => ("failed", Some(("error", Value::from(error.as_str())))),
        End::Answered {
            status,
            headers: given,
            body: bytes,
        } => {
            let answer =
                json!({ "status": status, "headers": headers(given), "body": body(bytes) });
            ("answered", Some(("answer", answer)))
        }
    };
    out["end"] = end.into();
    if let Some((name, value)) = more {
        out[name] = value;
    }
    out
}

fn asking(asking: &Asking) -> Value {
    json!({
        "method": asking.method, "path": asking.target, "headers": headers(&asking.headers),
        "body_bytes": asking.body,
    })
}

fn answering(answering: &Answering) -> Value {
    json!({ "status": answering.status, "headers": headers(&answering.headers) })
}

fn promise(promise: &Promise) -> Value {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    match promise {
        Promise::Set(name, values) => {
            let values: Vec<String> = values.iter().map(text).collect();
            json!({ "set": name.as_str(), "values": values })
        }
        Promise::Add(name, value) => json!({ "add": name.as_str(), "values": [text(value)] }),
        Promise::Clear(name) => json!({ "clear": name.as_str() }),
    }
}

fn line(line: &Line) -> Value {
    json!({ "level": line.level, "text": line.text })
}

/// A text, or `{"base64": …}` for what is none.
fn body(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => Map::from_iter([("base64".to_owned(), STANDARD.encode(bytes).into())]).into(),
    }
}

/// Milliseconds with three digits behind the point.
pub(super) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
