//! Signatures of tokens.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    ParsedPublicKey, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    VerificationAlgorithm,
};
use shared::entities::{JwtAlgorithm, JwtSecret};
use shared::types::PublicKey;

use super::token::Token;
use crate::plugins::base64;

/// A credential, ready to verify tokens.
pub struct Verifier {
    secret: Arc<JwtSecret>,
    public: Option<Public>,
}

/// A public key, read once. `secret_is_base64` decides which spelling counts, and no text is both.
enum Public {
    Pem(ParsedPublicKey),
    Base64(ParsedPublicKey),
}

/// How a signature is made.
enum Scheme {
    Shared(hmac::Algorithm),
    Public(&'static dyn VerificationAlgorithm),
}

/// Why a token is not what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unverified {
    #[error("Invalid algorithm")]
    Algorithm,
    #[error("Invalid key/secret")]
    Key,
    #[error("Invalid signature")]
    Signature,
}

impl Verifier {
    /// Reads the public key, if the algorithm has one. A key that cannot be read verifies nothing.
    pub fn new(secret: Arc<JwtSecret>) -> Self {
        let public = match (scheme(algorithm(&secret)), &secret.rsa_public_key) {
            (Scheme::Public(scheme), Some(text)) => Public::read(text, scheme),
            _ => None,
        };
        Self { secret, public }
    }

    /// The credential.
    pub fn secret(&self) -> &JwtSecret {
        &self.secret
    }

    /// Whether it was made from this very document.
    pub fn is_of(&self, secret: &Arc<JwtSecret>) -> bool {
        Arc::ptr_eq(&self.secret, secret)
    }

    /// Whether the token was signed by the credential. `encoded`: what it was signed with is written in base64.
    pub(super) fn verify(&self, token: &Token<'_>, encoded: bool) -> Result<(), Unverified> {
        let algorithm = algorithm(&self.secret);
        // Before anything else: a public key must never be taken for a shared secret.
        if token.algorithm != algorithm {
            return Err(Unverified::Algorithm);
        }
        let verified = match scheme(algorithm) {
            Scheme::Shared(digest) => {
                let key = self.shared(digest, encoded).ok_or(Unverified::Key)?;
                hmac::verify(&key, token.signed, &token.signature)
            }
            Scheme::Public(_) => match (&self.public, encoded) {
                (Some(Public::Pem(key)), false) | (Some(Public::Base64(key)), true) => {
                    key.verify_sig(token.signed, &token.signature)
                }
                _ => return Err(Unverified::Key),
            },
        };
        verified.map_err(|_| Unverified::Signature)
    }

    fn shared(&self, digest: hmac::Algorithm, encoded: bool) -> Option<hmac::Key> {
        let secret = self.secret.secret.as_ref()?.expose().as_bytes();
        match encoded {
            true => Some(hmac::Key::new(digest, &base64::decode_url(secret)?)),
            false => Some(hmac::Key::new(digest, secret)),
        }
    }
}

/// Without the secret.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifier").field(&self.secret.id).finish()
    }
}

impl Public {
    fn read(text: &str, scheme: &'static dyn VerificationAlgorithm) -> Option<Self> {
        let parse = |pem: &str| PublicKey::load(pem)?.parse(scheme);
        if let Some(key) = parse(text) {
            return Some(Public::Pem(key));
        }
        let decoded = base64::decode_url(text.as_bytes())?;
        parse(std::str::from_utf8(&decoded).ok()?).map(Public::Base64)
    }
}

/// Kong's default, for a document that says null.
fn algorithm(secret: &JwtSecret) -> JwtAlgorithm {
    secret.algorithm.unwrap_or_default()
}

/// RSA keys of 1024 bits are taken where there is code for them: that they are short is for their owner to mend, and a
/// gateway that refused the tokens would not.
fn scheme(algorithm: JwtAlgorithm) -> Scheme {
    match algorithm {
        JwtAlgorithm::Hs256 => Scheme::Shared(hmac::HMAC_SHA256),
        JwtAlgorithm::Hs384 => Scheme::Shared(hmac::HMAC_SHA384),
        JwtAlgorithm::Hs512 => Scheme::Shared(hmac::HMAC_SHA512),
        JwtAlgorithm::Rs256 => Scheme::Public(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        JwtAlgorithm::Rs384 => Scheme::Public(&RSA_PKCS1_2048_8192_SHA384),
        JwtAlgorithm::Rs512 => Scheme::Public(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        JwtAlgorithm::Es256 => Scheme::Public(&ECDSA_P256_SHA256_FIXED),
        JwtAlgorithm::Es384 => Scheme::Public(&ECDSA_P384_SHA384_FIXED),
        JwtAlgorithm::Es512 => Scheme::Public(&ECDSA_P521_SHA512_FIXED),
        JwtAlgorithm::Ps256 => Scheme::Public(&RSA_PSS_2048_8192_SHA256),
        JwtAlgorithm::Ps384 => Scheme::Public(&RSA_PSS_2048_8192_SHA384),
        JwtAlgorithm::Ps512 => Scheme::Public(&RSA_PSS_2048_8192_SHA512),
        JwtAlgorithm::EdDsa => Scheme::Public(&ED25519),
    }
}
