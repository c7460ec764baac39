//! The hub against scripted nodes over real mTLS on loopback.

mod joining;
mod node;
mod planning;
mod probing;
mod sessions;
mod trust;

use super::*;
use crate::store::Write;
use node::Node;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A running hub in a folder of its own.
struct Home {
    hub: Hub,
    store: Store,
    folder: TempDir,
    shutdown: CancellationToken,
}

impl Home {
    async fn new() -> Home {
        Home::in_folder(TempDir::new().unwrap()).await
    }

    async fn in_folder(folder: TempDir) -> Home {
        let store = Store::open(folder.path()).unwrap();
        let shutdown = CancellationToken::new();
        let any = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let settings = Settings {
            catalog: Arc::new(Catalog::builtin().clone()),
            data_dir: folder.path().to_owned(),
            sync_listen: any.clone(),
            enroll_listen: any,
        };
        let hub = Hub::start(store.clone(), settings, shutdown.clone())
            .await
            .unwrap();
        Home {
            hub,
            store,
            folder,
            shutdown,
        }
    }

    /// Stops everything and starts again on the same folder.
    async fn restarted(self) -> Home {
        let Home {
            hub,
            store,
            folder,
            shutdown,
        } = self;
        shutdown.cancel();
        hub.stopped().await;
        drop((hub, store));
        Home::in_folder(folder).await
    }

    fn sync(&self) -> SocketAddr {
        self.hub.addresses().sync[0]
    }

    fn enroll(&self) -> SocketAddr {
        self.hub.addresses().enroll[0]
    }

    async fn token(&self, uses: u32) -> String {
        let labels = Labels::from([("region".to_owned(), "eu".to_owned())]);
        let new = NewToken {
            ttl: Duration::from_secs(60),
            uses,
            labels,
        };
        self.hub.create_token(new, "test".into()).await.unwrap()
    }

    async fn joined(&self) -> Node {
        let token = self.token(1).await;
        Node::join(self.enroll(), &token).await.unwrap()
    }

    /// Writes a service; the revision it became.
    async fn service(&self, number: u128, name: &str) -> u64 {
        self.write(vec![Write::Upsert {
            kind: "services",
            document: service(number, name),
        }])
        .await
    }

    /// The first service, published before any node is there.
    async fn first(&self) {
        let revision = self.service(1, "first").await;
        eventually(|| self.hub.released_revision() == Some(revision)).await;
    }

    async fn write(&self, writes: Vec<Write>) -> u64 {
        self.store.write(writes, "tests").await.unwrap().revision
    }

    fn status(&self, node: &Node) -> NodeStatus {
        let found = self
            .hub
            .nodes()
            .into_iter()
            .find(|status| status.id == node.id);
        found.expect("a node that joined has a record")
    }
}

fn service(number: u128, name: &str) -> shared::schema::Document {
    let service = json!({
        "id": Uuid::from_u128(number), "name": name, "protocol": "http", "host": "upstream.test", "port": 80,
        "path": null, "retries": 5, "connect_timeout": 60000, "write_timeout": 60000, "read_timeout": 60000,
        "client_certificate": null, "tls_verify": null, "tls_verify_depth": null, "ca_certificates": null,
        "enabled": true, "tags": null, "created_at": 1, "updated_at": 1,
    });
    match service {
        Value::Object(document) => document,
        _ => unreachable!("written above"),
    }
}

/// One that gets past the store, but not past `Model::build`.
fn broken(number: u128) -> shared::schema::Document {
    let mut document = service(number, "broken");
    document.insert("port".to_owned(), json!("not a port"));
    document
}

/// Waits until `check` holds; nothing here takes five seconds.
async fn eventually(check: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while !check() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "still not so after 5 s"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
