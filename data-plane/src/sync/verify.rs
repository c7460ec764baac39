//! Whom a node believes to be its control plane. Names in DNS do not matter, roles do: the certificate must chain to the
//! cluster's CA and say `cp` in its SPIFFE name, so that no node can pose as one.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use shared::sync::peer::{Peer, Role};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Which CA to believe.
#[derive(Debug)]
pub(super) enum Trust {
    /// Those given when this node joined, and the trust domain of its own certificate.
    Cluster(RootCertStore, String),
    /// Before it joined: whichever CA in the server's chain has this key (SHA-256 of its SubjectPublicKeyInfo).
    Pinned([u8; 32]),
}

/// Checks the server of either listener.
#[derive(Debug)]
pub(super) struct ControlPlane {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

/// Why a server is not the control plane.
#[derive(Debug, thiserror::Error)]
enum NotThePlane {
    #[error(
        "no certificate in its chain has the CA key that the join token names (is this another cluster?)"
    )]
    Pin,
    #[error("its certificate does not name a control plane of this cluster")]
    Role,
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl ControlPlane {
    pub(super) fn new(trust: Trust) -> Self {
        Self {
            trust,
            provider: provider(),
        }
    }

    fn check_role(&self, certificate: &CertificateDer<'_>) -> Result<(), NotThePlane> {
        let peer = Peer::of_certificate(certificate).filter(|peer| peer.role == Role::ControlPlane);
        match (&self.trust, peer) {
            (Trust::Cluster(_, domain), Some(peer)) if peer.trust_domain == *domain => Ok(()),
            (Trust::Pinned(_), Some(_)) => Ok(()),
            _ => Err(NotThePlane::Role),
        }
    }
}

impl ServerCertVerifier for ControlPlane {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned;
        let roots = match &self.trust {
            Trust::Cluster(roots, _) => roots,
            Trust::Pinned(key) => {
                pinned = pinned_root(intermediates, key)?;
                &pinned
            }
        };
        let leaf = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&leaf, roots, intermediates, now, algorithms)?;
        self.check_role(end_entity).map_err(refused)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn pinned_root(chain: &[CertificateDer<'_>], key: &[u8; 32]) -> Result<RootCertStore, Error> {
    let root = chain
        .iter()
        .find(|certificate| key_hash(certificate).as_ref() == Some(key));
    let root = root.ok_or_else(|| refused(NotThePlane::Pin))?;
    let mut roots = RootCertStore::empty();
    roots.add(root.clone().into_owned())?;
    Ok(roots)
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
pub(super) fn key_hash(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, parsed.public_key().raw);
    digest.as_ref().try_into().ok()
}

fn refused(reason: NotThePlane) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}
