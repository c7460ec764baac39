//! Private and public keys.

use std::fmt;

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

use super::{KeyBits, KeyKind, unreadable};
use crate::schema::Field;
use crate::types::{HIDDEN, Text, text_value};

const CURVES: [&EcdsaSigningAlgorithm; 3] = [
    &ECDSA_P256_SHA256_ASN1_SIGNING,
    &ECDSA_P384_SHA384_ASN1_SIGNING,
    &ECDSA_P521_SHA512_ASN1_SIGNING,
];

/// A private key. It does not print.
pub struct PrivateKey {
    der: PrivateKeyDer<'static>,
    public: KeyBits,
}

impl PrivateKey {
    /// As the TLS library takes it.
    pub fn der(&self) -> &PrivateKeyDer<'static> {
        &self.der
    }

    /// Its public half.
    pub fn public(&self) -> &KeyBits {
        &self.public
    }
}

impl Text for PrivateKey {
    fn describe(field: Field) -> Field {
        field.secret()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let invalid = |why: &str| unreadable("key", "pkey.new", why, text);
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| invalid("expected a PEM block with an unencrypted private key"))?;
        let public = KeyBits::of_private(&der).ok_or_else(|| {
            invalid(
                "expected RSA of 2048 to 8192 bits, the curve P-256, P-384 or P-521, or Ed25519",
            )
        })?;
        Ok(PrivateKey { der, public })
    }
}

impl Clone for PrivateKey {
    fn clone(&self) -> Self {
        let der = self.der.clone_key();
        let public = self.public.clone();
        PrivateKey { der, public }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPem(KeyBits);

impl PublicPem {
    /// What it is compared by.
    pub fn bits(&self) -> &KeyBits {
        &self.0
    }
}

impl Text for PublicPem {
    fn parse(text: &str) -> Result<Self, String> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
            .map_err(|_| "invalid key: expected a PEM block 'PUBLIC KEY'")?;
        let bits = match SubjectPublicKeyInfo::from_der(&der) {
            Ok(([], read)) => KeyBits::of_public(&read),
            _ => None,
        };
        let bits = bits.ok_or("invalid key: expected RSA, an elliptic curve or Ed25519")?;
        Ok(PublicPem(bits))
    }
}

text_value!(PrivateKey, PublicPem);

impl KeyBits {
    pub(super) fn of_certificate(certificate: &X509Certificate<'_>) -> Option<Self> {
        Self::of_public(certificate.public_key())
    }

    fn of_public(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let kinds = [
            (OID_PKCS1_RSAENCRYPTION, KeyKind::Rsa),
            (OID_KEY_TYPE_EC_PUBLIC_KEY, KeyKind::Ec),
            (OID_SIG_ED25519, KeyKind::Ed25519),
        ];
        let named = |(oid, _): &(_, _)| key.algorithm.algorithm == *oid;
        let (_, kind) = kinds.into_iter().find(named)?;
        let bits = key.subject_public_key.data.to_vec();
        Some(KeyBits { kind, bits })
    }

    fn of_private(key: &PrivateKeyDer<'_>) -> Option<Self> {
        match key {
            PrivateKeyDer::Pkcs1(der) => {
                let pair = rsa::KeyPair::from_der(der.secret_pkcs1_der()).ok()?;
                Some(Self::rsa(&pair))
            }
            PrivateKeyDer::Sec1(der) => Self::of_curve(der.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(der) => Self::of_pkcs8(der.secret_pkcs8_der()),
            _ => None,
        }
    }

    fn of_pkcs8(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = rsa::KeyPair::from_pkcs8(der) {
            return Some(Self::rsa(&pair));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let bits = pair.public_key().as_ref().to_vec();
            return Some(KeyBits {
                kind: KeyKind::Ed25519,
                bits,
            });
        }
        Self::of_curve(der)
    }

    fn rsa(pair: &rsa::KeyPair) -> Self {
        let bits = pair.public_key().as_ref().to_vec();
        KeyBits {
            kind: KeyKind::Rsa,
            bits,
        }
    }

    fn of_curve(der: &[u8]) -> Option<Self> {
        let pairs = CURVES
            .iter()
            .map(|curve| EcdsaKeyPair::from_private_key_der(curve, der));
        let pair = pairs.filter_map(Result::ok).next()?;
        let bits = pair.public_key().as_ref().to_vec();
        Some(KeyBits {
            kind: KeyKind::Ec,
            bits,
        })
    }
}
