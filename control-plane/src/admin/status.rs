//! What this control plane says about itself (admin-api.md 11).

use super::error::Failure;
use super::openapi::About;
use super::openapi::shape::{count, flag, list, map, object, text, uuid, words};
use super::reply::Reply;
use super::serve::Call;
use super::{Admin, Answer};
use crate::store::{Filter, Page};
use serde_json::{Map, Value, json};
use shared::settings::Listeners;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// The release of Kong whose Admin API this one speaks; clients switch features by it.
pub const KONG_VERSION: &str = "3.10.0";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const PAGE: usize = 1000;

/// The names of configured plugins, and the revision they were read at.
pub type EnabledPlugins = Mutex<Option<(u64, Vec<String>)>>;

/// What [`root`] answers.
pub fn about_root() -> About {
    let plugin = object([
        ("version", text()),
        ("priority", json!({ "type": "integer" })),
    ]);
    let plugins = object([
        ("available_on_server", map(plugin)),
        ("enabled_in_cluster", list(text())),
    ]);
    let shape = object([
        ("version", json!({ "const": KONG_VERSION })),
        ("tagline", text()),
        ("edition", text()),
        ("headgate", object([("version", text())])),
        ("hostname", text()),
        ("node_id", uuid()),
        ("lua_version", text()),
        (
            "timers",
            object([("running", count()), ("pending", count())]),
        ),
        (
            "pids",
            object([("master", count()), ("workers", list(count()))]),
        ),
        ("plugins", plugins),
        ("configuration", map(json!({}))),
    ]);
    About::new("This control plane").answers(200, shape)
}

/// `GET /`
pub async fn root(call: &Call<'_>) -> Answer {
    let admin = call.admin;
    let plugins = json!({
        "available_on_server": available(call),
        "enabled_in_cluster": enabled(call).await?,
    });
    Ok(Reply::ok(&json!({
        "version": KONG_VERSION,
        "tagline": "Welcome to Headgate",
        "edition": "community",
        "headgate": { "version": VERSION },
        "hostname": admin.hostname,
        "node_id": admin.node_id,
        "lua_version": lua::version(),
        "timers": { "running": 0, "pending": 0 },
        "pids": { "master": std::process::id(), "workers": [std::process::id()] },
        "plugins": plugins,
        "configuration": configuration(call),
    })))
}

fn available(call: &Call<'_>) -> Map<String, Value> {
    let plugins = call.admin.catalog.iter();
    plugins
        .map(|plugin| {
            let about = json!({ "version": plugin.version, "priority": plugin.priority });
            (plugin.name.to_string(), about)
        })
        .collect()
}

/// Every name that a plugin document has, read again only after a change.
async fn enabled(call: &Call<'_>) -> Result<Vec<String>, Failure> {
    let admin = call.admin;
    let head = admin.store.head();
    if let Some(names) = admin.known_enabled() {
        return Ok(names);
    }
    let mut names = BTreeSet::new();
    let mut after = None;
    loop {
        let page = Page {
            after,
            size: PAGE,
            filter: Filter::None,
            search: None,
        };
        let plugins = admin.store.list("plugins", page).await?;
        for plugin in plugins.documents {
            if let Some(name) = plugin.document.get("name").and_then(Value::as_str) {
                names.insert(name.to_owned());
            }
        }
        after = plugins.next;
        if after.is_none() {
            break;
        }
    }
    let names: Vec<String> = names.into_iter().collect();
    *admin
        .enabled
        .lock()
        .expect("nothing panics while holding it") = Some((head, names.clone()));
    Ok(names)
}

impl Admin {
    /// The names of configured plugins, if they were read since the last change.
    pub(super) fn known_enabled(&self) -> Option<Vec<String>> {
        let known = self
            .enabled
            .lock()
            .expect("nothing panics while holding it");
        let known = known
            .as_ref()
            .filter(|(revision, _)| *revision == self.store.head());
        known.map(|(_, names)| names.clone())
    }

    /// Has them read again.
    pub(super) fn forget_enabled(&self) {
        *self
            .enabled
            .lock()
            .expect("nothing panics while holding it") = None;
    }
}

/// Every setting, with Kong's members beside them; secrets are hidden by their type.
fn configuration(call: &Call<'_>) -> Value {
    let config = &call.admin.config;
    let mut shown = config.shown();
    let more = json!({
        "database": "sqlite",
        "role": "control_plane",
        "router_flavor": "traditional_compatible",
        "admin_listeners": listeners(&config.admin_listen),
        "proxy_listeners": [],
        "stream_listeners": [],
        "plugins": config.plugins.0,
    });
    shown.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(shown)
}

fn listeners(listeners: &Listeners) -> Vec<Value> {
    let shown = listeners.0.iter().map(|listen| {
        let (ip, port) = (listen.address.ip(), listen.address.port());
        json!({
            "listener": listen.address.to_string(), "ip": ip, "port": port,
            "ssl": listen.tls, "http2": listen.http2,
            "proxy_protocol": false, "bind": false, "deferred": false, "reuseport": false,
        })
    });
    shown.collect()
}

/// What [`status`] answers.
pub fn about_status() -> About {
    let counters = [
        "connections_accepted",
        "connections_handled",
        "connections_active",
        "connections_reading",
        "connections_writing",
        "connections_waiting",
        "total_requests",
    ];
    let worker = object([
        ("pid", count()),
        (
            "http_allocated_gc",
            json!({ "type": ["string", "integer"] }),
        ),
    ]);
    let memory = object([
        ("workers_lua_vms", list(worker)),
        ("lua_shared_dicts", map(json!({}))),
    ]);
    let shape = object([
        ("database", object([("reachable", flag())])),
        ("server", object(counters.map(|name| (name, count())))),
        ("memory", memory),
    ]);
    let unit = words(&["b", "B", "k", "K", "m", "M", "g", "G"]);
    About::new("Whether it works, and how busy it is")
        .query("unit", unit, "What memory is counted in.")
        .query("scale", text(), "Digits after the point.")
        .answers(200, shape)
}

/// `GET /status`
pub async fn status(call: &Call<'_>) -> Answer {
    let traffic = &call.admin.traffic;
    let accepted = traffic.accepted.load(Ordering::Relaxed);
    let active = traffic.active.load(Ordering::Relaxed);
    let serving = traffic.serving.load(Ordering::Relaxed);
    let memory = memory(call)?;
    let reachable = call.admin.store.get("services", Uuid::nil()).await.is_ok();
    Ok(Reply::ok(&json!({
        "database": { "reachable": reachable },
        "server": {
            "connections_accepted": accepted,
            "connections_handled": accepted,
            "connections_active": active,
            "connections_reading": 0,
            "connections_writing": serving,
            "connections_waiting": active.saturating_sub(serving),
            "total_requests": traffic.requests.load(Ordering::Relaxed),
        },
        "memory": memory,
    })))
}

/// Kong shows the memory of its Lua machines; there are none here, so the process stands for them.
fn memory(call: &Call<'_>) -> Result<Value, Failure> {
    let unit = call.query.first("unit").unwrap_or("m");
    let scale = scale(call)?;
    let bytes = resident_bytes();
    let (divisor, name) = match unit {
        "b" | "B" => return Ok(memory_of(json!(bytes))),
        "k" | "K" => (1024.0, "KiB"),
        "m" | "M" => (1024.0 * 1024.0, "MiB"),
        "g" | "G" => (1024.0 * 1024.0 * 1024.0, "GiB"),
        _ => {
            let text = format!("invalid unit '{unit}' (expected 'k/K', 'm/M', 'g/G' or 'b/B')");
            return Err(Failure::bad_request(text));
        }
    };
    let size = bytes as f64 / divisor;
    Ok(memory_of(json!(format!("{size:.scale$} {name}"))))
}

fn memory_of(allocated: Value) -> Value {
    let worker = json!({ "pid": std::process::id(), "http_allocated_gc": allocated });
    json!({ "workers_lua_vms": [worker], "lua_shared_dicts": {} })
}

/// Digits after the point; what is no number counts as absent.
fn scale(call: &Call<'_>) -> Result<usize, Failure> {
    const DEFAULT: f64 = 2.0;
    const MOST: f64 = 9.0;
    let sent = call.query.first("scale").and_then(|text| text.parse().ok());
    let scale: f64 = sent.unwrap_or(DEFAULT);
    if scale < 0.0 {
        return Err(Failure::bad_request(
            "scale must be equal or greater than 0",
        ));
    }
    Ok(scale.min(MOST) as usize)
}

/// Resident memory of this process; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_ascii_whitespace().nth(1);
    pages
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * PAGE_BYTES
}

/// What [`endpoints`] answers.
pub fn about_endpoints() -> About {
    About::new("Every address").answers(200, object([("data", list(text()))]))
}

/// `GET /endpoints`
pub fn endpoints(call: &Call<'_>) -> Reply {
    let listed = call
        .admin
        .endpoints
        .iter()
        .filter(|endpoint| !endpoint.alias);
    let paths: Vec<&str> = listed.map(|endpoint| endpoint.path.as_str()).collect();
    Reply::ok(&json!({ "data": paths }))
}
