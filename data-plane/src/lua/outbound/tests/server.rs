//! Services that do as they are told, on a port of their own.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// One thing that a service does on a connection; at the end of the list it closes it.
#[derive(Clone, Debug)]
pub(in crate::lua) enum Do {
    /// Reads a request, its body included.
    Read,
    /// Reads this many bytes.
    Take(usize),
    /// Writes.
    Say(String),
    /// Writes many bytes.
    Flood(usize),
    /// Does nothing for so many milliseconds.
    Wait(u64),
    /// Ends the connection with a reset.
    Reset,
}

pub(in crate::lua) fn say(text: &str) -> Do {
    Do::Say(text.to_owned())
}

/// An answer with a body.
pub(in crate::lua) fn ok(body: &str) -> Do {
    Do::Say(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A service: connection n gets script n, those beyond the last one the last.
pub(in crate::lua) struct Service {
    pub(in crate::lua) address: SocketAddr,
    /// What was read, one entry for each [`Do::Read`].
    pub(in crate::lua) requests: Rc<RefCell<Vec<String>>>,
    /// How many connections came.
    pub(in crate::lua) connections: Rc<RefCell<usize>>,
}

impl Service {
    pub(in crate::lua) async fn of(scripts: Vec<Vec<Do>>) -> Self {
        Self::with(scripts, None).await
    }

    /// With TLS, showing a certificate.
    pub(in crate::lua) async fn secure(scripts: Vec<Vec<Do>>, certificate: Shown) -> Self {
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificate.chain, certificate.key)
        .expect("a pair");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        Self::with(scripts, Some(acceptor)).await
    }

    async fn with(scripts: Vec<Vec<Do>>, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = Self {
            address,
            requests: Rc::default(),
            connections: Rc::default(),
        };
        let (requests, connections) = (service.requests.clone(), service.connections.clone());
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let place = (*connections.borrow()).min(scripts.len() - 1);
                *connections.borrow_mut() += 1;
                let (script, requests, tls) =
                    (scripts[place].clone(), requests.clone(), tls.clone());
                tokio::task::spawn_local(async move {
                    match tls {
                        None if matches!(script.last(), Some(Do::Reset)) => {
                            let mut stream = stream;
                            run(&mut stream, &script, &requests).await;
                            reset(&stream);
                        }
                        None => run(stream, &script, &requests).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                run(stream, &script, &requests).await;
                            }
                        }
                    }
                });
            }
        });
        service
    }
}

fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .expect("linger");
}

async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    script: &[Do],
    requests: &RefCell<Vec<String>>,
) {
    let mut stream = BufStream::new(stream);
    for step in script {
        let done = match step {
            Do::Read => match request(&mut stream).await {
                Some(request) => {
                    requests.borrow_mut().push(request);
                    Ok(())
                }
                None => return,
            },
            Do::Take(count) => {
                let mut bytes = vec![0; *count];
                stream.read_exact(&mut bytes).await.map(drop)
            }
            Do::Say(text) => stream.write_all(text.as_bytes()).await,
            Do::Flood(count) => stream.write_all(&vec![b'x'; *count]).await,
            Do::Wait(time) => {
                tokio::time::sleep(Duration::from_millis(*time)).await;
                Ok(())
            }
            Do::Reset => Ok(()),
        };
        if done.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
    if !matches!(script.last(), Some(Do::Reset)) {
        let _ = stream.shutdown().await;
    }
}

/// Head and body of a request; `None`: the connection ended before it was whole.
async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        bytes.push(stream.read_u8().await.ok()?);
        if bytes.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(bytes).expect("text");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse::<usize>().expect("a length"))
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

/// A certificate to show.
pub(in crate::lua) struct Shown {
    pub(in crate::lua) chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    pub(in crate::lua) key: PrivateKeyDer<'static>,
}

/// An authority that a node trusts, and what it signs.
pub(in crate::lua) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    /// Its own certificate.
    pub(in crate::lua) own: rcgen::Certificate,
}

fn day(days: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc() + time::Duration::days(days)
}

impl Authority {
    pub(in crate::lua) fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).expect("a certificate");
        Self {
            issuer: rcgen::Issuer::new(params, key),
            own,
        }
    }

    /// A certificate for `host` that is good from one day to another, counted from today.
    pub(in crate::lua) fn signs(&self, host: &str, from: i64, to: i64) -> Shown {
        let (params, key) = leaf(host, from, to);
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Shown {
            chain: vec![certificate.der().clone()],
            key: der(&key),
        }
    }
}

fn leaf(host: &str, from: i64, to: i64) -> (rcgen::CertificateParams, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec![host.to_owned()]).expect("a name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "a service");
    (params.not_before, params.not_after) = (day(from), day(to));
    (params, key)
}

/// Signed by itself.
pub(in crate::lua) fn self_signed(host: &str) -> Shown {
    signed_by_itself(leaf(host, -1, 1))
}

/// Signed by itself and an authority's, as `openssl req -x509` makes them.
pub(in crate::lua) fn self_signed_authority(host: &str, from: i64, to: i64) -> Shown {
    let (mut params, key) = leaf(host, from, to);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    signed_by_itself((params, key))
}

fn signed_by_itself((params, key): (rcgen::CertificateParams, rcgen::KeyPair)) -> Shown {
    Shown {
        chain: vec![params.self_signed(&key).expect("signed").der().clone()],
        key: der(&key),
    }
}

fn der(key: &rcgen::KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}
