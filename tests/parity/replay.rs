//! Plays scenarios against a running gateway.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::{Captures, Regex};
use serde_json::Value;
use tests::admin::Admin;
use tests::wire::{Conn, Reply, Request};
use tests::{Gateway, Setup, Upstream};

use crate::compare::{differences, pick};
use crate::normal::{Norm, Port};
use crate::scenario::{Body, Scenario, Step, Target};

/// In an order in which they can be deleted.
const COLLECTIONS: [&str; 11] = [
    "plugins",
    "routes",
    "services",
    "upstreams",
    "consumers",
    "snis",
    "certificates",
    "ca_certificates",
    "vaults",
    "keys",
    "key-sets",
];

/// The longest wait for one answer, whatever a step asks for.
const LONGEST: f64 = 15.0;

pub struct Replayer {
    gateway: Gateway,
    _upstream: Upstream,
    /// Where nothing listens.
    _down: tests::Port,
    ports: Vec<Port>,
    /// What may hold entities of an earlier scenario.
    dirty: BTreeSet<&'static str>,
}

/// The variables of a scenario.
type Names = HashMap<String, String>;

impl Replayer {
    pub async fn start(setup: Setup) -> Replayer {
        let gateway = Gateway::with(setup).await;
        let (upstream, down) = (Upstream::start().await, tests::Port::hold());
        let ports = vec![
            ("up", upstream.port()),
            ("down", down.number()),
            ("proxy_port", gateway.node().proxy.port()),
            ("proxy_ssl_port", gateway.node().proxy_tls.port()),
            ("admin_port", gateway.control_plane.admin.port()),
        ];
        Replayer {
            gateway,
            _upstream: upstream,
            _down: down,
            ports,
            dirty: BTreeSet::from(COLLECTIONS),
        }
    }

    /// Plays a scenario; gives what differs from the record, in words.
    pub async fn play(&mut self, scenario: &Scenario) -> Vec<String> {
        let problems = match self.run(scenario).await {
            Ok(replies) => compare(scenario, &replies),
            Err(problem) => {
                self.dirty = BTreeSet::from(COLLECTIONS);
                vec![problem]
            }
        };
        if !self.gateway.control_plane.process.is_running()
            || !self.gateway.nodes[0].process.is_running()
        {
            panic!("{} ended a plane: {problems:#?}", scenario.name);
        }
        problems
    }

    async fn run(&mut self, scenario: &Scenario) -> Result<Vec<Value>, String> {
        self.reset().await?;
        let mut names: Names = self
            .ports
            .iter()
            .map(|(name, port)| (name.to_string(), port.to_string()))
            .collect();
        for (number, step) in scenario.setup.iter().enumerate() {
            let reply = self.send(step, &mut names).await;
            if !(200..300).contains(&reply.status) {
                return Err(format!(
                    "setup {number} {} {} -> {reply}",
                    step.method, step.path
                ));
            }
        }
        let ports = self.ports.clone();
        let mut norm = Norm::new(scenario, &ports);
        let mut replies = Vec::new();
        for step in &scenario.steps {
            if step.target != Target::Admin {
                self.gateway.settled().await;
            }
            let reply = self.send(step, &mut names).await;
            let normal = norm.reply(&reply, &step.method, step.target);
            replies.push(match &step.only {
                Some(only) => pick(&normal, only),
                None => normal,
            });
        }
        Ok(replies)
    }

    /// Deletes what earlier scenarios left.
    async fn reset(&mut self) -> Result<(), String> {
        let admin = self.gateway.admin().clone();
        for collection in COLLECTIONS {
            if self.dirty.remove(collection) {
                empty(&admin, collection).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, step: &Step, names: &mut Names) -> Reply {
        if let Some(ms) = step.sleep_ms {
            tokio::time::sleep(Duration::from_millis(ms.min(5000))).await;
        }
        if step.target == Target::Admin && matches!(step.method.as_str(), "POST" | "PUT" | "PATCH")
        {
            self.dirty.extend(
                COLLECTIONS
                    .iter()
                    .filter(|name| step.path.contains(&format!("/{name}"))),
            );
        }
        let patience = Duration::from_secs_f64(step.timeout.unwrap_or(60.0).min(LONGEST));
        let reply =
            match tokio::time::timeout(patience, self.exchange(step, &bytes(step, names))).await {
                Ok(reply) => reply,
                Err(_) => Reply {
                    note: "client timeout",
                    ..Reply::default()
                },
            };
        if let Some(prefix) = &step.remembered {
            remember(prefix, &reply, names);
        }
        reply
    }

    async fn exchange(&self, step: &Step, bytes: &[u8]) -> Reply {
        let node = self.gateway.node();
        let conn = match step.target {
            Target::Admin => return self.gateway.admin().send_raw(bytes, &step.method).await,
            Target::Proxy => Conn::plain(node.proxy).await,
            Target::ProxySsl => Conn::tls(node.proxy_tls, step.sni.as_deref()).await,
        };
        let Ok(mut conn) = conn else {
            return Reply {
                note: "cannot connect",
                ..Reply::default()
            };
        };
        let _ = conn.send(bytes).await;
        conn.reply(&step.method).await
    }
}

fn compare(scenario: &Scenario, replies: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, expected) in scenario.expect.iter().enumerate() {
        let step = &scenario.steps[number];
        let found = differences(expected, &replies[number]);
        problems.extend(
            found
                .iter()
                .map(|text| format!("step {number} {} {}: {text}", step.method, step.path)),
        );
    }
    problems
}

async fn empty(admin: &Admin, collection: &str) -> Result<(), String> {
    loop {
        let reply = admin.get(&format!("/{collection}?size=500")).await;
        if matches!(reply.status, 404 | 405) {
            return Ok(());
        }
        if reply.status != 200 {
            return Err(format!("reset: GET /{collection} -> {reply}"));
        }
        let page = reply.json();
        let documents = page["data"].as_array().cloned().unwrap_or_default();
        if documents.is_empty() {
            return Ok(());
        }
        for document in documents {
            let id = document["id"].as_str().unwrap_or_default();
            let deleted = admin.delete(&format!("/{collection}/{id}")).await;
            if !matches!(deleted.status, 204 | 404) {
                return Err(format!("reset: DELETE /{collection}/{id} -> {deleted}"));
            }
        }
    }
}

/// The bytes of a step with its variables filled in.
fn bytes(step: &Step, names: &Names) -> Vec<u8> {
    if let Some(raw) = &step.raw {
        return fill(raw, names).chars().map(|c| c as u8).collect();
    }
    let mut request = Request::new(&step.method, &fill(&step.path, names));
    request.version = if step.version.as_deref() == Some("1.0") {
        "1.0"
    } else {
        "1.1"
    };
    let sent = step
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), fill(value.as_deref()?, names))));
    request.headers = sent.collect();
    request.body = step.body.as_ref().map(|body| match body {
        Body::Text(text) => fill(text, names).into_bytes(),
        Body::B64(text) => STANDARD
            .decode(text)
            .expect("the vectors hold sound base64"),
    });
    let host = if step.target == Target::Admin {
        "localhost"
    } else {
        "gateway.test"
    };
    let without_host = step
        .headers
        .iter()
        .any(|(name, value)| value.is_none() && name.eq_ignore_ascii_case("host"));
    let bytes = request.bytes(host);
    match without_host {
        true => String::from_utf8_lossy(&bytes)
            .replacen(&format!("Host: {host}\r\n"), "", 1)
            .into_bytes(),
        false => bytes,
    }
}

fn fill(text: &str, names: &Names) -> String {
    static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\{\{([A-Za-z_][A-Za-z0-9_.]*)\}\}").expect("a literal pattern")
    });
    let known = |found: &Captures| {
        names
            .get(&found[1])
            .cloned()
            .unwrap_or_else(|| found[0].to_owned())
    };
    VARIABLE.replace_all(text, known).into_owned()
}

fn remember(prefix: &str, reply: &Reply, names: &mut Names) {
    let Ok(Value::Object(document)) = serde_json::from_slice(&reply.body) else {
        return;
    };
    for (name, value) in document {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        if name == "id" {
            names.insert(prefix.to_owned(), text.clone());
        }
        names.insert(format!("{prefix}.{name}"), text);
    }
}
