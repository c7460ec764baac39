//! TLS to services that plugins call: what is trusted, and why a certificate is not, in OpenSSL's numbers and words.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
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
        let worded = Arc::new(Worded {
            inner: trust.verifier(),
            roots: trust.roots().clone(),
        });
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

const NOT_YET: Untrusted = Untrusted(9, "certificate is not yet valid");
const EXPIRED: Untrusted = Untrusted(10, "certificate has expired");
const SELF_SIGNED: Untrusted = Untrusted(18, "self-signed certificate");
const MISMATCH: Untrusted = Untrusted(62, "hostname mismatch");

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
            E::UnknownIssuer if is_self_signed(end_entity) => SELF_SIGNED,
            E::UnknownIssuer if chain.last().is_some_and(is_self_signed) => {
                Self(19, "self-signed certificate in certificate chain")
            }
            E::UnknownIssuer => Self(20, "unable to get local issuer certificate"),
            E::NotValidYet | E::NotValidYetContext { .. } => NOT_YET,
            E::Expired | E::ExpiredContext { .. } => EXPIRED,
            E::NotValidForName | E::NotValidForNameContext { .. } => MISMATCH,
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
            // An authority's own, shown as a service's.
            _ if is_self_signed(end_entity) => SELF_SIGNED,
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
struct Worded {
    inner: Arc<dyn ServerCertVerifier>,
    roots: Arc<RootCertStore>,
}

impl Worded {
    /// Judges a certificate that is trusted itself; `None`: it is not. OpenSSL takes such a one as a service's though it be
    /// an authority's, as `openssl req -x509` makes them, and rustls does not.
    fn judge_trusted(
        &self,
        end_entity: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<(), Untrusted>> {
        let (_, read) = X509Certificate::from_der(end_entity).ok()?;
        // Whoever shows it has its key, as the handshake proves: subject and key say which it is.
        let same = |anchor: &&TrustAnchor<'_>| {
            is_content(read.subject().as_raw(), &anchor.subject)
                && is_content(read.public_key().raw, &anchor.subject_public_key_info)
        };
        self.roots.roots.iter().find(same)?;
        let now = i64::try_from(now.as_secs()).ok()?;
        if now < read.validity().not_before.timestamp() {
            return Some(Err(NOT_YET));
        } else if now > read.validity().not_after.timestamp() {
            return Some(Err(EXPIRED));
        }
        let parsed = ParsedCertificate::try_from(end_entity).ok()?;
        Some(verify_server_name(&parsed, name).map_err(|_| MISMATCH))
    }
}

/// Whether DER holds just this behind its head.
fn is_content(der: &[u8], content: &[u8]) -> bool {
    let head = match content.len() {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        0x100..=0xffff => 4,
        _ => return false,
    };
    der.len() == head + content.len() && der.ends_with(content)
}

impl ServerCertVerifier for Worded {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let error = match verified {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        let untrusted = match self.judge_trusted(end_entity, server_name, now) {
            Some(Ok(())) => return Ok(ServerCertVerified::assertion()),
            Some(Err(untrusted)) => untrusted,
            None => Untrusted::of(&error, end_entity, intermediates),
        };
        let other = OtherError(Arc::new(untrusted));
        Err(Error::InvalidCertificate(CertificateError::Other(other)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
