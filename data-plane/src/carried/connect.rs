//! New connections to upstreams: TCP, and TLS where the service says https.

use std::io;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::http1::Connection;
use super::http1::stream::Stream;
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
}

/// Connects. `profile`: how TLS is spoken, if the key says so.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(key: &Key, profile: Option<&Profile>) -> Result<Connection, ConnectError> {
    let tcp = TcpStream::connect(key.address)
        .await
        .map_err(ConnectError::Tcp)?;
    tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
    let (Some(tls), Some(profile)) = (&key.tls, profile) else {
        return Ok(Connection::new(Stream::Plain(tcp)));
    };
    let name = ServerName::try_from(tls.server_name.to_string())
        .map_err(|_| ConnectError::Name(tls.server_name.to_string()))?;
    let stream = TlsConnector::from(profile.config().clone())
        .connect(name, tcp)
        .await
        .map_err(ConnectError::Tls)?;
    Ok(Connection::new(Stream::Tls(Box::new(stream))))
}
