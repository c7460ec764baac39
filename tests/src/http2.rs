//! An HTTP/2 client over TLS that reports what came back as [`wire`](crate::wire) does.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::tls;
use crate::wire::{Header, PATIENCE, Reply, Request, latin1};

/// Sends requests on one connection, as many at once as are wanted.
pub type Sender = http2::SendRequest<Full<Bytes>>;

/// A connection to a port that speaks TLS and HTTP/2.
pub async fn connect(address: SocketAddr) -> Sender {
    let stream = tls::connect(address, Some("gateway.test"), &["h2"])
        .await
        .expect("TLS is served");
    assert_eq!(
        stream.get_ref().1.alpn_protocol(),
        Some(&b"h2"[..]),
        "HTTP/2 is agreed on"
    );
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    sender
}

/// One request on a connection of its own. A stream that was reset has the note `stream error`, after what came of it.
pub async fn exchange(address: SocketAddr, request: &Request) -> Reply {
    ask(&mut connect(address).await, request).await
}

/// One request among others on a connection.
pub async fn ask(sender: &mut Sender, request: &Request) -> Reply {
    match within(sender.send_request(translated(request))).await {
        Some(Ok(response)) => read(response).await,
        Some(Err(_)) => failed("connection error"),
        None => failed("client timeout"),
    }
}

fn translated(request: &Request) -> http::Request<Full<Bytes>> {
    let url = format!("https://gateway.test{}", request.path);
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let body = request.body.clone().unwrap_or_default();
    builder.body(Full::from(body)).expect("a sound request")
}

async fn read(response: http::Response<Incoming>) -> Reply {
    let (head, mut body) = response.into_parts();
    let mut reply = Reply {
        status: head.status.as_u16(),
        headers: lines(&head.headers),
        ..Reply::default()
    };
    loop {
        match within(body.frame()).await {
            Some(None) => return reply,
            Some(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => reply.body.extend_from_slice(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().ok();
                    reply.trailers = trailers.as_ref().map(lines).unwrap_or_default();
                }
            },
            Some(Some(Err(_))) => reply.note = "stream error",
            None => reply.note = "client timeout",
        }
        if !reply.note.is_empty() {
            return reply;
        }
    }
}

fn lines(headers: &http::HeaderMap) -> Vec<Header> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), latin1(value.as_bytes()))
    };
    headers.iter().map(line).collect()
}

async fn within<F: Future>(work: F) -> Option<F::Output> {
    tokio::time::timeout(PATIENCE, work).await.ok()
}

fn failed(note: &'static str) -> Reply {
    Reply {
        note,
        ..Reply::default()
    }
}
