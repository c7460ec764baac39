//! The built-in certificate authority: made on the first start, signs the control plane and its nodes.
//!
//! Only the CA is on disk (`data_dir/pki`, 0600). The control plane's own leaf lives in memory and is made again
//! when a third of its life is over; nodes keep theirs.

use super::HubError;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use shared::sync::peer::Peer;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// How long leaves live (sync-protocol.md 10).
pub(super) const LEAF_LIFE: Duration = Duration::days(30);
const CA_LIFE: Duration = Duration::days(3650);
/// Certificates begin a day ago, so that a clock which is a day off changes nothing.
const BACKDATE: Duration = Duration::days(1);

/// The cluster's CA.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// SHA-256 over its SubjectPublicKeyInfo: what join tokens pin.
    key_hash: [u8; 32],
}

/// A certificate with its key, for a TLS server.
pub(super) struct Leaf {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// A certificate for a node.
pub(super) struct NodeCertificate {
    pub(super) certificate: CertificateDer<'static>,
    /// Unix seconds.
    pub(super) expires: u64,
}

/// A request that is not one, or is not signed by its own key.
#[derive(Debug, thiserror::Error)]
#[error("the certificate request cannot be used: {0}")]
pub(super) struct BadRequest(rcgen::Error);

impl Authority {
    /// Reads the CA in `folder`, or makes one.
    pub(super) fn open(folder: &Path) -> Result<Authority, HubError> {
        let failed = |reason: String| HubError::Pki {
            path: folder.display().to_string(),
            reason,
        };
        let certificate_file = folder.join("ca.pem");
        if !certificate_file.exists() {
            create(folder).map_err(&failed)?;
        }
        let certificate = CertificateDer::from_pem_file(&certificate_file)
            .map_err(|error| failed(error.to_string()))?;
        let key =
            fs::read_to_string(folder.join("ca.key")).map_err(|error| failed(error.to_string()))?;
        let key = KeyPair::from_pem(&key).map_err(|error| failed(error.to_string()))?;
        if !is_of(&certificate, &key) {
            return Err(failed("'ca.key' is not the key of 'ca.pem'".to_owned()));
        }
        let key_hash = sha256(&key.subject_public_key_info());
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Authority {
            issuer,
            certificate,
            key_hash,
        })
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn key_hash(&self) -> [u8; 32] {
        self.key_hash
    }

    /// A leaf for this control plane: its role, loopback and the addresses it listens on.
    pub(super) fn control_plane(
        &self,
        name: &str,
        addresses: &[IpAddr],
    ) -> Result<Leaf, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = leaf_params(&Peer::control_plane(name))?;
        params
            .subject_alt_names
            .push(SanType::DnsName("localhost".try_into()?));
        if let Ok(host) = name.try_into() {
            params.subject_alt_names.push(SanType::DnsName(host));
        }
        let loopback = [
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1]),
        ];
        let named = addresses
            .iter()
            .filter(|address| !address.is_unspecified() && !address.is_loopback());
        params.subject_alt_names.extend(
            loopback
                .iter()
                .chain(named)
                .copied()
                .map(SanType::IpAddress),
        );
        // Also a client's: a control plane will speak to others of its kind.
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok(Leaf {
            certificate,
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// A certificate over the key of `request`; everything else that the request asks for is ignored.
    pub(super) fn node(&self, request: &[u8], node: Uuid) -> Result<NodeCertificate, BadRequest> {
        let request =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request))
                .map_err(BadRequest)?;
        let mut params = leaf_params(&Peer::data_plane(node.to_string())).map_err(BadRequest)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let expires = params.not_after.unix_timestamp().max(0) as u64;
        let certificate = params
            .signed_by(&request.public_key, &self.issuer)
            .map_err(BadRequest)?;
        Ok(NodeCertificate {
            certificate: certificate.der().clone(),
            expires,
        })
    }
}

fn leaf_params(peer: &Peer) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = named(&peer.name);
    params.subject_alt_names = vec![SanType::URI(peer.to_string().try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.not_before = OffsetDateTime::now_utc() - BACKDATE;
    params.not_after = OffsetDateTime::now_utc() + LEAF_LIFE;
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    // A common name ends at 64 characters (RFC 5280, ub-common-name).
    distinguished.push(
        DnType::CommonName,
        name.chars().take(64).collect::<String>(),
    );
    distinguished
}

/// Makes key and certificate; the certificate comes last, so that a start which died in between begins anew.
fn create(folder: &Path) -> Result<(), String> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| error.to_string())?;
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let certificate = authority_params()
        .self_signed(&key)
        .map_err(|error| error.to_string())?;
    let files = [
        ("ca.key", key.serialize_pem()),
        ("ca.pem", certificate.pem()),
    ];
    for (name, content) in files {
        write_private(&folder.join(name), content.as_bytes()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Headgate cluster CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = OffsetDateTime::now_utc() - BACKDATE;
    params.not_after = OffsetDateTime::now_utc() + CA_LIFE;
    params
}

/// Whole or not at all: a half-written CA would lock a fleet out.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    let folder = path.parent().expect("the file is in the folder of the CA");
    fs::File::open(folder)?.sync_all()
}

fn is_of(certificate: &CertificateDer<'_>, key: &KeyPair) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 is 32 bytes")
}
