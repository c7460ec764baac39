//! Plays the vectors of a page against one gateway: a route each, told apart by a header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::coding::encode;
use tests::wait::{DEADLINE, eventually_some};
use tests::wire::Reply;
use tests::{Gateway, Request, Setup, Upstream, script};

use super::judge::{BY, SERVICE_HOST};
use super::{Bytes, Vector};

/// A gateway with a route for each vector, with a limit for bodies that a vector can exceed.
pub struct Stage {
    gateway: Gateway,
    upstream: Upstream,
    /// By vector: why its configuration was refused.
    refused: Vec<(String, String)>,
}

impl Stage {
    /// Starts a gateway and configures each vector's plugin on a route of its own.
    pub async fn start(sets: &[(&str, Vec<Vector>)]) -> Stage {
        // The longest body of the vectors that is changed has 9,000 bytes.
        let setup = Setup::node_flags(["--transform-max-body-size", "20000"]);
        let (gateway, upstream) = (Gateway::with(setup).await, Upstream::start().await);
        let vectors = || sets.iter().flat_map(|(_, vectors)| vectors);
        let target = json!({ "target": format!("127.0.0.1:{}", upstream.port()) });
        let document = json!({
            "_format_version": "3.0",
            "upstreams": [{ "name": SERVICE_HOST, "host_header": SERVICE_HOST, "targets": [target] }],
            "services": [{
                "name": "all",
                "host": SERVICE_HOST,
                "routes": vectors().map(Vector::route).collect::<Vec<_>>(),
            }],
            "consumers": [{ "username": "bob", "keyauth_credentials": [{ "key": "of-bob" }] }],
        });
        let admin = gateway.admin();
        admin.post("/config", document).await.expect_status(201);
        let mut refused = Vec::new();
        for (plugin, vectors) in sets {
            for vector in vectors {
                let body = json!({ "name": plugin, "config": vector.config });
                let path = format!("/routes/{}/plugins", vector.id);
                let reply = admin.post(&path, body).await;
                if reply.status != 201 {
                    let message = reply.json()["message"].to_string();
                    refused.push((vector.id.clone(), message));
                }
            }
        }
        gateway.settled().await;
        Stage {
            gateway,
            upstream,
            refused,
        }
    }

    /// Plays a vector; gives what differs from the page, in words.
    pub async fn play(&mut self, vector: &Vector) -> Vec<String> {
        if let Some((_, why)) = self.refused.iter().find(|(id, _)| *id == vector.id) {
            return vec![format!("its configuration is refused: {why}")];
        }
        let before = self.upstream.requests();
        let logged = self.gateway.node().process.stderr().len();
        let body = vector.upstream_body();
        let reply = self.gateway.node().send(&vector.request(&body)).await;
        let seen = (self.upstream.requests() > before).then(|| self.upstream.last());
        let mut problems = vector.judge_sent(seen.as_ref(), self.upstream.port());
        problems.extend(vector.judge_reply(&reply, &body));
        problems.extend(self.missing_in_log(vector, &reply, logged).await);
        if vector.got.status.is_some() && seen.is_some() {
            problems.push("a request that fails reached the upstream".to_owned());
        }
        let running = self.gateway.nodes[0].process.is_running();
        assert!(running, "{} ended the node: {problems:#?}", vector.id);
        problems
    }

    async fn missing_in_log(&self, vector: &Vector, reply: &Reply, from: usize) -> Vec<String> {
        // A failure is told in one line with the id of its request.
        let id = match vector.got.status {
            Some(_) => reply.header("x-kong-request-id").unwrap_or_default(),
            None => "",
        };
        let while_it_ran = vector.log.iter().map(|text| (text, from, id));
        let so_far = vector.load_log.iter().map(|text| (text, 0, ""));
        let mut missing = Vec::new();
        for (text, from, id) in while_it_ran.chain(so_far) {
            let is_there = |line: &str| line.contains(&**text) && line.contains(id);
            let found = eventually_some(DEADLINE, async || {
                let log = self.gateway.node().process.stderr();
                log[from..].lines().any(is_there).then_some(())
            });
            if found.await.is_none() {
                let log = self.gateway.node().process.stderr();
                missing.push(format!("not in the log: {text:?}, but {:?}", &log[from..]));
            }
        }
        missing
    }
}

impl Vector {
    fn route(&self) -> Value {
        let path = self.route.as_deref().unwrap_or("/");
        let mut plugins = Vec::new();
        if self.consumer.is_some() {
            plugins.push(json!({ "name": "key-auth", "config": { "hide_credentials": true } }));
        }
        if let Some(shared) = &self.shared {
            // Texts of JSON are texts of Lua, as far as these go.
            let members = shared.as_object().into_iter().flatten();
            let sets: Vec<String> = members
                .map(|(name, value)| format!("kong.ctx.shared[{}] = {value}", json!(name)))
                .collect();
            plugins.push(json!({ "name": "pre-function", "config": { "access": sets } }));
        }
        json!({
            "name": self.id,
            "paths": [path],
            "headers": { BY: [self.id] },
            "strip_path": false,
            "plugins": plugins,
        })
    }

    pub(super) fn method(&self) -> &str {
        let line = self.request.line.as_deref().unwrap_or("GET");
        line.split(' ').next().unwrap_or_default()
    }

    /// The upstream's body as it goes over the wire.
    fn upstream_body(&self) -> Vec<u8> {
        let plain = self.upstream.body.as_ref().map(Bytes::bytes);
        let coding = self
            .upstream
            .headers
            .iter()
            .find(|(name, _)| name == "Content-Encoding");
        encode(
            coding.map_or("", |(_, coding)| coding),
            &plain.unwrap_or_default(),
        )
    }

    /// The request; where no target is given, one that makes the upstream answer as the vector says.
    fn request(&self, upstream_body: &[u8]) -> Request {
        let mut request = match &self.request.line {
            Some(line) if self.sent.is_some() || self.got.status.is_some() => {
                let (method, target) = line.split_once(' ').expect("a method and a target");
                Request::new(method, target)
            }
            _ => {
                let body = STANDARD.encode(upstream_body);
                let framing = if self.upstream.chunked {
                    "chunked"
                } else {
                    "length"
                };
                let answer = json!({
                    "status": self.upstream.status.unwrap_or(200),
                    "headers": self.upstream.headers,
                    "body_b64": body,
                    "framing": framing,
                });
                Request::new(self.method(), "/")
                    .header("X-Script", script(&answer).trim_start_matches("/script/"))
            }
        };
        request = request.header("Host", "gw.test").header(BY, &self.id);
        if self.consumer.is_some() {
            request = request.header("apikey", "of-bob");
        }
        for (name, value) in &self.request.headers {
            request = request.header(name, value);
        }
        match &self.request.body {
            Some(body) => request.body(body.bytes()),
            None => request,
        }
    }
}
