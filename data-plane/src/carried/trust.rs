//! TLS towards upstreams: what is trusted, how far, and who this node says it is (proxy-and-routing.md 8.4).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use shared::settings::TrustedCertificates;

/// The trust store of `lua_ssl_trusted_certificate` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("lua_ssl_trusted_certificate: {0}")]
pub struct TrustError(String);

/// One way to speak TLS to upstreams. Made at a swap, never for a request; connections that were made in different
/// ways are never mixed.
pub struct Profile {
    id: u64,
    config: Arc<ClientConfig>,
}

/// What a service says about TLS.
#[derive(Debug, Default)]
pub struct Terms {
    /// Whether the upstream's certificate is verified.
    pub verify: bool,
    /// How many certificates may stand between its own and a trusted one; `None`: as many as the library allows.
    pub depth: Option<u8>,
    /// Trusted in place of the node's own.
    pub authorities: Option<RootCertStore>,
    /// Shown to the upstream if it asks.
    pub client: Option<Arc<CertifiedKey>>,
}

/// What a node trusts, and the two ways of services that say nothing else.
#[derive(Clone, Debug)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    /// Verifies by the node's trust store.
    pub verified: Arc<Profile>,
    /// Does not verify (`tls_verify` off, Kong's default).
    pub unverified: Arc<Profile>,
}

impl Profile {
    fn new(config: ClientConfig) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            config: Arc::new(config),
        }
    }

    /// No two profiles of this process have the same.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// For new connections.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Profile({})", self.id)
    }
}

impl Trust {
    /// Reads the trust store.
    ///
    /// # Errors
    /// [`TrustError`] names a file that holds no certificates.
    pub fn new(trusted: &TrustedCertificates) -> Result<Self, TrustError> {
        roots(trusted).map(Self::of)
    }

    /// Trusts nobody.
    pub fn nobody() -> Self {
        Self::of(RootCertStore::empty())
    }

    fn of(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Arc::new(roots);
        let terms = |verify| Terms {
            verify,
            ..Terms::default()
        };
        let make = |verify| Arc::new(profile(&provider, &roots, terms(verify)));
        Self {
            verified: make(true),
            unverified: make(false),
            provider,
            roots,
        }
    }

    /// The node's trust store.
    pub fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }

    /// Verifies by the node's trust store.
    pub fn verifier(&self) -> Arc<dyn ServerCertVerifier> {
        let roots = self.roots.clone();
        Arc::new(Verified::new(self.provider.clone(), roots, None))
    }

    /// A new way to speak TLS.
    pub fn profile(&self, terms: Terms) -> Profile {
        profile(&self.provider, &self.roots, terms)
    }
}

fn profile(provider: &Arc<CryptoProvider>, roots: &Arc<RootCertStore>, terms: Terms) -> Profile {
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites of TLS 1.2 and 1.3");
    let verifier: Arc<dyn ServerCertVerifier> = if terms.verify {
        let roots = terms.authorities.map_or_else(|| roots.clone(), Arc::new);
        Arc::new(Verified::new(provider.clone(), roots, terms.depth))
    } else {
        Arc::new(Unverified(provider.clone()))
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Profile::new(match terms.client {
        Some(key) => builder
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::unwrap_or_clone(key)))),
        None => builder.with_no_client_auth(),
    })
}

fn roots(trusted: &TrustedCertificates) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    if trusted.system {
        // A machine without a trust store verifies nothing; that shows at the first verified connection.
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    for file in &trusted.files {
        let bad = |reason: String| TrustError(format!("{}: {reason}", file.display()));
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad(error.to_string()))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(bad("it holds no certificate".to_owned()));
        }
    }
    Ok(roots)
}

/// Verifies the chain, which may be only so long.
#[derive(Debug)]
struct Verified {
    provider: Arc<CryptoProvider>,
    /// None: nobody is trusted.
    inner: Option<Arc<WebPkiServerVerifier>>,
    depth: Option<u8>,
}

impl Verified {
    fn new(provider: Arc<CryptoProvider>, roots: Arc<RootCertStore>, depth: Option<u8>) -> Self {
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
        Self {
            inner: inner.build().ok(),
            provider,
            depth,
        }
    }
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let inner = self.inner.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        // Certificates are sent in the order of the chain (RFC 5246 7.4.2): those beyond the depth are not looked at,
        // so that no path can be longer.
        let most = self.depth.map_or(usize::MAX, usize::from);
        let within = &intermediates[..intermediates.len().min(most)];
        inner.verify_server_cert(end_entity, within, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
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
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
