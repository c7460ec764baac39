//! Certificates for tests: authorities, and what they sign.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SignatureAlgorithm};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

/// A certificate, followed by those that vouch for it, and its key; all in PEM.
#[derive(Clone)]
pub struct Signed {
    pub chain: String,
    pub key: String,
}

/// An authority, and the way to the one that vouches for it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub certificate: String,
    /// What stands between it and the root: itself, unless it is the root.
    between: String,
}

impl Authority {
    pub fn root() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let params = authority("root");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
            between: String::new(),
        }
    }

    /// An authority that this one vouches for.
    pub fn below(&self) -> Authority {
        let key = KeyPair::generate().expect("a key");
        let params = authority("intermediate");
        let signed = params.signed_by(&key, &self.issuer);
        let certificate = signed.expect("a certificate").pem();
        let between = format!("{certificate}{}", self.between);
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
            between,
        }
    }

    /// A certificate for these names and addresses.
    pub fn sign(&self, names: &[&str]) -> Signed {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("sound names");
        let signed = params.signed_by(&key, &self.issuer);
        let leaf = signed.expect("a certificate").pem();
        Signed {
            chain: format!("{leaf}{}", self.between),
            key: key.serialize_pem(),
        }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A certificate that vouches for itself.
pub fn alone(algorithm: &'static SignatureAlgorithm) -> Signed {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let params = CertificateParams::new(["alone.test".to_owned()]).expect("a sound name");
    Signed {
        chain: params.self_signed(&key).expect("a certificate").pem(),
        key: key.serialize_pem(),
    }
}

impl Signed {
    /// The certificate that is shown first.
    pub fn leaf(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).expect("PEM of our own")
    }

    /// As a TLS server takes them.
    pub fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes());
        let chain = chain.map(|one| one.expect("PEM of our own")).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        (chain, key.expect("PEM of our own"))
    }

    /// As a document of the Admin API, shown for these names.
    pub fn document(&self, snis: &[&str]) -> Value {
        json!({ "cert": self.chain, "key": self.key, "snis": snis })
    }
}
