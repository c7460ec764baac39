//! New connections to upstreams: TCP, TLS where the service says https, and the HTTP/1.1 handshake.

use std::io;
use std::sync::Arc;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use shared::settings::TrustedCertificates;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::outgoing::TrackedBody;
use super::pool::Key;

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
    /// The trust store of `lua_ssl_trusted_certificate`.
    #[error("lua_ssl_trusted_certificate: {0}")]
    Trust(String),
    /// It was closed before it could be used.
    #[error("the connection was closed")]
    Closed,
}

/// Makes connections. One per worker; the TLS configurations are shared by the node.
#[derive(Clone)]
pub struct Connector {
    /// Checks the upstream's certificate.
    pub verified: Arc<ClientConfig>,
    /// Does not (`tls_verify` off, Kong's default).
    pub unverified: Arc<ClientConfig>,
}

impl Connector {
    /// Reads the trust store.
    ///
    /// # Errors
    /// [`ConnectError::Trust`] names a file that holds no certificates.
    pub fn new(trusted: &TrustedCertificates) -> Result<Self, ConnectError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .map_err(|error| ConnectError::Trust(error.to_string()))
        };
        let verified = builder()?
            .with_root_certificates(roots(trusted)?)
            .with_no_client_auth();
        let unverified = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider.clone())))
            .with_no_client_auth();
        Ok(Self {
            verified: Arc::new(verified),
            unverified: Arc::new(unverified),
        })
    }

    /// Connects and spawns the task that drives the connection.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(&self, key: &Key) -> Result<SendRequest<TrackedBody>, ConnectError> {
        let tcp = TcpStream::connect(key.address)
            .await
            .map_err(ConnectError::Tcp)?;
        tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
        let Some(tls) = &key.tls else {
            return handshake(tcp).await;
        };
        let name = ServerName::try_from(tls.server_name.to_string())
            .map_err(|_| ConnectError::Name(tls.server_name.to_string()))?;
        let config = if tls.verify {
            &self.verified
        } else {
            &self.unverified
        };
        let stream = TlsConnector::from(config.clone())
            .connect(name, tcp)
            .await
            .map_err(ConnectError::Tls)?;
        handshake(stream).await
    }
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

fn roots(trusted: &TrustedCertificates) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    if trusted.system {
        // A machine without a trust store verifies nothing; that shows at the first verified connection.
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    for file in &trusted.files {
        let bad = |reason: String| ConnectError::Trust(format!("{}: {reason}", file.display()));
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad(error.to_string()))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(bad("it holds no certificate".to_owned()));
        }
    }
    Ok(roots)
}

/// Accepts any certificate, as Kong does with `tls_verify` off; signatures of the handshake are still checked.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
