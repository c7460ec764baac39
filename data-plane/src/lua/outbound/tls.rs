//! TLS to services that plugins call: what is trusted, and why a certificate is not, in OpenSSL's numbers and words.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsTerms;
use crate::carried::trust::Trust;

/// The two ways to speak it, by `lua_ssl_trusted_certificate`.
pub(super) struct Tls {
    verified: Arc<ClientConfig>,
    unverified: Arc<ClientConfig>,
}

impl Tls {
    pub(super) fn new(trust: &Trust) -> Self {
        let mut verified = ClientConfig::clone(trust.verified.config());
        let worded = Arc::new(Worded(trust.verifier()));
        verified.dangerous().set_certificate_verifier(worded);
        let mut unverified = ClientConfig::clone(trust.unverified.config());
        // A session that was begun without a look at the certificate must not be taken up where one is wanted.
        for config in [&mut verified, &mut unverified] {
            config.resumption = Resumption::in_memory_sessions(256);
        }
        Self {
            verified: Arc::new(verified),
            unverified: Arc::new(unverified),
        }
    }

    pub(super) async fn handshake(
        &self,
        terms: &TlsTerms,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let bare = terms.server_name.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(bare)
            .map_err(|_| format!("invalid server name: {}", terms.server_name))?;
        let config = match terms.verify {
            true => &self.verified,
            false => &self.unverified,
        };
        let connector = TlsConnector::from(config.clone());
        let connected = connector.connect(name, stream).await;
        connected.map_err(|error| words(&error))
    }
}

fn words(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) = inner
        && let Some(untrusted) = why.downcast_ref::<Untrusted>()
    {
        return untrusted.to_string();
    }
    tracing::debug!(%error, "a plugin's TLS handshake failed");
    "handshake failed".to_owned()
}

/// Why a certificate is not trusted: `X509_V_ERR_…` and what OpenSSL 3 says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Untrusted(u8, &'static str);

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}

impl std::error::Error for Untrusted {}

impl Untrusted {
    /// Of what rustls says, by the chain that was sent.
    fn of(error: &Error, end_entity: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Self {
        use CertificateError as E;
        let Error::InvalidCertificate(why) = error else {
            return Self(1, "unspecified certificate verification error");
        };
        match why {
            E::UnknownIssuer if is_self_signed(end_entity) => Self(18, "self-signed certificate"),
            E::UnknownIssuer if chain.last().is_some_and(is_self_signed) => {
                Self(19, "self-signed certificate in certificate chain")
            }
            E::UnknownIssuer => Self(20, "unable to get local issuer certificate"),
            E::NotValidYet | E::NotValidYetContext { .. } => {
                Self(9, "certificate is not yet valid")
            }
            E::Expired | E::ExpiredContext { .. } => Self(10, "certificate has expired"),
            E::NotValidForName | E::NotValidForNameContext { .. } => Self(62, "hostname mismatch"),
            E::BadSignature
            | E::UnsupportedSignatureAlgorithmContext { .. }
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self(7, "certificate signature failure")
            }
            E::Revoked => Self(23, "certificate revoked"),
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
                Self(26, "unsuitable certificate purpose")
            }
            E::UnhandledCriticalExtension => Self(34, "unhandled critical extension"),
            E::UnknownRevocationStatus => Self(3, "unable to get certificate CRL"),
            _ => Self(1, "unspecified certificate verification error"),
        }
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, read)| read.issuer().as_raw() == read.subject().as_raw())
}

/// Verifies as another does, and says why not in OpenSSL's words.
#[derive(Debug)]
struct Worded(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for Worded {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.0
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| {
            let untrusted = Untrusted::of(&error, end_entity, intermediates);
            let other = OtherError(Arc::new(untrusted));
            Error::InvalidCertificate(CertificateError::Other(other))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
