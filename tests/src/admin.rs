//! A client of the Admin API: exact bytes when a test needs them, short words when it does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::upstream::Upstream;
use crate::wire::{Reply, Request, send_raw};

/// Speaks to one control plane and remembers the newest revision it answered with.
#[derive(Clone)]
pub struct Admin {
    address: SocketAddr,
    revision: Arc<AtomicU64>,
}

impl Admin {
    pub fn new(address: SocketAddr) -> Admin {
        Admin {
            address,
            revision: Arc::default(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The newest `Headgate-Revision` an answer carried.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    pub async fn send(&self, request: &Request) -> Reply {
        self.send_raw(&request.bytes("localhost"), &request.method)
            .await
    }

    /// Sends exact bytes.
    pub async fn send_raw(&self, bytes: &[u8], method: &str) -> Reply {
        let reply = send_raw(self.address, bytes, method).await;
        if let Some(revision) = revision_of(&reply) {
            self.revision.fetch_max(revision, Ordering::SeqCst);
        }
        reply
    }

    /// Takes note of a revision that was answered to somebody else, a `curl` for instance.
    pub fn note(&self, revision: u64) {
        self.revision.fetch_max(revision, Ordering::SeqCst);
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(&Request::get(path)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(&Request::new("DELETE", path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(&Request::new("POST", path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(&Request::new("PUT", path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(&Request::new("PATCH", path).json(&body)).await
    }

    /// POST of a form body as `curl -d` sends it.
    pub async fn form(&self, path: &str, body: &str) -> Reply {
        self.send(&Request::new("POST", path).form(body)).await
    }

    /// POST that must succeed; gives the created document.
    pub async fn create(&self, path: &str, body: Value) -> Value {
        self.post(path, body).await.expect_status(201).json()
    }

    /// A service of this name in front of the upstream; gives its document.
    pub async fn service(&self, name: &str, upstream: &Upstream) -> Value {
        self.create("/services", json!({ "name": name, "url": upstream.url() }))
            .await
    }

    /// A route named after its service, on one path that is not stripped.
    pub async fn route(&self, service: &str, path: &str) -> Value {
        let route = json!({ "name": service, "paths": [path], "strip_path": false });
        self.create(&format!("/services/{service}/routes"), route)
            .await
    }

    /// A plugin on `scope` (`/routes/orders`, or empty for a global one).
    pub async fn plugin(&self, scope: &str, name: &str, config: Value) -> Value {
        self.create(
            &format!("{scope}/plugins"),
            json!({ "name": name, "config": config }),
        )
        .await
    }

    /// Every document of a collection, page by page.
    pub async fn list(&self, collection: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = format!("/{collection}?size=1000");
        loop {
            let page = self.get(&next).await.expect_status(200).json();
            all.extend(
                page["data"]
                    .as_array()
                    .expect("a list has data")
                    .iter()
                    .cloned(),
            );
            match page["next"].as_str() {
                Some(path) => next = path.to_owned(),
                None => return all,
            }
        }
    }
}

/// The revision an answer carries.
pub fn revision_of(reply: &Reply) -> Option<u64> {
    reply.header("headgate-revision")?.parse().ok()
}
