//! The certificate of TLS listeners: made at the first start, kept in the data directory.

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

pub(crate) const CERTIFICATE: &str = "admin.crt";
const KEY: &str = "admin.key";

/// The TLS settings of the Admin API, with the certificate under `data_dir` or a new one.
pub fn load_or_make(
    data_dir: &Path,
) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error + Send + Sync>> {
    let (certificate, key) = (data_dir.join(CERTIFICATE), data_dir.join(KEY));
    if !certificate.exists() || !key.exists() {
        make(&certificate, &key)?;
    }
    load(&certificate, &key)
}

/// The TLS settings of the Admin API, with a certificate and a key in PEM.
pub fn load(
    certificate: &Path,
    key: &Path,
) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error + Send + Sync>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// Signed by itself: who needs more puts certificate and key of their own in these files.
fn make(certificate: &Path, key: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    names.extend(
        hostname::get()
            .ok()
            .and_then(|name| name.into_string().ok()),
    );
    let made = rcgen::generate_simple_self_signed(names)?;
    write(key, &made.signing_key.serialize_pem())?;
    write(certificate, &made.cert.pem())?;
    tracing::info!(certificate = %certificate.display(), "made a certificate for the Admin API");
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_made_once_and_its_key_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary directory");
        load_or_make(folder.path()).expect("made");
        let first = std::fs::read(folder.path().join(CERTIFICATE)).expect("written");
        load_or_make(folder.path()).expect("read back");
        let second = std::fs::read(folder.path().join(CERTIFICATE)).expect("still there");
        assert_eq!(first, second);
        let mode = folder
            .path()
            .join(KEY)
            .metadata()
            .expect("written")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
