//! New connections to upstreams: TCP, TLS where the service says https, and the HTTP/1.1 handshake.

use std::io;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::outgoing::TrackedBody;
use super::pool::Key;
use super::trust::Profile;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// TCP.
    #[error("{0}")]
    Tcp(#[source] io::Error),
    /// TLS, the check of the certificate included.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// The name is none that TLS could check.
    #[error("'{0}' is not a name for TLS")]
    Name(String),
    /// HTTP.
    #[error("{0}")]
    Handshake(#[source] hyper::Error),
    /// It was closed before it could be used.
    #[error("the connection was closed")]
    Closed,
}

/// Connects and spawns the task that drives the connection. `profile`: how TLS is spoken, if the key says so.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(
    key: &Key,
    profile: Option<&Profile>,
) -> Result<SendRequest<TrackedBody>, ConnectError> {
    let tcp = TcpStream::connect(key.address)
        .await
        .map_err(ConnectError::Tcp)?;
    tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
    let (Some(tls), Some(profile)) = (&key.tls, profile) else {
        return handshake(tcp).await;
    };
    let name = ServerName::try_from(tls.server_name.to_string())
        .map_err(|_| ConnectError::Name(tls.server_name.to_string()))?;
    let stream = TlsConnector::from(profile.config().clone())
        .connect(name, tcp)
        .await
        .map_err(ConnectError::Tls)?;
    handshake(stream).await
}

async fn handshake<S>(stream: S) -> Result<SendRequest<TrackedBody>, ConnectError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Handshake)?;
    // The connection ends with its sender, which the pool or a request holds.
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok(sender)
}
