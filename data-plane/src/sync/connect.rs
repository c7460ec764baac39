//! One connection: name, TCP, TLS, HTTP/2. Each step has its time and its own words when it fails.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use shared::settings::Endpoint;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{self, Channel};
use tower::service_fn;

use super::identity::Identity;
use super::verify::{ControlPlane, Trust, provider};

/// What TCP and TLS may take, each.
const STEP_WITHIN: Duration = Duration::from_secs(5);
/// HTTP/2 PING, both its interval and its patience.
const PING: Duration = Duration::from_secs(10);
/// A snapshot should not wait for window updates; the configuration may be tens of megabytes.
const WINDOW: u32 = 1 << 20;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot resolve the control plane's name '{0}': {1}")]
    Resolve(String, io::Error),
    #[error(
        "cannot connect to the control plane at {0}: {1} (is it listening, and reachable from this node?)"
    )]
    Tcp(SocketAddr, io::Error),
    #[error("no TLS connection to the control plane at {0}: {reason}", reason = tls_reason(.1))]
    Tls(SocketAddr, io::Error),
    #[error("no HTTP/2 connection to the control plane at {0}: {reason}", reason = whole(.1))]
    Http(SocketAddr, transport::Error),
    #[error("'{0}' cannot be a server's name")]
    Name(String),
    #[error("the node's certificate cannot be used: {0}")]
    Certificate(rustls::Error),
}

/// An error and what caused it: the transport's own texts name only the layer.
pub(super) fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// What our own verifier said, in its words; rustls prints it as a debug value.
fn tls_reason(error: &io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(reason))) => {
            reason.0.to_string()
        }
        _ => error.to_string(),
    }
}

/// The addresses that names had when they last resolved: DNS may be down for longer than a node should be.
#[derive(Default)]
pub(super) struct Resolver {
    known: HashMap<String, Vec<SocketAddr>>,
}

impl Resolver {
    async fn resolve(&mut self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, ConnectError> {
        let lookup = timeout(
            STEP_WITHIN,
            lookup_host((endpoint.host.as_str(), endpoint.port)),
        );
        let error = match lookup.await {
            Ok(Ok(addresses)) => {
                let addresses: Vec<_> = addresses.collect();
                self.known.insert(endpoint.to_string(), addresses.clone());
                return Ok(addresses);
            }
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        let known = self.known.get(&endpoint.to_string()).cloned();
        known.ok_or_else(|| ConnectError::Resolve(endpoint.host.clone(), error))
    }
}

/// TLS 1.3 with this node's certificate, to a control plane of its cluster.
pub(super) fn cluster(identity: &Identity) -> Result<ClientConfig, ConnectError> {
    let trust = Trust::Cluster(identity.roots(), identity.trust_domain.clone());
    let config = builder(trust).with_client_auth_cert(identity.chain(), identity.key());
    config.map(with_http2).map_err(ConnectError::Certificate)
}

/// TLS 1.3 without a certificate, to whoever has the CA key that a token names.
pub(super) fn pinned(ca_key: [u8; 32]) -> ClientConfig {
    with_http2(builder(Trust::Pinned(ca_key)).with_no_client_auth())
}

fn builder(trust: Trust) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ControlPlane::new(trust)))
}

fn with_http2(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Connects to the first address that answers. The channel has this one connection: when it ends, calls fail.
pub(super) async fn connect(
    endpoint: &Endpoint,
    config: ClientConfig,
    resolver: &mut Resolver,
) -> Result<Channel, ConnectError> {
    let host = &endpoint.host;
    let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::Name(host.clone()))?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut failed = ConnectError::Resolve(host.clone(), io::Error::other("it has no address"));
    for address in resolver.resolve(endpoint).await? {
        let stream = match within(TcpStream::connect(address)).await {
            Ok(stream) => stream,
            Err(error) => {
                failed = ConnectError::Tcp(address, error);
                continue;
            }
        };
        let _ = stream.set_nodelay(true); // small messages, answered one by one
        let stream = match within(connector.connect(name.clone(), stream)).await {
            Ok(stream) => stream,
            Err(error) => {
                failed = ConnectError::Tls(address, error);
                continue;
            }
        };
        return http2(endpoint, TokioIo::new(stream))
            .await
            .map_err(|error| ConnectError::Http(address, error));
    }
    Err(failed)
}

async fn http2<S>(endpoint: &Endpoint, stream: S) -> Result<Channel, transport::Error>
where
    S: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let mut stream = Some(stream);
    let once = service_fn(move |_| {
        let stream = stream.take();
        async move {
            stream.ok_or_else(|| io::Error::other("the connection to the control plane has ended"))
        }
    });
    // TLS is done: the scheme only fills the pseudo-header.
    transport::Endpoint::from_shared(format!("http://{endpoint}"))?
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .connect_with_connector(once)
        .await
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let timed = timeout(STEP_WITHIN, step).await;
    timed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
