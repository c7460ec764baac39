//! TLS 1.3 on both listeners: who may connect, and with which certificate the control plane answers.

use super::HubError;
use super::pki::{Authority, Leaf};
use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use shared::sync::peer::{Peer, Role};
use std::net::IpAddr;
use std::sync::Arc;

/// What each new connection is answered with; replaced when the leaf is renewed.
pub(super) struct Tls {
    authority: Arc<Authority>,
    name: String,
    addresses: Vec<IpAddr>,
    sync: ArcSwap<ServerConfig>,
    enroll: ArcSwap<ServerConfig>,
}

impl Tls {
    pub(super) fn new(
        authority: Arc<Authority>,
        name: String,
        addresses: Vec<IpAddr>,
    ) -> Result<Tls, HubError> {
        let (sync, enroll) = configs(&authority, &name, &addresses)?;
        Ok(Tls {
            authority,
            name,
            addresses,
            sync: ArcSwap::from_pointee(sync),
            enroll: ArcSwap::from_pointee(enroll),
        })
    }

    /// A new leaf for the connections to come; those that stand keep theirs.
    pub(super) fn renew(&self) -> Result<(), HubError> {
        let (sync, enroll) = configs(&self.authority, &self.name, &self.addresses)?;
        self.sync.store(Arc::new(sync));
        self.enroll.store(Arc::new(enroll));
        Ok(())
    }

    /// With a client certificate of a node.
    pub(super) fn sync(&self) -> Arc<ServerConfig> {
        self.sync.load_full()
    }

    /// Without: the joining node has none yet, it knows us by the hash in its token.
    pub(super) fn enroll(&self) -> Arc<ServerConfig> {
        self.enroll.load_full()
    }
}

fn configs(
    authority: &Authority,
    name: &str,
    addresses: &[IpAddr],
) -> Result<(ServerConfig, ServerConfig), HubError> {
    let failed = |reason: String| HubError::Pki {
        path: "the control plane's certificate".to_owned(),
        reason,
    };
    let leaf = authority
        .control_plane(name, addresses)
        .map_err(|error| failed(error.to_string()))?;
    let nodes = NodesOnly::new(authority).map_err(|error| failed(error.to_string()))?;
    let sync = with_leaf(
        builder().with_client_cert_verifier(Arc::new(nodes)),
        authority,
        &leaf,
    );
    let enroll = with_leaf(builder().with_no_client_auth(), authority, &leaf);
    Ok((
        sync.map_err(|error| failed(error.to_string()))?,
        enroll.map_err(|error| failed(error.to_string()))?,
    ))
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn with_leaf(
    builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
    authority: &Authority,
    leaf: &Leaf,
) -> Result<ServerConfig, Error> {
    // The CA goes along: a joining node finds by the hash in its token which one to trust.
    let chain = vec![leaf.certificate.clone(), authority.certificate().clone()];
    let mut config = builder.with_single_cert(chain, leaf.key.clone_key())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Lets in certificates of our CA that were made for a data plane; all others get a TLS alert.
#[derive(Debug)]
struct NodesOnly {
    chain: Arc<dyn ClientCertVerifier>,
}

impl NodesOnly {
    fn new(authority: &Authority) -> Result<NodesOnly, Box<dyn std::error::Error>> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone())?;
        let chain =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
        Ok(NodesOnly { chain })
    }
}

impl ClientCertVerifier for NodesOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)?;
        match Peer::of_certificate(end_entity) {
            Some(Peer {
                role: Role::DataPlane,
                ..
            }) => Ok(verified),
            _ => Err(Error::InvalidCertificate(CertificateError::InvalidPurpose)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
