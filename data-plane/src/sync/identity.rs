//! Who this node is: its key, its certificate and the CAs it believes, kept in `data_dir`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use shared::settings::{Endpoint, Endpoints, SettingValue as _};
use shared::sync::peer::{Peer, Role};
use shared::sync::proto;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::cache::write_private;

const NODE: &str = "node.pem";
const CAS: &str = "ca.pem";
const JOINED: &str = "control-plane";

/// Whether a node that keeps its state in `data_dir` has joined a control plane, and so needs no token.
pub fn has_joined(data_dir: &Path) -> bool {
    data_dir.join(NODE).exists()
}

/// What is stored, or was received, makes no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read or written.
    #[error("cannot use the node's identity in '{file}': {source}")]
    File {
        /// Which one.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there and holds something else.
    #[error(
        "the node's identity in '{file}' cannot be used: {reason} (remove the file and join again)"
    )]
    Content {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The control plane answered with something else.
    #[error("the identity that the control plane sent cannot be used: {0}")]
    Received(String),
    /// No key could be made.
    #[error("cannot make a key for this node: {0}")]
    Key(#[from] rcgen::Error),
}

/// A node's identity. Its key is never printed.
pub(super) struct Identity {
    pub(super) node_id: String,
    pub(super) trust_domain: String,
    pub(super) expires: SystemTime,
    /// From when on it should be renewed: a third of its life before, day 10 of 30.
    pub(super) renew_from: SystemTime,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    cas: Vec<CertificateDer<'static>>,
}

/// A new key and the request for its certificate.
pub(super) struct Request {
    key: KeyPair,
    pub(super) csr: Vec<u8>,
}

impl Request {
    pub(super) fn new() -> Result<Self, IdentityError> {
        let key = KeyPair::generate()?;
        // What the request asks for is ignored, beside its key: the control plane knows who is asking.
        let request =
            rcgen::CertificateParams::new(Vec::<String>::new())?.serialize_request(&key)?;
        let csr = request.der().to_vec();
        Ok(Self { key, csr })
    }

    /// Makes the identity of what the control plane answered. With `pinned`, one of the CAs must have that key.
    pub(super) fn answered(
        &self,
        answer: proto::Identity,
        pinned: Option<[u8; 32]>,
    ) -> Result<Identity, IdentityError> {
        let certificates = |ders: Vec<Vec<u8>>| {
            ders.into_iter()
                .map(CertificateDer::from)
                .collect::<Vec<_>>()
        };
        let (chain, cas) = (certificates(answer.chain), certificates(answer.cas));
        if let Some(pin) = pinned
            && !cas
                .iter()
                .any(|ca| super::verify::key_hash(ca) == Some(pin))
        {
            return Err(IdentityError::Received(
                "it lacks the CA that the join token names".to_owned(),
            ));
        }
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der()).into();
        let identity = Identity::new(chain, key, cas).map_err(IdentityError::Received)?;
        if identity.node_id != answer.node_id {
            return Err(IdentityError::Received(
                "its certificate names another node".to_owned(),
            ));
        }
        if !is_of(&identity.chain[0], &self.key) {
            return Err(IdentityError::Received(
                "its certificate is for another key".to_owned(),
            ));
        }
        Ok(identity)
    }
}

impl Identity {
    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        cas: Vec<CertificateDer<'static>>,
    ) -> Result<Self, String> {
        let leaf = chain.first().ok_or("there is no certificate")?;
        if cas.is_empty() {
            return Err("there is no CA certificate".to_owned());
        }
        let peer = Peer::of_certificate(leaf).filter(|peer| peer.role == Role::DataPlane);
        let peer = peer.ok_or("its certificate does not name a data plane")?;
        let (from, expires) = validity(leaf).ok_or("its certificate cannot be read")?;
        let life = expires.duration_since(from).unwrap_or_default();
        Ok(Self {
            node_id: peer.name,
            trust_domain: peer.trust_domain,
            expires,
            renew_from: expires - life * 2 / 3,
            chain,
            key,
            cas,
        })
    }

    /// Reads what was stored; `None` if this node has not joined.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>, IdentityError> {
        let (node, cas) = (folder.join(NODE), folder.join(CAS));
        let Some(pem) = read(&node)? else {
            return Ok(None);
        };
        let wrong = |file: &Path, reason: String| IdentityError::Content {
            file: file.to_owned(),
            reason,
        };
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|error| wrong(&node, error.to_string()))?;
        let chain = certificates(&pem).map_err(|reason| wrong(&node, reason))?;
        let ca_pem = read(&cas)?.ok_or_else(|| wrong(&cas, "it is missing".to_owned()))?;
        let cas = certificates(&ca_pem).map_err(|reason| wrong(&cas, reason))?;
        Self::new(chain, key, cas)
            .map(Some)
            .map_err(|reason| wrong(&node, reason))
    }

    /// Stores it: the CAs first, so that a certificate is never there without them.
    pub(super) fn store(&self, folder: &Path) -> Result<(), IdentityError> {
        let cas: String = self.cas.iter().map(|ca| pem("CERTIFICATE", ca)).collect();
        replace(&folder.join(CAS), cas.as_bytes())?;
        let mut node = pem("PRIVATE KEY", self.key.secret_der());
        node.extend(
            self.chain
                .iter()
                .map(|certificate| pem("CERTIFICATE", certificate)),
        );
        replace(&folder.join(NODE), node.as_bytes())
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The CAs to believe; one that cannot be read is left out.
    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.cas.iter().cloned());
        roots
    }
}

/// Where this node joined, for a start without `control_plane`.
pub(super) fn load_endpoints(folder: &Path) -> Result<Vec<Endpoint>, IdentityError> {
    let file = folder.join(JOINED);
    let Some(text) = read(&file)? else {
        return Ok(Vec::new());
    };
    let endpoints = Endpoints::parse(String::from_utf8_lossy(&text).trim());
    let wrong = |reason| IdentityError::Content { file, reason };
    endpoints.map(|endpoints| endpoints.0).map_err(wrong)
}

/// Remembers where this node joined.
pub(super) fn store_endpoints(folder: &Path, endpoints: &[Endpoint]) -> Result<(), IdentityError> {
    let text = Endpoints(endpoints.to_vec()).render();
    replace(&folder.join(JOINED), text.as_bytes())
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, IdentityError> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityError::File {
            file: file.to_owned(),
            source,
        }),
    }
}

/// Whole or not at all, and on disk: half an identity would lock the node out.
fn replace(file: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let draft = file.with_extension("draft");
    let write = || {
        write_private(&draft, bytes)?.sync_all()?;
        fs::rename(&draft, file)?;
        match file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|source| IdentityError::File {
        file: file.to_owned(),
        source,
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem);
    certificates
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(str::from_utf8(line).expect("base64 is ASCII"));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

fn validity(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.max(0) as u64);
    let validity = parsed.validity();
    Some((
        at(validity.not_before.timestamp()),
        at(validity.not_after.timestamp()),
    ))
}

fn is_of(certificate: &CertificateDer<'_>, key: &KeyPair) -> bool {
    use rcgen::PublicKeyData as _;
    let parsed = X509Certificate::from_der(certificate);
    parsed.is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info())
}
