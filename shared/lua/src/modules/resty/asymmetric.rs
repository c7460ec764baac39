//! Signatures by keys in PEM, for `resty.jwt` and `resty.openssl.pkey`.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self as of, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding, RsaKeyPair,
    VerificationAlgorithm,
};
use mlua::{Lua, LuaString, Result, Table, Value};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use shared::types::PublicKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::native;

/// What a signature looks like: its name, and how it is made and verified by the kinds of keys that have it.
struct Scheme {
    name: &'static str,
    sign: Sign,
    verify: &'static dyn VerificationAlgorithm,
}

#[derive(Clone, Copy)]
enum Sign {
    Rsa(&'static dyn RsaEncoding),
    Curve(&'static EcdsaSigningAlgorithm),
    Ed25519,
}

/// The names of RFC 7518; with `-asn1` a signature on a curve is written as OpenSSL writes it.
#[rustfmt::skip]
static SCHEMES: &[Scheme] = &[
    Scheme { name: "RS256", sign: Sign::Rsa(&of::RSA_PKCS1_SHA256), verify: &of::RSA_PKCS1_2048_8192_SHA256 },
    Scheme { name: "RS384", sign: Sign::Rsa(&of::RSA_PKCS1_SHA384), verify: &of::RSA_PKCS1_2048_8192_SHA384 },
    Scheme { name: "RS512", sign: Sign::Rsa(&of::RSA_PKCS1_SHA512), verify: &of::RSA_PKCS1_2048_8192_SHA512 },
    Scheme { name: "PS256", sign: Sign::Rsa(&of::RSA_PSS_SHA256), verify: &of::RSA_PSS_2048_8192_SHA256 },
    Scheme { name: "PS384", sign: Sign::Rsa(&of::RSA_PSS_SHA384), verify: &of::RSA_PSS_2048_8192_SHA384 },
    Scheme { name: "PS512", sign: Sign::Rsa(&of::RSA_PSS_SHA512), verify: &of::RSA_PSS_2048_8192_SHA512 },
    Scheme { name: "ES256", sign: Sign::Curve(&of::ECDSA_P256_SHA256_FIXED_SIGNING), verify: &of::ECDSA_P256_SHA256_FIXED },
    Scheme { name: "ES384", sign: Sign::Curve(&of::ECDSA_P384_SHA384_FIXED_SIGNING), verify: &of::ECDSA_P384_SHA384_FIXED },
    Scheme { name: "ES512", sign: Sign::Curve(&of::ECDSA_P521_SHA512_FIXED_SIGNING), verify: &of::ECDSA_P521_SHA512_FIXED },
    Scheme { name: "ES256-asn1", sign: Sign::Curve(&of::ECDSA_P256_SHA256_ASN1_SIGNING), verify: &of::ECDSA_P256_SHA256_ASN1 },
    Scheme { name: "ES384-asn1", sign: Sign::Curve(&of::ECDSA_P384_SHA384_ASN1_SIGNING), verify: &of::ECDSA_P384_SHA384_ASN1 },
    Scheme { name: "ES512-asn1", sign: Sign::Curve(&of::ECDSA_P521_SHA512_ASN1_SIGNING), verify: &of::ECDSA_P521_SHA512_ASN1 },
    Scheme { name: "EdDSA", sign: Sign::Ed25519, verify: &of::ED25519 },
];

fn scheme(name: &str) -> std::result::Result<&'static Scheme, String> {
    let found = SCHEMES.iter().find(|scheme| scheme.name == name);
    found.ok_or_else(|| format!("unsupported algorithm: {name}"))
}

fn sign(name: &str, pem: &str, text: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let scheme = scheme(name)?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "expected a PEM block with an unencrypted private key".to_owned())?;
    let other = || format!("the key is not one for {name}");
    let failed = |_| "cannot sign".to_owned();
    let random = SystemRandom::new();
    match (scheme.sign, &key) {
        (Sign::Rsa(encoding), _) => {
            let pair = match &key {
                PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
                PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
                _ => return Err(other()),
            };
            let pair = pair.map_err(|_| other())?;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &random, text, &mut signature)
                .map_err(failed)?;
            Ok(signature)
        }
        (Sign::Curve(curve), _) => {
            let pair = match &key {
                PrivateKeyDer::Sec1(der) => {
                    EcdsaKeyPair::from_private_key_der(curve, der.secret_sec1_der())
                }
                PrivateKeyDer::Pkcs8(der) => {
                    EcdsaKeyPair::from_pkcs8(curve, der.secret_pkcs8_der())
                }
                _ => return Err(other()),
            };
            let signature = pair.map_err(|_| other())?.sign(&random, text);
            Ok(signature.map_err(failed)?.as_ref().to_vec())
        }
        (Sign::Ed25519, PrivateKeyDer::Pkcs8(der)) => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
            Ok(pair.map_err(|_| other())?.sign(text).as_ref().to_vec())
        }
        (Sign::Ed25519, _) => Err(other()),
    }
}

/// Of a public key, a private one or a certificate.
fn verify(
    name: &str,
    pem: &str,
    text: &[u8],
    signature: &[u8],
) -> std::result::Result<bool, String> {
    let algorithm = scheme(name)?.verify;
    if let Some(key) = PublicKey::load(pem) {
        let key = key.parse(algorithm);
        let key = key.ok_or_else(|| format!("the key is not one for {name}"))?;
        return Ok(key.verify_sig(text, signature).is_ok());
    }
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
    let certificate = certificate.map_err(|_| "expected a public key in PEM".to_owned())?;
    let (_, certificate) = X509Certificate::from_der(&certificate)
        .map_err(|_| "the certificate cannot be read".to_owned())?;
    let key = of::ParsedPublicKey::new(algorithm, certificate.public_key().raw);
    let key = key.map_err(|_| format!("the key is not one for {name}"))?;
    Ok(key.verify_sig(text, signature).is_ok())
}

/// `sign(algorithm, pem, text)` and `verify(algorithm, pem, text, signature)`: the answer, or nil and what is wrong;
/// `is_private(pem)`, `is_key(pem)`.
pub(in crate::modules) fn natives(lua: &Lua) -> Result<Value> {
    let Value::Table(natives): Value = super::digest::natives(lua)? else {
        return Ok(Value::Nil);
    };
    add(lua, &natives)?;
    Ok(Value::Table(natives))
}

fn add(lua: &Lua, natives: &Table) -> Result<()> {
    natives.raw_set(
        "sign",
        native::function(lua, |lua, given: (String, String, LuaString)| {
            let (algorithm, pem, text) = given;
            Ok(match sign(&algorithm, &pem, &text.as_bytes()) {
                Ok(bytes) => (Value::String(lua.create_string(bytes)?), None),
                Err(said) => (Value::Nil, Some(said)),
            })
        })?,
    )?;
    natives.raw_set(
        "verify",
        native::function(lua, |_, given: (String, String, LuaString, LuaString)| {
            let (algorithm, pem, text, signature) = given;
            let (text, signature) = (text.as_bytes(), signature.as_bytes());
            Ok(match verify(&algorithm, &pem, &text, &signature) {
                Ok(verified) => (Some(verified), None),
                Err(said) => (None, Some(said)),
            })
        })?,
    )?;
    natives.raw_set(
        "is_private",
        native::function(lua, |_, pem: String| {
            Ok(PrivateKeyDer::from_pem_slice(pem.as_bytes()).is_ok())
        })?,
    )?;
    natives.raw_set(
        "is_key",
        native::function(lua, |_, pem: String| Ok(PublicKey::load(&pem).is_some()))?,
    )
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::KeyPair;

    use super::*;
    use crate::modules::tests::state;
    use crate::tests::answer;

    fn pem(label: &str, der: &[u8]) -> String {
        use base64::Engine;
        let digits = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\\n{digits}\\n-----END {label}-----\\n")
    }

    #[test]
    fn what_a_key_signs_its_public_half_verifies() {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("randomness");
        let private: Pkcs8V1Der = rsa.as_der().expect("a private key");
        let public: PublicKeyX509Der = rsa.public_key().as_der().expect("a public key");
        let mut cases = vec![(
            vec!["RS256", "RS384", "RS512", "PS256"],
            pem("PRIVATE KEY", private.as_ref()),
            pem("PUBLIC KEY", public.as_ref()),
        )];
        for (names, curve) in [
            (vec!["ES256"], &of::ECDSA_P256_SHA256_FIXED_SIGNING),
            (vec!["ES512"], &of::ECDSA_P521_SHA512_FIXED_SIGNING),
        ] {
            let pair = EcdsaKeyPair::generate(curve).expect("randomness");
            let public: PublicKeyX509Der = pair.public_key().as_der().expect("a public key");
            let private = pair.to_pkcs8v1().expect("a private key");
            let private = pem("PRIVATE KEY", private.as_ref());
            cases.push((names, private, pem("PUBLIC KEY", public.as_ref())));
        }
        let state = state();
        for (names, private, public) in cases {
            for name in names {
                let body = format!(
                    "local jwt = require('resty.jwt')
                     local token = jwt:sign('{private}', {{ header = {{ typ = 'JWT', alg = '{name}' }}, payload = {{ a = 1 }} }})
                     local good, bad = jwt:verify('{public}', token), jwt:verify('{public}', token .. 'AAAA')
                     return tostring(good.verified) .. good.payload.a .. tostring(bad.verified)"
                );
                assert_eq!(answer(&state, &body).as_deref(), Ok("true1false"), "{name}");
            }
            let body = format!(
                "local pkey = require('resty.openssl.pkey')
                 local private, public = pkey.new('{private}'), pkey.new('{public}')
                 local signature, said = private:sign('text')
                 if not signature then return said end
                 return tostring(public:verify(signature, 'text')) .. tostring(public:verify(signature, 'other')) .. tostring(private:is_private()) .. tostring(public:is_private())"
            );
            assert_eq!(answer(&state, &body).as_deref(), Ok("truefalsetruefalse"));
        }
        let said = sign("RS256", "nothing", b"");
        assert_eq!(
            said,
            Err("expected a PEM block with an unencrypted private key".to_owned())
        );
        assert_eq!(
            verify("XX", "", b"", b""),
            Err("unsupported algorithm: XX".to_owned())
        );
        assert_eq!(
            verify("RS256", "nothing", b"", b""),
            Err("expected a public key in PEM".to_owned())
        );
    }
}
