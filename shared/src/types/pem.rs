//! Certificates and private keys in PEM (admin-api.md 8.6, 8.9, 8.11).
//!
//! What the Admin API takes is what a node can use: the key kinds are those that the TLS library signs with. No text
//! here quotes what it read, since half of it is secret.

mod key;

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use key::{PrivateKey, PublicPem};

use super::{Text, text_value};

/// What a key is made of; a client may be able to check one kind and not another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// An elliptic curve over a prime field.
    Ec,
    /// Ed25519.
    Ed25519,
}

/// The public half of a key, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBits {
    /// Its kind.
    pub kind: KeyKind,
    bits: Vec<u8>,
}

/// A certificate, followed by those that vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain {
    der: Vec<CertificateDer<'static>>,
    key: Option<KeyBits>,
}

impl CertificateChain {
    /// As they are sent in a handshake.
    pub fn der(&self) -> &[CertificateDer<'static>] {
        &self.der
    }

    /// The key of the first certificate; none if it is of a kind that cannot sign here.
    pub fn key(&self) -> Option<&KeyBits> {
        self.key.as_ref()
    }
}

impl Text for CertificateChain {
    fn parse(text: &str) -> Result<Self, String> {
        let invalid = |why: &str| unreadable("certificate", "x509.new", why, text);
        let der = CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| invalid("the PEM block is damaged"))?;
        if der.is_empty() {
            return Err(invalid("expected a PEM block 'CERTIFICATE'"));
        }
        let mut keys = Vec::with_capacity(der.len());
        for one in &der {
            let parsed = read(one).ok_or_else(|| invalid("the PEM block holds no X.509"))?;
            keys.push(KeyBits::of_certificate(&parsed));
        }
        let key = keys.swap_remove(0);
        Ok(CertificateChain { der, key })
    }
}

/// The certificate of an authority; one, and no chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityCertificate(CertificateDer<'static>);

impl AuthorityCertificate {
    /// The certificate.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.0
    }

    /// How many blocks a text holds.
    pub fn count(text: &str) -> usize {
        text.matches("-----BEGIN CERTIFICATE-----").count()
    }

    /// The SHA-256 of the certificate, in hexadecimal.
    pub fn digest(&self) -> String {
        let digest = digest(&SHA256, &self.0);
        digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a text takes anything");
            hex
        })
    }

    /// The second after which it is no longer valid.
    pub fn not_after(&self) -> Option<i64> {
        read(&self.0).map(|parsed| parsed.validity().not_after.timestamp())
    }

    /// Whether it says of itself that it is an authority's.
    pub fn is_authority(&self) -> bool {
        read(&self.0).is_some_and(|parsed| parsed.is_ca())
    }
}

impl Text for AuthorityCertificate {
    /// Reads the first certificate; whether there are more is an entity check's question.
    fn parse(text: &str) -> Result<Self, String> {
        let mut chain = CertificateChain::parse(text)?;
        Ok(AuthorityCertificate(chain.der.swap_remove(0)))
    }
}

text_value!(CertificateChain, AuthorityCertificate);

/// Kong passes on what its library says: the function, why, and a line. Clients that cut that off find the same form here; the
/// line is the one of the text at which a block begins.
fn unreadable(what: &str, function: &str, why: &str, text: &str) -> String {
    let begins = text.lines().position(|line| line.starts_with("-----BEGIN"));
    let line = begins.map_or(1, |before| before + 1);
    format!("invalid {what}: {function}: {why}:{line}:")
}

fn read<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    match X509Certificate::from_der(der) {
        Ok(([], parsed)) => Some(parsed),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
