//! Who asks: one request on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::asked::Asked;
use crate::lua::trace::pairs;

/// How long an answer may take: longer than a handler may wait.
const PATIENCE: Duration = Duration::from_secs(90);

/// Headers of a request that names none of these.
const OWN: [(http::HeaderName, &str); 3] = [
    (HOST, "localhost"),
    (USER_AGENT, "headgate-plugin-test"),
    (ACCEPT, "*/*"),
];

/// The answer that the client got.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// What went wrong within the body.
    pub(super) broken: Option<String>,
}

/// What is sent: the request's own headers, and those that every client sends.
pub(super) fn request(asked: &Asked) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(asked.body.clone()));
    *request.method_mut() = asked.method.clone();
    // Read once already, when the command line was.
    *request.uri_mut() = asked.target.parse().unwrap_or_default();
    let headers = request.headers_mut();
    for (name, value) in OWN {
        if asked.headers.iter().all(|(given, _)| *given != name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    for (name, value) in &asked.headers {
        headers.append(name, value.clone());
    }
    request
}

/// Sends it, and reads the whole answer.
pub(super) async fn send(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Reply, String> {
    let reply = tokio::time::timeout(PATIENCE, exchange(address, request)).await;
    match reply {
        Ok(reply) => reply.map_err(|error| error.to_string()),
        Err(_) => Err(format!("nothing came within {} s", PATIENCE.as_secs())),
    }
}

async fn exchange(address: SocketAddr, request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends by itself when the sender is dropped, at the end of this function.
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let (head, mut incoming) = answer.into_parts();
    let (mut body, mut broken) = (Vec::new(), None);
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            Err(error) => broken = Some(error.to_string()),
        }
    }
    drop(sender);
    let _ = connection.await;
    Ok(Reply {
        status: head.status.as_u16(),
        headers: pairs(&head.headers),
        body,
        broken,
    })
}
