//! The node's status listener: `/status`, `/status/ready`, `/metrics`, `/upstreams/{u}/health` (proxy-and-routing.md 13).

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};

use super::metrics::{Metrics, head};
use crate::balancer::report;
use crate::listen::Node;
use crate::proxy::headers::SERVER_TOKEN;
use crate::sync::{Arrival, Link};

/// The longest body that is read: `status=draining` needs a few bytes.
const LONGEST_BODY: usize = 4096;

/// How long Lua that nothing can end may hold a worker before the node gets no more traffic (custom-plugins.md 6.3).
const STUCK: Duration = Duration::from_secs(30);

/// How long a node that booted from its own copy waits for the control plane before it calls itself ready
/// (sync-protocol.md 8).
const FIRST_SYNC: Duration = Duration::from_secs(3);

/// What the status listener tells about.
pub struct Status {
    /// What is served.
    pub node: Arc<Node>,
    /// The counters.
    pub metrics: Metrics,
    /// The link to the control plane.
    pub link: Link,
    /// Set by the operator: not ready any more.
    pub draining: AtomicBool,
    /// When the process began.
    pub started: Instant,
}

impl Status {
    /// Answers one request.
    pub async fn respond(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().trim_end_matches('/').to_owned();
        let method = request.method().clone();
        let read = method == Method::GET || method == Method::HEAD;
        Ok(match (path.as_str(), read) {
            ("/status", true) => answer(StatusCode::OK, &self.status()),
            ("/status/ready", true) => self.ready(),
            ("/status/ready", false) if method == Method::POST => self.set_ready(request).await,
            ("/metrics", true) => text(self.metrics()),
            ("/status" | "/status/ready" | "/metrics", _) => not_allowed(),
            (path, _) if path.starts_with("/upstreams/") => self.upstream(&request).await,
            _ => answer(StatusCode::NOT_FOUND, &json!({"message": "Not found"})),
        })
    }

    fn status(&self) -> Value {
        let runtime = self.node.runtime.load();
        let (accepted, open) = self.metrics.connections();
        let link = self.link.status();
        let digest = runtime
            .version
            .as_ref()
            .map_or([0; 40], |v| v.digest.to_bytes());
        let hash: String = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
        json!({
            "configuration": {
                "revision": runtime.revision(),
                "epoch": runtime.version.as_ref().map(|v| v.epoch.to_string()),
                "digest": runtime.version.as_ref().map(|v| v.digest.to_string()),
                "stale": link.stale() && runtime.version.is_some(),
                "age_s": link.age().as_secs(),
                "last_update": link.last_update.map(Arrival::as_str),
                "source": if link.alone { "file" } else { "control_plane" },
                "connected": link.connected,
                "head_revision": link.head,
                "durable_revision": link.durable.as_ref().map(|v| v.revision),
                "booted_from": link.booted_from.as_str(),
                "cache_degraded": link.cache_degraded,
                "error": link.last_error,
                "needs_attention": link.needs_attention,
            },
            "configuration_hash": hash,
            "server": {
                "connections_accepted": accepted,
                "connections_active": open,
                "connections_handled": accepted,
                "connections_reading": 0,
                "connections_writing": 0,
                "connections_waiting": 0,
                "total_requests": self.metrics.requests(),
            },
            "memory": { "workers_lua_vms": [], "lua_shared_dicts": {} },
            "node_id": link.node_id,
            "headgate": { "version": env!("CARGO_PKG_VERSION") },
        })
    }

    /// `GET /upstreams/{u}/health`, as the Admin API has it where it balances itself (admin-api.md 8.8).
    async fn upstream(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().trim_end_matches('/');
        let key = path
            .strip_prefix("/upstreams/")
            .and_then(|rest| rest.strip_suffix("/health"));
        let runtime = self.node.runtime.load_full();
        let Some(balancer) = key.and_then(|key| runtime.balancers.find(key)) else {
            return answer(StatusCode::NOT_FOUND, &json!({"message": "Not found"}));
        };
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return not_allowed();
        }
        let query = request.uri().query().unwrap_or_default();
        let whole = query.split('&').any(|pair| pair == "balancer_health=1");
        let data = match whole {
            true => report::upstream(balancer, &self.node.dns).await,
            false => report::targets(balancer, &self.node.dns).await.into(),
        };
        let node_id = self.link.status().node_id;
        answer(
            StatusCode::OK,
            &json!({ "data": data, "next": null, "node_id": node_id }),
        )
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        match self.unready() {
            None => answer(StatusCode::OK, &json!({"message": "ready"})),
            Some(reason) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"message": reason})),
        }
    }

    /// Why this node should get no traffic.
    fn unready(&self) -> Option<&'static str> {
        if self.draining.load(Relaxed) {
            return Some("draining");
        }
        if lua::limits::overdue() > STUCK {
            return Some("Lua on a worker has not come back for 30 s");
        }
        let runtime = self.node.runtime.load();
        match &runtime.version {
            None => Some("no configuration available (configuration hash is not initialized)"),
            Some(version)
                if version.digest.documents() == 0 && !self.link.status().explicit_empty =>
            {
                Some("no configuration available (empty configuration present)")
            }
            Some(_) if self.first_sync_outstanding() => Some("waiting for the control plane"),
            Some(_) => None,
        }
    }

    /// A node that booted from its own copy gives the control plane a moment to say that it is current.
    fn first_sync_outstanding(&self) -> bool {
        !self.link.status().synced && self.started.elapsed() < FIRST_SYNC
    }

    async fn set_ready(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = match Limited::new(request.into_body(), LONGEST_BODY)
            .collect()
            .await
        {
            Ok(body) => body.to_bytes(),
            Err(_) => {
                return answer(
                    StatusCode::BAD_REQUEST,
                    &json!({"message": "cannot read the body"}),
                );
            }
        };
        let wanted = match serde_json::from_slice::<Value>(&body) {
            Ok(value) => value["status"].as_str().map(str::to_owned),
            Err(_) => form_urlencoded::parse(&body)
                .find(|(n, _)| n == "status")
                .map(|(_, v)| v.into_owned()),
        };
        match wanted.as_deref() {
            Some("draining") => {
                self.draining.store(true, Relaxed);
                empty(StatusCode::NO_CONTENT)
            }
            other => {
                let got = other.map_or("nothing".to_owned(), |text| format!("'{text}'"));
                let message = format!("status: got {got}, expected 'draining'");
                answer(StatusCode::BAD_REQUEST, &json!({"message": message}))
            }
        }
    }

    fn metrics(&self) -> String {
        let mut out = String::with_capacity(4096);
        self.metrics.render(&mut out);
        let runtime = self.node.runtime.load();
        let link = self.link.status();
        for (name, kind, help, value) in [
            (
                "headgate_config_revision",
                "gauge",
                "Revision that is served.",
                runtime.revision(),
            ),
            (
                "headgate_config_connected",
                "gauge",
                "1 while the control plane is connected.",
                u64::from(link.connected),
            ),
            (
                "headgate_config_age_seconds",
                "gauge",
                "Since the control plane was last heard.",
                link.age().as_secs(),
            ),
            (
                "headgate_config_persist_failures_total",
                "counter",
                "Copies that could not be kept on disk.",
                link.persist_failures,
            ),
        ] {
            head(&mut out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
        head(
            &mut out,
            "headgate_config_build_seconds",
            "gauge",
            "How long the last revision took to build.",
        );
        let _ = writeln!(
            out,
            "headgate_config_build_seconds {}",
            link.build.as_secs_f64()
        );
        out
    }
}

fn not_allowed() -> Response<Full<Bytes>> {
    answer(
        StatusCode::METHOD_NOT_ALLOWED,
        &json!({"message": "Method not allowed"}),
    )
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(http::header::SERVER, HeaderValue::from_static(SERVER_TOKEN));
    response
}

fn text(body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}
