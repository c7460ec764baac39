//! The store on a real file.

mod backup;
mod constraints;
mod history;
mod listing;
mod opening;
mod staging;
mod writing;

use super::*;
use serde_json::{Value, json};
use shared::schema::Document;
use tempfile::TempDir;

/// A store in a folder that goes with it.
struct Home {
    store: Store,
    folder: TempDir,
}

impl Home {
    fn new() -> Home {
        let folder = TempDir::new().unwrap();
        Home {
            store: Store::open(folder.path()).unwrap(),
            folder,
        }
    }

    /// Closes the store and opens it again.
    fn reopened(self) -> Home {
        let Home { store, folder } = self;
        drop(store);
        Home {
            store: Store::open(folder.path()).unwrap(),
            folder,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Closes the store; its folder stays.
    fn close(self) -> TempDir {
        self.folder
    }

    async fn insert(&self, kind: &'static str, document: Value) -> Committed {
        self.try_write(insert(kind, document)).await.unwrap()
    }

    async fn try_write(&self, write: Write) -> Result<Committed, WriteError> {
        self.store.write(vec![write], "tests").await
    }
}

fn insert(kind: &'static str, document: Value) -> Write {
    Write::Insert {
        kind,
        document: object(document),
    }
}

fn update(kind: &'static str, document: Value, expected: Option<u64>) -> Write {
    Write::Update {
        kind,
        document: object(document),
        expected,
    }
}

fn upsert(kind: &'static str, document: Value) -> Write {
    Write::Upsert {
        kind,
        document: object(document),
    }
}

fn delete(kind: &'static str, number: u128) -> Write {
    Write::Delete {
        kind,
        id: id(number),
    }
}

fn object(value: Value) -> Document {
    match value {
        Value::Object(document) => document,
        other => panic!("not a document: {other}"),
    }
}

/// An id that reads as its number.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn foreign(number: Option<u128>) -> Value {
    number.map_or(Value::Null, |number| json!({ "id": id(number) }))
}

fn consumer(number: u128, username: &str) -> Value {
    json!({ "id": id(number), "username": username, "custom_id": null, "tags": null })
}

fn service(number: u128, name: &str) -> Value {
    json!({ "id": id(number), "name": name, "host": "upstream.test", "client_certificate": null, "tags": null })
}

fn route(number: u128, name: &str, service: Option<u128>) -> Value {
    json!({ "id": id(number), "name": name, "service": foreign(service), "tags": null })
}

fn key(number: u128, key: &str, consumer: u128) -> Value {
    json!({ "id": id(number), "key": key, "consumer": foreign(Some(consumer)), "tags": null })
}

fn acl(number: u128, group: &str, consumer: u128) -> Value {
    json!({ "id": id(number), "group": group, "consumer": foreign(Some(consumer)), "tags": null })
}

/// A plugin on a service, a route, a consumer.
fn plugin(number: u128, name: &str, scope: [Option<u128>; 3]) -> Value {
    let [service, route, consumer] = scope.map(foreign);
    json!({
        "id": id(number), "name": name, "instance_name": null, "config": {}, "tags": null,
        "service": service, "route": route, "consumer": consumer,
    })
}

fn rejection(result: Result<Committed, WriteError>) -> Rejection {
    match result {
        Err(WriteError::Rejected { reason, .. }) => reason,
        other => panic!("not rejected: {other:?}"),
    }
}
