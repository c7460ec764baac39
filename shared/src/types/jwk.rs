//! JSON Web Keys: whether one can be used (admin-api.md 8.11, RFC 7517 and 7518).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Whether this is a key that signs or agrees: RSA, an elliptic curve, or one of the Edwards curves.
pub fn is_usable_jwk(jwk: &Value) -> bool {
    match jwk.get("kty").and_then(Value::as_str) {
        Some("RSA") => is_rsa(jwk),
        Some("EC") => is_curve(jwk),
        Some("OKP") => is_edwards(jwk),
        _ => false,
    }
}

fn is_rsa(jwk: &Value) -> bool {
    const PRIVATE: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];
    let numbers = ["n", "e"].iter().all(|name| is_number(jwk, name));
    let given = |name: &&str| jwk.get(*name).is_some();
    numbers
        && PRIVATE
            .iter()
            .filter(|name| given(name))
            .all(|name| is_number(jwk, name))
}

/// Bytes of which one is not zero.
fn is_number(jwk: &Value, name: &str) -> bool {
    bytes(jwk, name).is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0))
}

fn is_curve(jwk: &Value) -> bool {
    let size = match jwk.get("crv").and_then(Value::as_str) {
        Some("P-256") => 32,
        Some("P-384") => 48,
        Some("P-521") => 66,
        _ => return false,
    };
    let sized = |name: &str| bytes(jwk, name).filter(|bytes| bytes.len() == size);
    let (Some(x), Some(y)) = (sized("x"), sized("y")) else {
        return false;
    };
    let private = jwk.get("d").is_none() || sized("d").is_some();
    private && is_on_curve(size, &x, &y)
}

fn is_on_curve(size: usize, x: &[u8], y: &[u8]) -> bool {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ParsedPublicKey,
    };
    const UNCOMPRESSED: u8 = 4;
    let algorithm = match size {
        32 => &ECDSA_P256_SHA256_ASN1,
        48 => &ECDSA_P384_SHA384_ASN1,
        _ => &ECDSA_P521_SHA512_ASN1,
    };
    let point = [&[UNCOMPRESSED], x, y].concat();
    ParsedPublicKey::new(algorithm, point).is_ok()
}

fn is_edwards(jwk: &Value) -> bool {
    let size = match jwk.get("crv").and_then(Value::as_str) {
        Some("Ed25519" | "X25519") => 32,
        Some("Ed448") => 57,
        Some("X448") => 56,
        _ => return false,
    };
    let sized = |name: &str| bytes(jwk, name).is_some_and(|bytes| bytes.len() == size);
    sized("x") && (jwk.get("d").is_none() || sized("d"))
}

fn bytes(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    let text = jwk.get(name)?.as_str()?.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_have_the_members_of_their_type() {
        let n = URL_SAFE_NO_PAD.encode([7; 256]);
        let x = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"; // RFC 7517, A.1
        let y = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";
        let zero = URL_SAFE_NO_PAD.encode([0; 32]);
        let good = [
            json!({ "kty": "RSA", "n": n, "e": "AQAB" }),
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }),
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "d": x }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
        ];
        for jwk in good {
            assert!(is_usable_jwk(&jwk), "{jwk}");
        }
        let bad = [
            json!(1),
            json!({}),
            json!({ "kty": "oct", "k": n }),
            json!({ "kty": "RSA", "n": n }),
            json!({ "kty": "RSA", "n": "not base64!", "e": "AQAB" }),
            json!({ "kty": "RSA", "n": zero, "e": "AQAB" }),
            json!({ "kty": "RSA", "n": n, "e": "AQAB", "d": 1 }),
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": x }),
            json!({ "kty": "EC", "crv": "P-384", "x": x, "y": y }),
            json!({ "kty": "EC", "crv": "P-256", "x": x }),
            json!({ "kty": "OKP", "crv": "Ed448", "x": x }),
        ];
        for jwk in bad {
            assert!(!is_usable_jwk(&jwk), "{jwk}");
        }
    }
}
