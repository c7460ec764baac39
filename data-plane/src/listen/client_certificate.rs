//! What clients show of themselves in TLS: they are asked when a plugin wants it, and may show anything or nothing. Whether it
//! is worth something the plugin judges, as with Kong (custom-plugins.md 3.2, `kong.client.tls`).

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lua::modules::certificate::Certificate;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Takes any certificate, if it can be read and the client has its key.
#[derive(Debug)]
pub(super) struct Any(pub(super) Arc<CryptoProvider>);

impl ClientCertVerifier for Any {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that a client showed, and those behind it.
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
    read: OnceCell<Option<Certificate>>,
}

impl Shown {
    /// `None` where nothing was shown.
    pub fn new(chain: &[CertificateDer<'_>]) -> Option<Self> {
        (!chain.is_empty()).then(|| Self {
            chain: chain
                .iter()
                .cloned()
                .map(CertificateDer::into_owned)
                .collect(),
            read: OnceCell::new(),
        })
    }

    /// What the client's own says, if it can be read.
    pub fn own(&self) -> Option<&Certificate> {
        self.read
            .get_or_init(|| Certificate::of_der(self.chain.first()?))
            .as_ref()
    }

    /// All of them, as PEM.
    pub fn pem(&self) -> String {
        let all = self
            .chain
            .iter()
            .map(|der| lua::modules::certificate::pem(der));
        all.collect()
    }

    /// What nginx says of it where no authority is trusted: `FAILED:` and the words of OpenSSL.
    pub fn verified(&self) -> String {
        let signs_itself = |der: &CertificateDer<'_>| {
            let read = Certificate::of_der(der);
            read.is_some_and(|read| read.subject == read.issuer)
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_secs() as i64);
        let why = match (self.own(), self.chain.as_slice()) {
            (Some(own), _) if own.not_before > now => "certificate is not yet valid",
            (Some(own), _) if own.not_after < now => "certificate has expired",
            (_, [only]) if signs_itself(only) => "self-signed certificate",
            (_, [_]) => "unable to verify the first certificate",
            (_, [.., last]) if signs_itself(last) => "self-signed certificate in certificate chain",
            _ => "unable to get local issuer certificate",
        };
        format!("FAILED:{why}")
    }
}
