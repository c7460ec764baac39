//! Keys: read from PEM, DER and JWK, written as OpenSSL writes them.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use shared::types::PublicKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::der::{
    self, BITS, BYTES, INTEGER, NAME, NOTHING, SEQUENCE, element, inside, number, sequence,
    unpadded,
};

/// `rsaEncryption`, `id-ecPublicKey` and `id-Ed25519`, without tag and length.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A curve: what OpenSSL and RFC 7518 call it, its object identifier, its size.
pub(super) struct Curve {
    name: &'static str,
    jwk: &'static str,
    id: &'static [u8],
    bits: u32,
    signing: &'static EcdsaSigningAlgorithm,
}

#[rustfmt::skip]
static CURVES: &[Curve] = &[
    Curve { name: "prime256v1", jwk: "P-256", id: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], bits: 256, signing: &ECDSA_P256_SHA256_FIXED_SIGNING },
    Curve { name: "secp384r1", jwk: "P-384", id: &[0x2b, 0x81, 0x04, 0, 0x22], bits: 384, signing: &ECDSA_P384_SHA384_FIXED_SIGNING },
    Curve { name: "secp521r1", jwk: "P-521", id: &[0x2b, 0x81, 0x04, 0, 0x23], bits: 521, signing: &ECDSA_P521_SHA512_FIXED_SIGNING },
];

/// A key that can be used.
pub(super) enum Key {
    /// n and e; of a private one d, p, q, dp, dq and qi behind them.
    Rsa(Vec<Vec<u8>>),
    Curve {
        curve: &'static Curve,
        /// Not compressed.
        point: Vec<u8>,
        private: Option<Vec<u8>>,
    },
    Ed25519 {
        public: Vec<u8>,
        private: Option<Vec<u8>>,
    },
}

/// What the numbers of an RSA key are called.
const NUMBERS: [&str; 8] = ["n", "e", "d", "p", "q", "dmp1", "dmq1", "iqmp"];
/// The same in a JWK.
const MEMBERS: [&str; 8] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];

impl Key {
    /// `format` is `PEM`, `DER`, `JWK`, or `*` for whichever it is.
    pub(super) fn read(text: &[u8], format: &str) -> Option<Self> {
        let pem = || Self::of_pem(std::str::from_utf8(text).ok()?);
        let jwk = || Self::of_jwk(&serde_json::from_slice(text).ok()?);
        let found = match format {
            "PEM" => pem(),
            "DER" => Self::of_der(text),
            "JWK" => jwk(),
            "*" => pem().or_else(|| Self::of_der(text)).or_else(jwk),
            _ => None,
        };
        found.filter(Self::is_usable)
    }

    /// A new pair.
    pub(super) fn generate(kind: &str, detail: Option<&str>) -> Result<Self, String> {
        let failed = |_| "the key cannot be made".to_owned();
        let pkcs8 = match kind {
            "RSA" => {
                let size = match detail.unwrap_or("2048") {
                    "2048" => KeySize::Rsa2048,
                    "3072" => KeySize::Rsa3072,
                    "4096" => KeySize::Rsa4096,
                    other => {
                        return Err(format!("expected 2048, 3072 or 4096 bits, got {other}"));
                    }
                };
                let pair = RsaKeyPair::generate(size).map_err(failed)?;
                let der: Pkcs8V1Der = pair.as_der().map_err(failed)?;
                der.as_ref().to_vec()
            }
            "EC" => {
                let name = detail.unwrap_or("prime256v1");
                let curve = CURVES.iter().find(|curve| curve.name == name);
                let curve = curve.ok_or_else(|| format!("unknown curve: {name}"))?;
                let pair = EcdsaKeyPair::generate(curve.signing).map_err(failed)?;
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
            }
            "Ed25519" => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
            }
            other => return Err(format!("unsupported type {other}")),
        };
        Self::of_pkcs8(&pkcs8).ok_or_else(|| "the key cannot be made".to_owned())
    }

    fn is_usable(&self) -> bool {
        PublicKey::load(&der::pem("PUBLIC KEY", &self.public())).is_some()
    }

    fn of_pem(text: &str) -> Option<Self> {
        type Read = fn(&[u8]) -> Option<Key>;
        let readers: [(&str, Read); 6] = [
            ("PUBLIC KEY", Self::of_spki),
            ("PRIVATE KEY", Self::of_pkcs8),
            ("RSA PRIVATE KEY", Self::of_pkcs1),
            ("RSA PUBLIC KEY", Self::of_pkcs1),
            ("EC PRIVATE KEY", |der| Self::of_sec1(der, None)),
            ("CERTIFICATE", |der| {
                let (_, certificate) = X509Certificate::from_der(der).ok()?;
                Self::of_spki(certificate.public_key().raw)
            }),
        ];
        readers.iter().find_map(|(label, read)| {
            let begin = text.find(&format!("-----BEGIN {label}-----"))?;
            // Any label will do for the reader of sections.
            let section = text[begin..].replace(label, "CERTIFICATE");
            read(&CertificateDer::from_pem_slice(section.as_bytes()).ok()?)
        })
    }

    fn of_der(der: &[u8]) -> Option<Self> {
        Self::of_spki(der)
            .or_else(|| Self::of_pkcs8(der))
            .or_else(|| Self::of_pkcs1(der))
            .or_else(|| Self::of_sec1(der, None))
    }

    fn of_spki(der: &[u8]) -> Option<Self> {
        let [(SEQUENCE, algorithm), (BITS, bits)] = *inside(der)?.as_slice() else {
            return None;
        };
        let (first, content) = bits.split_first()?;
        let algorithm = element(SEQUENCE, algorithm);
        let algorithm = inside(&algorithm)?;
        match (first, algorithm.first()?.1) {
            (0, RSA) => Self::of_pkcs1(content),
            (0, EC) => Some(Self::Curve {
                curve: curve(algorithm.get(1)?.1)?,
                point: content.to_vec(),
                private: None,
            }),
            (0, ED25519) => Some(Self::Ed25519 {
                public: content.to_vec(),
                private: None,
            }),
            _ => None,
        }
    }

    fn of_pkcs8(der: &[u8]) -> Option<Self> {
        let parts = inside(der)?;
        let [(INTEGER, _), (SEQUENCE, algorithm), (BYTES, key), ..] = *parts.as_slice() else {
            return None;
        };
        let algorithm = element(SEQUENCE, algorithm);
        let algorithm = inside(&algorithm)?;
        match algorithm.first()?.1 {
            RSA => Self::of_pkcs1(key),
            EC => Self::of_sec1(key, curve(algorithm.get(1)?.1)),
            ED25519 => {
                let seed = key.strip_prefix(&[BYTES, 32])?;
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
                Some(Self::Ed25519 {
                    public: pair.public_key().as_ref().to_vec(),
                    private: Some(seed.to_vec()),
                })
            }
            _ => None,
        }
    }

    /// `RSAPublicKey` and `RSAPrivateKey` (RFC 8017, A.1).
    fn of_pkcs1(der: &[u8]) -> Option<Self> {
        let parts = inside(der)?;
        if parts.iter().any(|(tag, _)| *tag != INTEGER) {
            return None;
        }
        let numbers: Vec<_> = parts.iter().map(|(_, of)| unpadded(of).to_vec()).collect();
        match numbers.len() {
            2 => Some(Self::Rsa(numbers)),
            9 if numbers[0].is_empty() => {
                RsaKeyPair::from_der(der).ok()?;
                Some(Self::Rsa(numbers[1..].to_vec()))
            }
            _ => None,
        }
    }

    /// `ECPrivateKey` (RFC 5915), of a curve that is known already or named in it.
    fn of_sec1(der: &[u8], known: Option<&'static Curve>) -> Option<Self> {
        const PARAMETERS: u8 = 0xa0;
        let parts = inside(der)?;
        let [(INTEGER, [1]), (BYTES, private), ref rest @ ..] = *parts.as_slice() else {
            return None;
        };
        let named = rest.iter().find(|(tag, _)| *tag == PARAMETERS);
        let named = named.and_then(|(_, name)| curve(name.get(2..)?));
        let curve = known.or(named)?;
        let bare = sequence(&[
            &number(&[1]),
            &element(BYTES, private),
            &element(PARAMETERS, &element(NAME, curve.id)),
        ]);
        let pair = EcdsaKeyPair::from_private_key_der(curve.signing, &bare).ok()?;
        Some(Self::Curve {
            curve,
            point: pair.public_key().as_ref().to_vec(),
            private: Some(private.to_vec()),
        })
    }

    fn of_jwk(jwk: &Value) -> Option<Self> {
        let member = |name: &str| {
            let digits = jwk.get(name)?.as_str()?.trim_end_matches('=');
            URL_SAFE_NO_PAD.decode(digits).ok()
        };
        let text = |name: &str| jwk.get(name)?.as_str();
        match text("kty")? {
            "RSA" => {
                let numbers: Vec<_> = MEMBERS.iter().map_while(|name| member(name)).collect();
                match numbers.len() {
                    2 => Some(Self::Rsa(numbers)),
                    // What is not written down of a private key cannot be told.
                    8 => Self::of_pkcs1(&rsa_private(&numbers)),
                    _ => None,
                }
            }
            "EC" => {
                let name = text("crv")?;
                let curve = CURVES.iter().find(|curve| curve.jwk == name)?;
                let (x, y) = (member("x")?, member("y")?);
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let Some(private) = member("d") else {
                    return Some(Self::Curve {
                        curve,
                        point,
                        private: None,
                    });
                };
                let der = sequence(&[&number(&[1]), &element(BYTES, &private)]);
                let whole = Self::of_sec1(&der, Some(curve))?;
                matches!(&whole, Self::Curve { point: made, .. } if *made == point).then_some(whole)
            }
            "OKP" if text("crv") == Some("Ed25519") => {
                let (public, private) = (member("x")?, member("d"));
                if let Some(seed) = &private {
                    Ed25519KeyPair::from_seed_and_public_key(seed, &public).ok()?;
                }
                Some(Self::Ed25519 { public, private })
            }
            _ => None,
        }
    }

    /// As OpenSSL's `EVP_PKEY` names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::Curve { .. } => "EC",
            Self::Ed25519 { .. } => "ED25519",
        }
    }

    pub(super) fn bits(&self) -> u32 {
        match self {
            Self::Rsa(numbers) => {
                let n = &numbers[0];
                let zeros = n.first().map_or(0, |first| first.leading_zeros());
                n.len() as u32 * 8 - zeros
            }
            Self::Curve { curve, .. } => curve.bits,
            Self::Ed25519 { .. } => 256,
        }
    }

    pub(super) fn curve(&self) -> Option<&'static str> {
        match self {
            Self::Curve { curve, .. } => Some(curve.name),
            _ => None,
        }
    }

    /// Numbers and bytes by the names that OpenSSL has for them.
    pub(super) fn parameters(&self) -> Vec<(&'static str, &[u8])> {
        match self {
            Self::Rsa(numbers) => {
                let names = NUMBERS.iter().copied();
                names.zip(numbers.iter().map(Vec::as_slice)).collect()
            }
            Self::Curve { point, private, .. } => {
                let (x, y) = point[1..].split_at(point.len() / 2);
                let mut all = vec![("x", x), ("y", y), ("public", point.as_slice())];
                all.extend(private.as_deref().map(|private| ("private", private)));
                all
            }
            Self::Ed25519 { public, private } => {
                let mut all = vec![("public", public.as_slice())];
                all.extend(private.as_deref().map(|private| ("private", private)));
                all
            }
        }
    }

    /// `SubjectPublicKeyInfo` (RFC 5280, 4.1).
    pub(super) fn public(&self) -> Vec<u8> {
        let content = match self {
            Self::Rsa(numbers) => sequence(&[&number(&numbers[0]), &number(&numbers[1])]),
            Self::Curve { point, .. } => point.clone(),
            Self::Ed25519 { public, .. } => public.clone(),
        };
        let bits = element(BITS, &[&[0], content.as_slice()].concat());
        sequence(&[&self.algorithm(), &bits])
    }

    /// `PrivateKeyInfo` (RFC 5958).
    pub(super) fn private(&self) -> Option<Vec<u8>> {
        let content = match self {
            Self::Rsa(numbers) if numbers.len() > 2 => rsa_private(numbers),
            Self::Rsa(_) => return None,
            Self::Curve { point, private, .. } => sequence(&[
                &number(&[1]),
                &element(BYTES, private.as_ref()?),
                &element(0xa1, &element(BITS, &[&[0], point.as_slice()].concat())),
            ]),
            Self::Ed25519 { private, .. } => element(BYTES, private.as_ref()?),
        };
        let version = element(INTEGER, &[0]);
        Some(sequence(&[
            &version,
            &self.algorithm(),
            &element(BYTES, &content),
        ]))
    }

    fn algorithm(&self) -> Vec<u8> {
        match self {
            Self::Rsa(_) => sequence(&[&element(NAME, RSA), &element(NOTHING, &[])]),
            Self::Curve { curve, .. } => sequence(&[&element(NAME, EC), &element(NAME, curve.id)]),
            Self::Ed25519 { .. } => sequence(&[&element(NAME, ED25519)]),
        }
    }
}

fn rsa_private(numbers: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = vec![element(INTEGER, &[0])];
    parts.extend(numbers.iter().map(|of| number(of)));
    element(SEQUENCE, &parts.concat())
}

fn curve(id: &[u8]) -> Option<&'static Curve> {
    CURVES.iter().find(|curve| curve.id == id)
}
