//! The service behind the gateway: a port of this machine that gives one answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::asked::Canned;
use crate::lua::trace::pairs;

/// What the upstream got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) at: Instant,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// An upstream that listens.
pub(super) struct Upstream {
    listener: TcpListener,
    canned: Arc<Canned>,
    got: Arc<Mutex<Option<Got>>>,
}

impl Upstream {
    /// Listens on a port that the system chooses.
    pub(super) async fn listen(canned: &Canned) -> std::io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind("127.0.0.1:0").await?,
            canned: Arc::new(canned.clone()),
            got: Arc::default(),
        })
    }

    pub(super) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The last request.
    pub(super) fn got(&self) -> Option<Got> {
        self.got
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Answers, until nobody polls it.
    pub(super) async fn serve(&self) -> Infallible {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let (canned, got) = (self.canned.clone(), self.got.clone());
            connections.spawn(async move {
                let service = service_fn(|request| answer(request, &canned, &got));
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                drop(serving.await); // the gateway has what it wanted, or says what it lacks
            });
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    canned: &Canned,
    place: &Mutex<Option<Got>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let got = Got {
        at,
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: pairs(&head.headers),
        body: body.collect().await?.to_bytes().to_vec(),
    };
    let mut answer = match &canned.body {
        Some(body) => Response::new(Full::from(body.clone())),
        None => echo(&got),
    };
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(got);
    *answer.status_mut() = canned.status;
    let headers = answer.headers_mut();
    for (name, _) in &canned.headers {
        headers.remove(name);
    }
    for (name, value) in &canned.headers {
        headers.append(name, value.clone());
    }
    Ok(answer)
}

fn echo(got: &Got) -> Response<Full<Bytes>> {
    let (path, query) = got
        .target
        .split_once('?')
        .unwrap_or((got.target.as_str(), ""));
    let seen = json!({
        "method": got.method,
        "path": path,
        "query": query,
        "headers": headers(&got.headers),
        "body": String::from_utf8_lossy(&got.body),
    });
    let mut response = Response::new(Full::from(format!("{seen:#}\n")));
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

/// Headers as an object; a name that came more than once has a list.
pub(super) fn headers(pairs: &[(String, String)]) -> Value {
    let mut seen = serde_json::Map::new();
    for (name, value) in pairs {
        let value = Value::from(value.as_str());
        match seen.get_mut(name) {
            None => {
                seen.insert(name.clone(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(one) => *one = Value::from(vec![one.take(), value]),
        }
    }
    seen.into()
}
