//! TLS towards clients: the certificate that is shown (proxy-and-routing.md 8.6).

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig, SignatureAlgorithm};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::client_certificate::Any;
use super::gate::Node;
use crate::plugins::Wants;
use crate::runtime::Pair;

/// A chain and its key.
pub type Certified = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of `ssl_cert` or `ssl_cert_key`.
    #[error("cannot read {path}: {reason} (a PEM file is expected)")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The default certificate could not be made or kept.
    #[error("cannot make the default certificate: {0}")]
    Make(String),
    /// Certificate and key do not go together.
    #[error("ssl_cert and ssl_cert_key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

/// The default certificate: from the two files, or made once and kept in `data_dir`.
///
/// # Errors
/// See [`TlsError`].
pub fn certificate(files: Option<(&Path, &Path)>, data_dir: &Path) -> Result<Certified, TlsError> {
    if let Some((chain, key)) = files {
        return read(chain, key);
    }
    let (chain, key) = (data_dir.join("default.crt"), data_dir.join("default.key"));
    if !chain.exists() || !key.exists() {
        make(&chain, &key).map_err(|error| TlsError::Make(error.to_string()))?;
    }
    read(&chain, &key)
}

fn read(chain: &Path, key: &Path) -> Result<Certified, TlsError> {
    let file = |path: &Path, reason: String| TlsError::File {
        path: path.display().to_string(),
        reason,
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file(chain, error.to_string()))?;
    if certificates.is_empty() {
        return Err(file(chain, "it holds no certificate".to_owned()));
    }
    let key_der =
        PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, error.to_string()))?;
    Ok((certificates, key_der))
}

fn make(chain: &Path, key: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    write(key, made.signing_key.serialize_pem().as_bytes(), 0o600)?;
    write(chain, made.cert.pem().as_bytes(), 0o644)?;
    Ok(())
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    io::Write::write_all(&mut file, bytes)
}

/// What a listener may do in a handshake, as plugins wish.
#[derive(Clone)]
pub struct Sides {
    /// As always.
    usual: Arc<ServerConfig>,
    /// Asks for a certificate.
    asking: Arc<ServerConfig>,
    /// Leaves the client nothing to come back with.
    fresh: Arc<ServerConfig>,
    /// Both.
    asking_fresh: Arc<ServerConfig>,
}

impl Sides {
    /// The one that does what is wanted. No session of one is taken up by another.
    pub fn of(&self, wants: Wants) -> &Arc<ServerConfig> {
        match (wants.certificate, wants.fresh) {
            (false, false) => &self.usual,
            (true, false) => &self.asking,
            (false, true) => &self.fresh,
            (true, true) => &self.asking_fresh,
        }
    }
}

/// The TLS configuration of a listener: TLS 1.2 and 1.3, with HTTP/2 where the listener has it. Each handshake asks the
/// configuration that `node` runs at that moment; `default` is for names that it does not know.
///
/// # Errors
/// [`TlsError::Pair`] when the key does not belong to the certificate.
pub fn server_config(node: Arc<Node>, default: &Certified, http2: bool) -> Result<Sides, TlsError> {
    let (chain, key) = default;
    let certified = CertifiedKey::new(chain.clone(), any_supported_type(key)?);
    certified.keys_match()?;
    let default = Arc::new(certified);
    let resolver = Arc::new(BySni { node, default });
    let side = |asks: bool, fresh: bool| {
        let builder = ServerConfig::builder();
        let any = Any(builder.crypto_provider().clone());
        let builder = match asks {
            true => builder.with_client_cert_verifier(Arc::new(any)),
            false => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver.clone());
        if fresh {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config.alpn_protocols = if http2 {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        Arc::new(config)
    };
    Ok(Sides {
        usual: side(false, false),
        asking: side(true, false),
        fresh: side(false, true),
        asking_fresh: side(true, true),
    })
}

/// Chooses by the server name that the client asks for.
struct BySni {
    node: Arc<Node>,
    default: Arc<CertifiedKey>,
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let runtime = self.node.runtime.load();
        let pair = hello.server_name().and_then(|name| {
            let bare = name.strip_suffix('.').unwrap_or(name);
            runtime.certificates.find(bare)
        });
        Some(pair.map_or_else(|| self.default.clone(), |pair| usable(pair, &hello)))
    }
}

impl fmt::Debug for BySni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BySni")
    }
}

/// Of two kinds the one that the client can check; if it can check both, the one it names first.
fn usable(pair: &Pair, hello: &ClientHello<'_>) -> Arc<CertifiedKey> {
    let Some(second) = &pair.second else {
        return pair.first.clone();
    };
    let suites = hello.cipher_suites();
    let checks = |key: &CertifiedKey| {
        let algorithm = key.key.algorithm();
        suites.iter().any(|suite| signs_with(*suite, algorithm))
    };
    let keys = [&pair.first, second].map(|key| (key, checks(key)));
    for scheme in hello.signature_schemes() {
        let takes = |key: &CertifiedKey| key.key.choose_scheme(&[*scheme]).is_some();
        if let Some((key, _)) = keys.iter().find(|(key, checks)| *checks && takes(key)) {
            return Arc::clone(key);
        }
    }
    pair.first.clone()
}

/// Whether a suite can be used with a kind of key: all of TLS 1.3 can, those of TLS 1.2 name it.
fn signs_with(suite: CipherSuite, algorithm: SignatureAlgorithm) -> bool {
    let Some(name) = suite.as_str() else {
        return false;
    };
    match algorithm {
        _ if name.starts_with("TLS13_") => true,
        SignatureAlgorithm::RSA => name.contains("_ECDHE_RSA_"),
        _ => name.contains("_ECDHE_ECDSA_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (first, _) = certificate(None, folder.path()).expect("made");
        let (second, _) = certificate(None, folder.path()).expect("kept");
        assert_eq!(first, second);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(folder.path().join("default.key"))
                .expect("a key")
                .permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.pem");
        fs::write(&path, "nonsense").expect("written");
        let error = certificate(Some((&path, &path)), folder.path())
            .expect_err("no certificate")
            .to_string();
        assert!(error.contains("x.pem"), "{error}");
    }
}
