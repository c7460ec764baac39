//! The demo upstream: answers any request with a JSON description of it.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The longest body that is echoed.
const LONGEST_BODY: usize = 1 << 20;

/// A demo upstream that listens; it ends when dropped.
pub struct Demo {
    /// Where, with the port the system chose for 0.
    pub addresses: Vec<SocketAddr>,
    _tasks: JoinSet<()>,
}

impl Demo {
    /// Listens on every address and answers from then on. The error says which address cannot be had.
    pub async fn start(listen: &[SocketAddr]) -> Result<Self, (SocketAddr, std::io::Error)> {
        let mut demo = Self {
            addresses: Vec::new(),
            _tasks: JoinSet::new(),
        };
        for address in listen {
            let listener = TcpListener::bind(address)
                .await
                .map_err(|error| (*address, error))?;
            demo.addresses
                .push(listener.local_addr().map_err(|error| (*address, error))?);
            demo._tasks.spawn(accept(listener));
        }
        Ok(demo)
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            // An accept that fails concerns a client that has gone.
            Ok((stream, _)) = listener.accept() => {
                let serve = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo));
                connections.spawn(async { drop(serve.await) });
            }
        }
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
        return Ok(answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            &json!({ "message": "the demo upstream takes 1 MiB" }),
        ));
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let seen = json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query().unwrap_or_default(),
        "headers": headers(&head.headers),
        "body": body,
    });
    Ok(answer(StatusCode::OK, &seen))
}

/// A header that came in several lines has its values joined, as RFC 9110 5.3 reads them.
fn headers(headers: &HeaderMap) -> Value {
    let mut seen = Map::new();
    for name in headers.keys() {
        let values = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        seen.insert(
            name.to_string(),
            values.collect::<Vec<_>>().join(", ").into(),
        );
    }
    seen.into()
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(format!("{body:#}\n")));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    answer
}
