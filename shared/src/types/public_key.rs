//! Public keys that arrive as PEM.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A public key as a signature algorithm takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

/// One algorithm of each kind of key that can be told apart.
static KINDS: [&dyn VerificationAlgorithm; 5] = [
    &RSA_PKCS1_2048_8192_SHA256,
    &ECDSA_P256_SHA256_FIXED,
    &ECDSA_P384_SHA384_FIXED,
    &ECDSA_P521_SHA512_FIXED,
    &ED25519,
];
static CURVES: [&EcdsaSigningAlgorithm; 3] = [
    &ECDSA_P256_SHA256_FIXED_SIGNING,
    &ECDSA_P384_SHA384_FIXED_SIGNING,
    &ECDSA_P521_SHA512_FIXED_SIGNING,
];

impl PublicKey {
    /// The first key of a PEM text: RSA, EC on P-256, P-384 or P-521, or Ed25519. Like Kong's loader it takes a
    /// private key too, of which only the public half is kept. `None`: there is no such key.
    pub fn load(pem: &str) -> Option<Self> {
        sections(pem)
            .find_map(|(label, der)| match label {
                "PUBLIC KEY" | "RSA PUBLIC KEY" => Some(PublicKey(der)),
                "PRIVATE KEY" => of_pkcs8(&der),
                "RSA PRIVATE KEY" => of_pair(&RsaKeyPair::from_der(&der).ok()?),
                "EC PRIVATE KEY" => CURVES.iter().find_map(|curve| {
                    of_pair(&EcdsaKeyPair::from_private_key_der(curve, &der).ok()?)
                }),
                _ => None,
            })
            .filter(|key| KINDS.iter().any(|kind| key.parse(*kind).is_some()))
    }

    /// The key, ready to verify with this algorithm; `None` if it is for another.
    pub fn parse(&self, algorithm: &'static dyn VerificationAlgorithm) -> Option<ParsedPublicKey> {
        ParsedPublicKey::new(algorithm, &self.0).ok()
    }
}

fn of_pair<K: KeyPair>(pair: &K) -> Option<PublicKey> {
    Some(PublicKey(pair.public_key().as_ref().to_vec()))
}

fn of_pkcs8(der: &[u8]) -> Option<PublicKey> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
        return of_pair(&pair);
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return of_pair(&pair);
    }
    CURVES
        .iter()
        .find_map(|curve| of_pair(&EcdsaKeyPair::from_pkcs8(curve, der).ok()?))
}

/// Label and content of each section of a PEM text that can be read.
fn sections(pem: &str) -> impl Iterator<Item = (&str, Vec<u8>)> {
    let begun = pem.split("-----BEGIN ").skip(1);
    begun.filter_map(|section| {
        let (label, rest) = section.split_once("-----")?;
        let (body, end) = rest.split_once("-----END ")?;
        if end.split_once("-----")?.0 != label {
            return None;
        }
        let digits: String = body.split_ascii_whitespace().collect();
        Some((label, STANDARD.decode(digits).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        let digits = STANDARD.encode(der);
        let lines: Vec<_> = digits
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    }

    #[test]
    fn keys_of_every_kind_are_loaded_whatever_their_spelling() {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("randomness");
        let spki: PublicKeyX509Der = rsa.public_key().as_der().expect("a public key");
        let pkcs8: Pkcs8V1Der = rsa.as_der().expect("a private key");
        let mut cases = vec![
            (0, pem("PUBLIC KEY", spki.as_ref())),
            (0, pem("RSA PUBLIC KEY", rsa.public_key().as_ref())),
            (0, pem("PRIVATE KEY", pkcs8.as_ref())),
        ];
        for (at, curve) in CURVES.iter().enumerate() {
            let pair = EcdsaKeyPair::generate(curve).expect("randomness");
            let spki: PublicKeyX509Der = pair.public_key().as_der().expect("a public key");
            let sec1: EcPrivateKeyRfc5915Der = pair.private_key().as_der().expect("a private key");
            let pkcs8 = pair.to_pkcs8v1().expect("a private key");
            let parameters = pem("EC PARAMETERS", b"\x06\x08");
            cases.push((at + 1, pem("PUBLIC KEY", spki.as_ref())));
            cases.push((at + 1, parameters + &pem("EC PRIVATE KEY", sec1.as_ref())));
            cases.push((at + 1, pem("PRIVATE KEY", pkcs8.as_ref())));
        }
        let pair = Ed25519KeyPair::generate().expect("randomness");
        let spki: PublicKeyX509Der = pair.public_key().as_der().expect("a public key");
        let pkcs8 = pair.to_pkcs8v1().expect("a private key");
        cases.push((4, pem("PUBLIC KEY", spki.as_ref()).replace('\n', "\r\n")));
        cases.push((4, pem("PRIVATE KEY", pkcs8.as_ref())));
        for (kind, text) in cases {
            let key = PublicKey::load(&text).unwrap_or_else(|| panic!("{kind}: {text}"));
            let fits: Vec<_> = KINDS
                .iter()
                .map(|kind| key.parse(*kind).is_some())
                .collect();
            let expected: Vec<_> = (0..KINDS.len()).map(|at| at == kind).collect();
            assert_eq!(fits, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_not_loaded() {
        let certificate = pem("CERTIFICATE", b"0");
        for text in [
            "",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\n###\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            &certificate,
        ] {
            assert_eq!(PublicKey::load(text), None, "{text}");
        }
    }
}
