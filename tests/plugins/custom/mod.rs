//! Plugins written in Lua, from the Admin API through the stream to nodes and clients (custom-plugins.md). Every test
//! follows the page, not the code.
//!
//! Read [`Stage`], then `acceptance` (the page's target, S1 to S10).

mod acceptance;
mod delivery;
mod functions;
mod hostile;
mod idioms;
mod interleaving;
mod limits;
mod listing;
mod many;
mod nodes;
mod pdk;
mod redis;

use serde_json::{Value, json};
use tests::wire::Reply;
use tests::{Gateway, Request, Setup, Upstream};

/// A gateway, an upstream behind its service `orders`, and plugins of a test's own.
pub struct Stage {
    // First, so that the processes end before what they talk to.
    pub gateway: Gateway,
    pub upstream: Upstream,
}

impl Stage {
    /// One node with one worker and more flags: what a test sees is what one Lua state does.
    pub async fn start(flags: &[&str]) -> Stage {
        let own = ["--workers", "1", "--custom-plugins-egress", "any"];
        Stage::with(Setup::node_flags(own.iter().chain(flags).copied())).await
    }

    pub async fn with(setup: Setup) -> Stage {
        let (gateway, upstream) = (Gateway::with(setup).await, Upstream::start().await);
        gateway.admin().service("orders", &upstream).await;
        Stage { gateway, upstream }
    }

    /// A route to the upstream with a path of its own, which its requests keep.
    pub async fn route(&self, name: &str, path: &str) {
        let route = json!({ "name": name, "paths": [path], "strip_path": false });
        let admin = self.gateway.admin();
        admin.create("/services/orders/routes", route).await;
    }

    /// Gives the control plane a plugin without settings.
    pub async fn push(&self, name: &str, handler: &str) -> Value {
        self.push_with(name, "", handler).await
    }

    /// Gives the control plane a plugin with these fields of `config`, as `schema.lua` writes them.
    pub async fn push_with(&self, name: &str, fields: &str, handler: &str) -> Value {
        let body = source(name, fields, handler);
        self.gateway.admin().create("/custom-plugins", body).await
    }

    /// A plugin without settings on a route of its own, both named alike: `/<name>` leads to it.
    pub async fn alone(&self, name: &str, handler: &str) {
        self.push(name, handler).await;
        self.route(name, &format!("/{name}")).await;
        self.plugin(name, name, json!({})).await;
    }

    /// Configures a plugin for a route.
    pub async fn plugin(&self, route: &str, name: &str, config: Value) -> Value {
        let scope = format!("/routes/{route}");
        self.gateway.admin().plugin(&scope, name, config).await
    }

    /// A request to the first node.
    pub async fn ask(&self, request: &Request) -> Reply {
        self.gateway.node().send(request).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask(&Request::get(path)).await
    }

    /// Waits for a line of the first node's log that holds all of these texts.
    pub async fn logged(&self, texts: &[&str]) -> String {
        let process = &self.gateway.node().process;
        let found = tests::wait::eventually_some(tests::wait::DEADLINE, async || {
            let log = process.stderr();
            let found = log
                .lines()
                .find(|line| texts.iter().all(|text| line.contains(text)));
            found.map(str::to_owned)
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("no line of the log holds all of {texts:?}"))
    }
}

/// The source of a plugin as `/custom-plugins` takes it.
pub fn source(name: &str, fields: &str, handler: &str) -> Value {
    json!({ "name": name, "schema": schema(name, fields), "handler": handler })
}

/// A `schema.lua` with these fields of `config`.
pub fn schema(name: &str, fields: &str) -> String {
    format!(
        "local typedefs = require \"kong.db.schema.typedefs\"\n\
         return {{ name = \"{name}\", fields = {{\n\
           {{ protocols = typedefs.protocols_http }},\n\
           {{ config = {{ type = \"record\", fields = {{ {fields} }} }} }},\n\
         }} }}\n"
    )
}

/// A handler table with a version and these methods.
pub fn handler(methods: &str) -> String {
    format!("local Plugin = {{ PRIORITY = 1000, VERSION = \"0.0.1\" }}\n{methods}\nreturn Plugin\n")
}
