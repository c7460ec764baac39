//! A control plane of its own for each test, and a client that sees what any client sees.

use bytes::Bytes;
use control_plane::{Config, Running};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use shared::settings::{Inputs, load};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A running control plane.
pub struct Plane {
    pub running: Running,
    folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; panics with what it is instead.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no '{name}' in {self:?}"));
        value.to_str().expect("a header of text")
    }

    /// The JSON body, if the status is the expected one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// The `id` of a document that was created.
    #[track_caller]
    pub fn id(&self) -> String {
        self.json()["id"]
            .as_str()
            .expect("a document has an id")
            .to_owned()
    }
}

impl Plane {
    pub async fn start() -> Plane {
        Plane::start_with(&[]).await
    }

    /// With settings beside the ones every test needs.
    pub async fn start_with(settings: &[(&str, &str)]) -> Plane {
        let folder = tempfile::tempdir().expect("a temporary directory");
        Plane::start_in(folder, settings).await
    }

    /// In a folder that may hold what another one left.
    pub async fn start_in(folder: TempDir, settings: &[(&str, &str)]) -> Plane {
        let running = control_plane::start(config(folder.path(), settings)).await;
        Plane {
            running: running.expect("ports and folder are free"),
            folder,
        }
    }

    /// Stops it; its folder stays.
    pub async fn stop(self) -> TempDir {
        self.running.stop().await;
        self.folder
    }

    /// Where it keeps its state.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("cp")
    }

    /// One request on a connection of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = TcpStream::connect(self.running.admin[0])
            .await
            .expect("it listens");
        let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connected.expect("it speaks HTTP");
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        drop(sender);
        connection.abort();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    /// A request with headers and a body, as they are.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "admin.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        self.send(request.body(body).expect("a request")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.raw("DELETE", path, &[], "").await
    }

    /// A JSON body.
    pub async fn json(&self, method: &str, path: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.raw(method, path, &headers, &body.to_string()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json("POST", path, body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.json("PUT", path, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json("PATCH", path, body).await
    }

    /// A form body, sent as it is.
    pub async fn form(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.raw(method, path, &headers, body).await
    }

    /// A service of that name; its id.
    pub async fn service(&self, name: &str) -> String {
        let body = serde_json::json!({ "name": name, "host": "h.test" });
        let made = self.post("/services", body).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.id()
    }

    /// A route of that name, perhaps of a service; its id.
    pub async fn route(&self, name: &str, service: Option<&str>) -> String {
        let service = service.map(|id| serde_json::json!({ "id": id }));
        let body =
            serde_json::json!({ "name": name, "paths": [format!("/{name}")], "service": service });
        let made = self.post("/routes", body).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.id()
    }

    /// A consumer of that name; its id.
    pub async fn consumer(&self, name: &str) -> String {
        let made = self
            .post("/consumers", serde_json::json!({ "username": name }))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        made.id()
    }
}

/// Settings of a control plane under `folder`, on ports that are free.
pub fn config(folder: &Path, settings: &[(&str, &str)]) -> Config {
    let data_dir = folder.join("cp").display().to_string();
    let mut flags: Vec<(&str, &str)> = vec![
        ("data_dir", &data_dir),
        ("admin_listen", "127.0.0.1:0"),
        ("sync_listen", "127.0.0.1:0"),
        ("enroll_listen", "127.0.0.1:0"),
    ];
    flags.extend(settings);
    let flags = flags
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let inputs = Inputs {
        flags: flags.collect(),
        directory: folder.to_owned(),
        ..Inputs::default()
    };
    load::<Config>(&inputs).expect("valid settings").value
}
